/**
 * The law of the fold: what rows give back is what the owner has in memory, up to what the owner alone knows.
 *
 * A step whose handler runs without a journal row is, in the rows, not begun (or, from the second attempt on, waiting for
 * a backoff that is over). When a step became ready, and an input that will be evaluated again, are the owner's own too.
 * Null and absent inputs are one in the rows.
 */

import { type InstanceState, isFinal, type LiveStep } from "../machine/state.ts";

/** Text that is equal for equal JSON values: keys sorted, undefined left out, −0 as 0. */
export function canonical(value: unknown): string {
  if (typeof value !== "object" || value === null) return value === undefined ? "null" : JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const object = value as Record<string, unknown>;
  const parts: string[] = [];
  for (const key of Object.keys(object).sort()) {
    if (object[key] !== undefined) parts.push(`${JSON.stringify(key)}:${canonical(object[key])}`);
  }
  return `{${parts.join(",")}}`;
}

/** The parts of a state on which rows and memory must agree, each as canonical text. */
export function essence(state: InstanceState): Map<string, string> {
  const parts: Record<string, unknown> = {
    status: state.status,
    input: state.input,
    variables: state.variables,
    steps: withoutNullInputs(state.steps),
    visits: state.visits,
    compensable: state.compensable.map((done) => ({ ...done, input: done.input ?? undefined })),
    seq: state.seq,
    output: state.output ?? null,
    error: state.error,
    cancelation: state.cancelation,
    startedAt: state.startedAt,
    completedAt: state.completedAt,
    compensation: state.compensation && {
      items: state.compensation.items,
      done: state.compensation.done,
      failed: state.compensation.failed,
      startedAt: state.compensation.startedAt,
    },
    live: Object.values(state.live).map(livePart),
    frames: Object.entries(state.frames)
      .map(([path, frame]) => [path, { ...frame, steps: frame.steps && withoutNullInputs(frame.steps) }])
      .sort(),
    halted: state.halted,
    run: state.run,
    attempt: state.attempt,
  };
  // What ends with the instance need not be written any more.
  if (!isFinal(state.status)) {
    parts.mailbox = state.mailbox;
    parts.keyedSignals = state.keyedSignals;
    parts.deadlineAt = state.deadlineAt;
    parts.ending = state.ending;
    parts.result = state.result ?? null;
    parts.caught = state.caught;
    parts.skips = state.skips;
    parts.retryAt = state.retryAt;
    parts.permits = state.permits;
    parts.given = state.given;
    parts.consumed = state.consumed;
    parts.consumedBefore = state.consumedBefore;
  }
  return new Map(Object.entries(parts).map(([name, part]) => [name, canonical(part)]));
}

function withoutNullInputs(steps: InstanceState["steps"]): unknown {
  return Object.entries(steps)
    .map(([stepId, step]) => [stepId, { ...step, input: step.input ?? undefined }])
    .sort();
}

/** Steps are listed in the order in which they became live: the row names the oldest. */
function livePart(live: LiveStep): unknown {
  const { path, stepId, attempt, interrupted } = live;
  const common = { path, stepId, attempt, interrupted };
  const unrecorded = live.phase === "ready" || (live.phase === "running" && live.recorded !== true);
  if (unrecorded && attempt === 1) return { ...common, phase: "ready" };
  const input = live.input ?? undefined;
  if (unrecorded) return { ...common, input, phase: "again" };
  if (live.phase === "backoff") return { ...common, input, phase: "again" };
  // When a step that was handed over before it had begun began here has no row.
  return { ...live, input, startedAt: undefined };
}

/** Where two states differ, as `part: memory … rows …`; undefined when they agree. */
export function stateDifference(what: { memory: InstanceState; rows: InstanceState }): string | undefined {
  const memory = essence(what.memory);
  const rows = essence(what.rows);
  for (const [name, text] of memory) {
    if (rows.get(name) !== text) return `${name}: memory has ${text}, rows give ${rows.get(name)}`;
  }
  for (const name of rows.keys()) if (!memory.has(name)) return `${name}: only the rows have it`;
  return undefined;
}
