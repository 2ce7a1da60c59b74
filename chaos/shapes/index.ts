/**
 * The workflows that a chaos run starts: every kind of step and of ending, and for each what must come out.
 *
 * Handlers give the same output however often they run, so what an instance ends with is known before it starts,
 * whoever was killed meanwhile.
 */

import type { Random } from "../../src/engine/simulation/random.ts";
import * as endings from "./endings.ts";
import type { Shape } from "./shape.ts";
import * as tasks from "./tasks.ts";
import * as waits from "./waits.ts";

const shapes: readonly Shape[] = [tasks, waits, endings].flatMap((group): Shape[] => Object.values(group));

export interface NamedShape extends Shape {
  definitionId: string;
}

/** By workflowId and by definition id, which is the same in every process. */
export const shapesByName: ReadonlyMap<string, NamedShape> = new Map(
  shapes.flatMap((shape, index) => {
    const definitionId = `018f0000-0000-7000-8000-${String(index + 1).padStart(12, "0")}`;
    const named = { ...shape, definitionId };
    return [
      [shape.definition.workflowId, named],
      [definitionId, named],
    ];
  }),
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
