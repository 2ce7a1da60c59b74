/** Lists of steps, at any depth: those of the document, of branches and of items. */
import { maxDepth } from "../schema/parts.ts";
import { isRecord, under } from "../validate/pointer.ts";
import { type Border, type Fields, inside, type Place } from "./border.ts";
import { redirect, splitDelayedTask } from "./delayed.ts";
import { normaliseFailure } from "./failure.ts";
import { normaliseTransitions } from "./next.ts";
import { normaliseRetry } from "./retry.ts";

/** Each list takes two levels of a document at the least, so what lies deeper is refused by the guard unread. */
const maxLists = maxDepth / 2;

interface Course {
  border: Border;
  /** How many lists are around. */
  depth: number;
}

export function normaliseSteps(steps: readonly unknown[], list: Place, { border, depth }: Course): unknown[] {
  if (depth > maxLists) return [...steps];
  const result: unknown[] = [];
  /** stepIds of delayed tasks → the stepId of the delay before them, where whoever meant the task must go. */
  const delayed = new Map<string, string>();
  for (const [index, step] of steps.entries()) {
    const place = { from: under(list.from, index), to: under(list.to, result.length) };
    if (place.from !== place.to) border.origins.set(place.to, place.from);
    const course = { border, depth: depth + 1 };
    if (!isRecord(step)) {
      result.push(step);
    } else if (step.type === "DELAYED_TASK") {
      const parts = splitDelayedTask(step, place, { border, delayed });
      result.push(...parts.map((part) => normaliseStep(part.step, part.place, course)));
    } else {
      result.push(normaliseStep(step, place, course));
    }
  }
  return delayed.size === 0 ? result : result.map((step) => redirect(step, delayed));
}

function normaliseStep(given: Fields, place: Place, course: Course): Fields {
  const { border } = course;
  const step: Fields = { ...given };
  normaliseParallel(step, place, border);
  normaliseTransitions(step, place, border);
  normaliseFailure(step, place, border);
  normaliseInner(step, place, course);
  return normaliseRetry(step, place, border);
}

/** A step with `parallelBranches` is a PARALLEL, whatever else it is called; an empty list on another says nothing. */
function normaliseParallel(step: Fields, place: Place, border: Border): void {
  if (!Object.hasOwn(step, "parallelBranches")) return;
  const { parallelBranches: branches } = step;
  delete step.parallelBranches;
  const saysNothing = branches === null || (Array.isArray(branches) && branches.length === 0);
  if (saysNothing && step.type !== "PARALLEL") return;
  const pointer = under(place.from, "parallelBranches");
  if (Object.hasOwn(step, "branches")) {
    border.errors.push({ pointer, message: "Both parallelBranches and branches are given", expected: "one of them" });
    return;
  }
  border.origins.set(under(place.to, "branches"), pointer);
  step.type = "PARALLEL";
  step.branches = branches;
}

/** The steps of branches and items. */
function normaliseInner(step: Fields, place: Place, course: Course): void {
  if (Array.isArray(step.branches)) {
    const all = inside(place, "branches");
    const from = course.border.origins.get(all.to) ?? all.from;
    step.branches = step.branches.map((branch: unknown, index) => {
      if (!isRecord(branch) || !Array.isArray(branch.steps)) return branch;
      const list = { from: under(from, index, "steps"), to: under(all.to, index, "steps") };
      return { ...branch, steps: normaliseSteps(branch.steps, list, course) };
    });
  }
  if (Array.isArray(step.steps)) step.steps = normaliseSteps(step.steps, inside(place, "steps"), course);
}
