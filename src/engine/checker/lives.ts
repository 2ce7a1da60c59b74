/** Pauses and ends, by the times of rows and transitions: what is paused begins nothing, and what has ended writes nothing. */

import { frameOf } from "../machine/state.ts";
import {
  type CheckedRows,
  type CheckedStep,
  type CheckedTransition,
  type CheckOptions,
  groupBy,
  isFinal,
} from "./rows.ts";

/** From a transition to the one after it. Rows that were written with one of them may be of either side. */
interface Span {
  from: number;
  until: number;
  ends: (string | undefined)[];
}

const isWithin = ({ from, until, ends }: Span, { recordedAt, flush }: CheckedStep): boolean =>
  recordedAt > from && recordedAt < until && (flush === undefined || !ends.includes(flush));

export function checkLives(
  rows: CheckedRows,
  stepsOf: ReadonlyMap<string, CheckedStep[]>,
  options: CheckOptions,
  faults: string[],
): void {
  const own = rows.transitions.filter(({ entityType }) => entityType === "workflow");
  const callsOf = groupBy([...(options.calls ?? [])], ({ instanceId }) => instanceId);
  for (const [id, transitions] of groupBy(own, ({ entityId }) => entityId)) {
    const steps = stepsOf.get(id) ?? [];
    for (const span of spansOf(transitions, (to) => to === "PAUSED", options.toleranceMs)) {
      checkPause(id, steps, span, faults);
      checkCalls(id, steps, { span, calls: callsOf.get(id) ?? [] }, faults);
    }
    for (const span of spansOf(transitions, isFinal, options.toleranceMs)) {
      const late = steps.find((step) => isWithin(span, step));
      if (late !== undefined) faults.push(`instance ${id}: row ${late.seq} (${late.path}) came after its end`);
    }
  }
  checkTallies(rows, own, options, faults);
}

function spansOf(transitions: readonly CheckedTransition[], is: (to: string) => boolean, toleranceMs: number): Span[] {
  return transitions.flatMap(({ to, at, flush }, index) => {
    const next = transitions[index + 1];
    const until = (next?.at ?? Number.POSITIVE_INFINITY) - toleranceMs;
    return is(to) ? [{ from: at + toleranceMs, until, ends: [flush, next?.flush] }] : [];
  });
}

/** Types whose first row is written when they begin, not when they have a result. */
const begunByRow: ReadonlySet<string> = new Set(["DECISION", "EVENT_WAIT", "DELAY", "PARALLEL", "MAP", "TERMINATE"]);

/** What ran goes on to its result; nothing begins that was decided meanwhile, and no wait, delay or container at all. */
function checkPause(id: string, steps: readonly CheckedStep[], span: Span, faults: string[]): void {
  const known = new Set<string>();
  const decided = new Set<string>();
  for (const step of steps) {
    const { seq, path, type, status, outcome } = step;
    const within = isWithin(span, step);
    const isResult = status !== "CANCELLED" && status !== "SKIPPED" && frameOf(path) !== "~";
    if (within && isResult && !known.has(path) && (begunByRow.has(type) || decided.has(path)))
      faults.push(`instance ${id}: row ${seq} begins "${path}" while the instance is paused`);
    known.add(path);
    if (within) for (const next of outcome?.next ?? []) decided.add(next);
  }
}

/** No handler is called for a step that was decided to begin while the instance was paused. */
function checkCalls(
  id: string,
  steps: readonly CheckedStep[],
  { span, calls }: { span: Span; calls: readonly { path: string; at: number }[] },
  faults: string[],
): void {
  for (const { path, at } of calls) {
    if (at <= span.from || at >= span.until || frameOf(path) === "~") continue;
    const cause = steps.find(({ outcome }) => outcome?.next?.includes(path) === true);
    if (cause !== undefined && isWithin(span, cause))
      faults.push(`instance ${id}: "${path}" ran at ${at} while the instance was paused`);
  }
}

/** What is counted of instances: every start, end, and end that was taken back, once; and who left one version joined another. */
function checkTallies(
  { tallies, instances }: CheckedRows,
  transitions: readonly CheckedTransition[],
  { settled }: CheckOptions,
  faults: string[],
): void {
  if (tallies === undefined || !settled) return;
  const counted = (kind: string) => tallies.reduce((sum, row) => (row.kind === kind ? sum + row.n : sum), 0);
  const led = (is: (transition: CheckedTransition) => boolean) => transitions.filter(is).length;
  const expected: [kind: string, n: number][] = [
    ["started", instances.length],
    ["completed", led(({ to }) => to === "COMPLETED")],
    ["failed", led(({ to }) => to === "FAILED")],
    ["cancelled", led(({ to }) => to === "CANCELLED")],
    ["retried", led(({ event }) => event === "workflow_retried")],
    ["joined", counted("left")],
  ];
  for (const [kind, n] of expected)
    if (counted(kind) !== n) faults.push(`${counted(kind)} instances are counted as ${kind}, and ${n} are so`);
}
