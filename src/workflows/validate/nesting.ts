/**
 * The lists of steps of a document: its own, and those inside the branches and items of its steps, at any depth.
 *
 * Read from the document as it is, by structure: whatever has `branches` or `steps` holds lists, so that a misspelt type
 * does not hide what is inside.
 */
import { stepIdPattern } from "../schema/parts.ts";
import { isRecord, under } from "./pointer.ts";

/** The steps among which transitions lead. */
export interface StepList {
  pointer: string;
  /** How it is run: as the workflow itself, as a branch beside others, or once for each item. */
  kind: "workflow" | "branch" | "item";
  /** Of a branch, when it has one. */
  branchId?: string;
  /** The step that holds the list; undefined for the workflow's own. */
  container?: Place;
  /** How many containers are around it. */
  depth: number;
  /** Every step that is an object. */
  places: readonly Place[];
  /** By stepId; of two steps with one id, the first. */
  byId: ReadonlyMap<string, Place>;
  /** How many there are, whatever they are. */
  length: number;
}

/** A step where it stands. */
export interface Place {
  pointer: string;
  /** Undefined when it has no usable one. */
  stepId: string | undefined;
  fields: Readonly<Record<string, unknown>>;
  list: StepList;
  /** The lists that it holds. */
  inner: readonly StepList[];
}

/** All lists, each before those inside it. The document has passed the guard. */
export function listsOf(document: unknown): StepList[] {
  const lists: StepList[] = [];
  const read = (steps: unknown, list: Omit<StepList, "places" | "byId" | "length">): StepList => {
    const items: unknown[] = Array.isArray(steps) ? steps : [];
    const places: Place[] = [];
    const byId = new Map<string, Place>();
    const made = { ...list, places, byId, length: items.length };
    lists.push(made);
    for (const [index, fields] of items.entries()) {
      if (!isRecord(fields)) continue;
      const inner: StepList[] = [];
      const place = { pointer: under(list.pointer, index), stepId: usableId(fields.stepId), fields, list: made, inner };
      places.push(place);
      if (place.stepId !== undefined && !byId.has(place.stepId)) byId.set(place.stepId, place);
      const inside = { container: place, depth: list.depth + 1 };
      for (const [branch, { branchId, steps: own }] of branchesOf(fields).entries()) {
        const pointer = under(place.pointer, "branches", branch, "steps");
        inner.push(read(own, { pointer, kind: "branch", branchId: usableId(branchId), ...inside }));
      }
      if (Array.isArray(fields.steps)) {
        inner.push(read(fields.steps, { pointer: under(place.pointer, "steps"), kind: "item", ...inside }));
      }
    }
    return made;
  };
  read(isRecord(document) ? document.steps : undefined, { pointer: "/steps", kind: "workflow", depth: 0 });
  return lists;
}

/** The branches of a step, at their own index; what is no object is an empty one. */
export function branchesOf(step: Readonly<Record<string, unknown>>): Record<string, unknown>[] {
  const branches: unknown[] = Array.isArray(step.branches) ? step.branches : [];
  return branches.map((branch) => (isRecord(branch) ? branch : {}));
}

function usableId(id: unknown): string | undefined {
  return typeof id === "string" && stepIdPattern.test(id) ? id : undefined;
}

/** The list and those around it, from inside out. */
export function* around(list: StepList | undefined): Generator<StepList> {
  for (let at = list; at !== undefined; at = at.container?.list) yield at;
}

/** Where a list is, in words for a message: `the branch "left" of "fan"`. */
export function nameOf({ kind, branchId, container }: StepList): string {
  if (kind === "workflow") return "the workflow's own steps";
  const holder = container?.stepId === undefined ? "a step without an id" : JSON.stringify(container.stepId);
  if (kind === "item") return `the items of ${holder}`;
  return branchId === undefined ? `a branch of ${holder}` : `the branch ${JSON.stringify(branchId)} of ${holder}`;
}
