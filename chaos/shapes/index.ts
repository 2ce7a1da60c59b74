/**
 * The workflows that a chaos run starts: every kind of step and of ending, and for each what must come out.
 *
 * Handlers give the same output however often they run, so what an instance ends with is known before it starts,
 * whoever was killed meanwhile.
 */

import type { Definition } from "../../src/engine/index.ts";
import type { Random } from "../../src/engine/simulation/random.ts";
import * as containers from "./containers.ts";
import * as endings from "./endings.ts";
import * as families from "./families.ts";
import * as lives from "./lives.ts";
import type { Shape } from "./shape.ts";
import * as tasks from "./tasks.ts";
import * as waits from "./waits.ts";

const groups = [tasks, waits, endings, containers, families, lives];
/** In one order in every process, whatever loads the modules: the ids of the versions are their places. */
const shapes: readonly Shape[] = groups
  .flatMap((group): Shape[] => Object.values(group))
  .sort((a, b) => (a.definition.workflowId < b.definition.workflowId ? -1 : 1));

export interface NamedVersion {
  shape: Shape;
  definition: Definition;
  definitionId: string;
}

const version = (shape: Shape, definition: Definition, place: number): NamedVersion => ({
  shape,
  definition,
  definitionId: `018f0000-0000-7000-8000-${String(place).padStart(12, "0")}`,
});

/** Starts begin with the first version. */
const first = shapes.map((shape, index) => version(shape, shape.definition, index + 1));
const second = shapes.flatMap((shape, index) =>
  shape.next === undefined ? [] : [version(shape, shape.next, 1_000 + index + 1)],
);

/** The first version of each by its workflowId, and all by their ids, which are the same in every process. */
export const versionsByName: ReadonlyMap<string, NamedVersion> = new Map([
  ...first.map((one): [string, NamedVersion] => [one.definition.workflowId, one]),
  ...[...first, ...second].map((one): [string, NamedVersion] => [one.definitionId, one]),
]);

/** What instances are migrated to. */
export const nextVersions: ReadonlyMap<string, NamedVersion> = new Map(
  second.map((one) => [one.definition.workflowId, one]),
);

const weights = shapes.reduce((sum, { weight }) => sum + weight, 0);

export function drawShape(random: Random): Shape {
  let left = random.next() * weights;
  for (const shape of shapes) {
    left -= shape.weight;
    if (left < 0) return shape;
  }
  return shapes[0]!;
}
