/** The names that expressions can read, by where they stand. */
import type { Findings } from "./findings.ts";
import type { Graph } from "./graph.ts";
import { nearest, oneOf } from "./nearest.ts";
import { around, type Place } from "./nesting.ts";
import { shown } from "./pointer.ts";

const everywhere = ["input", "variables", "steps", "instance", "workflow"];
const namesOf = {
  step: everywhere,
  /** Once the step has its output: mappings and the conditions of its transitions. */
  outcome: [...everywhere, "output"],
  /** The conditions of `onFailure`. */
  failure: [...everywhere, "error"],
  event: [...everywhere, "event", "payload"],
  /** As `event`; `$` stands for the payload. */
  payload: [...everywhere, "event", "payload"],
  undoing: [
    ...everywhere,
    "originalInput",
    "originalOutput",
    "workflowInput",
    "workflowState",
    "cancellation",
    "error",
  ],
  /** The condition of a compensation step. */
  undo: [...everywhere, "originalInput", "originalOutput", "cancellation", "error"],
  /** The key of a concurrency limit, for which nothing has run yet. */
  admission: ["input", "instance"],
} as const satisfies Record<string, readonly string[]>;

export type Standing = keyof typeof namesOf;

const itemNames = ["item", "index"];

export interface Standpoint {
  standing: Standing;
  /** The step that evaluates it, when there is one. */
  place?: Place;
}

/** The names that are known there: those of the place, `item` and `index` inside a MAP, `error` where one is caught. */
export function namesAt({ standing, place }: Standpoint, graph: Graph): readonly string[] {
  const names: readonly string[] = namesOf[standing];
  const more: string[] = [];
  if (place !== undefined && isInItem(place)) more.push(...itemNames);
  if (place !== undefined && graph.catchesErrors && !names.includes("error")) more.push("error");
  return more.length === 0 ? names : [...names, ...more];
}

export function reportName(
  name: string,
  { pointer, ...point }: Standpoint & { pointer: string },
  { graph, findings }: { graph: Graph; findings: Findings },
): void {
  const known = namesAt(point, graph);
  findings.error(
    pointer,
    `The name ${shown(name)} is not known here${why(name, point)}`,
    oneOf(known, nearest(name, known)),
  );
}

function why(name: string, { standing, place }: Standpoint): string {
  if (itemNames.includes(name)) return ": only the steps of a MAP see it";
  if (name !== "error" || place === undefined) return "";
  return standing === "admission" ? "" : ": no step has an onFailure or a timeout handler, so none is ever caught";
}

function isInItem(place: Place): boolean {
  return [...around(place.list)].some(({ kind }) => kind === "item");
}
