/**
 * PARALLEL and MAP: how their branches and items begin, how each end counts, and when the whole is joined.
 *
 * A branch or item is a scope (`Frame`) with one thread of steps. The row that ends it says so (`closed`), and of a MAP
 * also which item follows. The container then ends by a row of its own.
 */

import type { ErrorInfo } from "../task.ts";
import type { Json } from "./definition.ts";
import { cancelWithin } from "./ending.ts";
import type { ProgramStep } from "./program.ts";
import { complete, fail, outcomeOf } from "./settle.ts";
import { frameOf, inlineLimit, type LiveStep, type Outcome, placeOf } from "./state.ts";
import { type Closing, evaluate, failure, programStep, record, scopeOf, type Turn } from "./turn.ts";

export const maxItems = 100_000;
/** What a step may give, and what a MAP may join. */
export const maxOutputBytes = 16 * 1024 * 1024;

export function beginJoin(turn: Turn, live: LiveStep, step: ProgramStep): void {
  const startedAt = turn.context.now;
  const join = step.join!;
  let places: string[];
  if (live.carried?.join?.todo !== undefined) {
    places = live.carried.join.todo;
    if (live.carried.input !== undefined) live.input = live.carried.input;
  } else if (join.kind === "branches") {
    places = [...join.entries.keys()];
  } else {
    const items = itemsOf(turn, live, step);
    if ("error" in items) {
      fail(turn, live, step, { error: items.error, startedAt });
      return;
    }
    live.input = items.list;
    places = Array.from({ length: items.list.length }, (_, index) => String(index));
  }
  const total = live.carried?.join?.total ?? places.length;
  const first = join.kind === "items" ? places.slice(0, join.maxConcurrency) : places;
  const dueAt = step.limitMs === undefined ? undefined : startedAt + step.limitMs;
  record(turn, {
    path: live.path,
    stepId: live.stepId,
    type: step.type,
    attempt: live.attempt,
    status: "RUNNING",
    input: live.input,
    startedAt,
    outcome: {
      total,
      ...outcomeOf({ dueAt, next: first.map((place) => `${live.path}/${place}/${entryOf(step, place)}`) }).outcome,
    },
  });
  if (dueAt !== undefined) turn.decision.armed.push({ key: live.path, dueAt });
  if (first.length === 0) joinIfDone(turn, live, step, undefined);
}

function entryOf(step: ProgramStep, place: string): string {
  const join = step.join!;
  if (join.kind === "items") return join.entry;
  return join.entries.get(place)!;
}

function itemsOf(turn: Turn, live: LiveStep, step: ProgramStep): { list: Json[] } | { error: ErrorInfo } {
  const join = step.join!;
  if (join.kind !== "items") return { list: [] };
  const where = `items of step "${step.stepId}"`;
  const result = evaluate(turn, { expression: join.items, where }, scopeOf(turn, live));
  if ("error" in result) return result;
  const list = result.value;
  if (!Array.isArray(list)) {
    const found = list === null ? "null" : typeof list;
    return { error: failure(turn, "ITEMS_NOT_A_LIST", "VALIDATION", `${where} gave ${found}, not a list`) };
  }
  if (list.length > maxItems) {
    const message = `${where} gave ${list.length} items; a MAP takes at most ${maxItems}`;
    return { error: failure(turn, "TOO_MANY_ITEMS", "VALIDATION", message) };
  }
  return { list };
}

/** A branch or item has ended: its container may have all that it waits for, or no hope of it. */
export function settleClosing(turn: Turn, { path, error }: Closing): void {
  const { container } = placeOf(frameOf(path));
  const live = turn.state.live[container];
  // It may be over, and have left this branch behind; and one that it left behind by then is not of its joining.
  if (live?.join !== undefined) joinIfDone(turn, live, programStep(turn, live), error);
}

function joinIfDone(turn: Turn, live: LiveStep, step: ProgramStep, error: ErrorInfo | undefined): void {
  const { total, completed, failed } = live.join!;
  const kind = step.join!;
  if (kind.kind === "branches") {
    if (completed >= kind.need) joinBranches(turn, live, step);
    else if (failed > total - kind.need) failJoin(turn, live, step, branchesError(turn, live, step, error));
    return;
  }
  if (failed > kind.tolerated(total)) failJoin(turn, live, step, itemsError(turn, live, step, error));
  else if (completed + failed >= total) joinItems(turn, live, step);
}

function joinBranches(turn: Turn, live: LiveStep, step: ProgramStep): void {
  const kind = step.join!;
  if (kind.kind !== "branches") return;
  const join = live.join!;
  const output: { [key: string]: Json } = {};
  for (const branchId of kind.entries.keys()) {
    if (join.outputs !== undefined && branchId in join.outputs) define(output, branchId, join.outputs[branchId]!);
  }
  // The measure is rough; only what may be too large is written out to be measured.
  if (join.bytes > maxOutputBytes / 8 && Buffer.byteLength(JSON.stringify(output)) > maxOutputBytes) {
    failJoin(turn, live, step, tooLarge(turn, step));
    return;
  }
  const left = kind.leave && join.completed + join.failed < join.total;
  if (!left && join.completed + join.failed < join.total) cancelWithin(turn, live.path);
  const outcome: Outcome = left ? { left: true } : {};
  complete(turn, live, step, { output, startedAt: live.since, outcome });
}

/** Branch ids come from users: `__proto__` is one like any other. */
function define(object: { [key: string]: Json }, key: string, value: Json): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

/** Many or large outputs are gathered after the commit of the last one; few and small ones are at hand. */
function joinItems(turn: Turn, live: LiveStep, step: ProgramStep): void {
  if (isGathering(live)) {
    gather(turn, live);
    return;
  }
  const join = live.join!;
  const output: Json[] = Array.from({ length: join.total }, (_, index) => join.outputs?.[index] ?? null);
  complete(turn, live, step, { output, startedAt: live.since });
}

/** Asks for the outputs of all items of a MAP, in order, those of earlier visits included. */
export function gather(turn: Turn, live: LiveStep): void {
  turn.decision.tasks.push({
    kind: "gather",
    path: live.path,
    stepId: live.stepId,
    taskId: "",
    attempt: live.attempt,
    input: {
      total: live.join!.total,
      containers: [...(live.join!.earlier ?? []), live.path],
      outputs: live.join!.outputs ?? null,
    },
    timeoutMs: Number.MAX_SAFE_INTEGER,
    interrupted: 0,
  });
}

/** Whether nothing but the gathering of its outputs is left of a MAP. */
export function isGathering(live: LiveStep): boolean {
  const { join } = live;
  if (join === undefined || join.completed + join.failed < join.total) return false;
  return join.outputs === undefined || join.bytes > inlineLimit;
}

function tooLarge(turn: Turn, step: ProgramStep): ErrorInfo {
  const message = `The joined output of step "${step.stepId}" is larger than ${maxOutputBytes / 1024 / 1024} MiB`;
  return failure(turn, "OUTPUT_TOO_LARGE", "VALIDATION", message);
}

function branchesError(turn: Turn, live: LiveStep, step: ProgramStep, last: ErrorInfo | undefined): ErrorInfo {
  const kind = step.join!;
  if (kind.kind === "branches" && kind.all && last !== undefined) return last;
  const { failed, total } = live.join!;
  const need = kind.kind === "branches" ? kind.need : total;
  const message = `${failed} of the ${total} branches of step "${step.stepId}" failed, and ${need} must complete`;
  return { ...failure(turn, "JOIN_NOT_MET", "BUSINESS", message), ...detailsOf(last, live.join!.lost) };
}

function itemsError(turn: Turn, live: LiveStep, step: ProgramStep, last: ErrorInfo | undefined): ErrorInfo {
  const kind = step.join!;
  const { failed, total } = live.join!;
  const tolerated = kind.kind === "items" ? kind.tolerated(total) : 0;
  if (tolerated === 0 && last !== undefined) return last;
  const message = `${failed} of the ${total} items of step "${step.stepId}" failed, and ${tolerated} may`;
  return { ...failure(turn, "TOLERANCE_EXCEEDED", "BUSINESS", message), ...detailsOf(last, live.join!.lost) };
}

function detailsOf(last: ErrorInfo | undefined, lost: string[]): { details: Json } {
  const details: { [key: string]: Json } = { failed: lost.slice(0, 100) };
  if (last !== undefined) details.last = { code: last.code, category: last.category, message: last.message };
  return { details };
}

function failJoin(turn: Turn, live: LiveStep, step: ProgramStep, error: ErrorInfo): void {
  cancelWithin(turn, live.path);
  fail(turn, live, step, { error, startedAt: live.since });
}
