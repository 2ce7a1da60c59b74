/**
 * What becomes of a schedule's planned times: a pure decision over what its row says, what its home's rows say, and what
 * was asked. Taken in the home of the schedule, and written in one flush.
 */
import type {
  OccurrenceStatus,
  OverlapPolicy,
  ScheduleDecision,
  ScheduleFact,
  ScheduleState,
  ScheduleTimer,
} from "../../engine/index.ts";
import type { NextTime } from "./times.ts";

export interface PlannedSchedule {
  id: string;
  paused: boolean;
  /** Counts the changes of its times. */
  revision: number;
  /** Planned times up to here are no longer its concern. */
  plannedFrom: number;
  overlap: OverlapPolicy;
  /** How late it may still be started. */
  catchUpMs: number;
  next: NextTime;
  /** Its last time is so long ago that it could not be caught up with. */
  over: boolean;
  dueAt(plannedAt: number): number;
  isCancelled(backfillId: string): boolean;
}

type Occurrence = ScheduleDecision["occurrences"][number];

interface Candidate {
  plannedAt: number;
  overlap: OverlapPolicy;
  status: "fired" | "late";
  reason: string | null;
  backfillId: string | null;
}

/** A start so much after its time is told as late. */
export const lateAfterMs = 10_000;
/** Planned times that one decision looks at. */
const pageLimit = 100;
const queueLimit = 1_000;
const backfilled = "backfilled";

export function decide(
  schedule: PlannedSchedule,
  given: { state: ScheduleState; facts: readonly ScheduleFact[]; now: number; failed: ReadonlyMap<number, string> },
): ScheduleDecision {
  const { state, facts, now, failed } = given;
  const occurrences = new Map<number, Occurrence>();
  const put = (what: {
    plannedAt: number;
    status: OccurrenceStatus;
    reason: string | null;
    backfillId?: string | null;
    starts?: boolean;
  }) => occurrences.set(what.plannedAt, { backfillId: null, starts: false, ...what });
  const changed = facts.some(({ kind }) => kind === "changed");

  const due = dueTimes(schedule, state, now);
  for (const { plannedAt, status, reason } of due.passed) put({ plannedAt, status, reason });
  for (const fact of facts) if (fact.kind === "changed") for (const one of pausedTimes(schedule, fact)) put(one);

  const turns = startingWith(state.running);
  for (const { plannedAt, backfillId } of state.queued) {
    const why = outOfQueue(schedule, { backfillId, changed });
    if (why !== undefined) put({ plannedAt, status: "skipped", reason: why, backfillId });
    else turns.queued.push({ plannedAt, backfillId });
  }
  const candidates = [...due.candidates, ...facts.flatMap((fact) => askedFor(schedule, fact))];
  turns.advance(occurrences, failed, [...new Map(candidates.map((c) => [c.plannedAt, c])).values()]);
  return {
    occurrences: [...occurrences.values()],
    cancels: turns.cancels,
    timer: due.timer,
    more: due.more,
  };
}

/** Which planned times are due, which passed without effect, and which comes next. */
function dueTimes(
  schedule: PlannedSchedule,
  { timers, lastPlannedAt }: ScheduleState,
  now: number,
): {
  candidates: Candidate[];
  passed: { plannedAt: number; status: "missed" | "skipped"; reason: string }[];
  timer: ScheduleTimer | undefined;
  more: boolean;
} {
  const { revision, plannedFrom, overlap, catchUpMs, next, dueAt } = schedule;
  const candidates: Candidate[] = [];
  const passed: { plannedAt: number; status: "missed" | "skipped"; reason: string }[] = [];
  const meet = (plannedAt: number, due: number) => {
    const lateMs = now - due;
    if (lateMs > catchUpMs)
      passed.push({
        plannedAt,
        status: "missed",
        reason: `its time was ${shownMs(lateMs)} ago, more than the catch-up window of ${shownMs(catchUpMs)}`,
      });
    else {
      const late = lateMs > lateAfterMs;
      const jitter = due > plannedAt ? `${shownMs(due - plannedAt)} of jitter` : undefined;
      const reason = [late ? `${shownMs(lateMs)} after its time` : undefined, jitter].filter(
        (part) => part !== undefined,
      );
      candidates.push({
        plannedAt,
        overlap,
        status: late ? "late" : "fired",
        reason: reason.join(", ") || null,
        backfillId: null,
      });
    }
  };
  // What was planned before its times changed is still its own; nothing else that an older timer stands for is.
  const old = timers.filter((timer) => timer.revision !== revision && timer.plannedAt <= plannedFrom);
  if (schedule.paused) {
    for (const { plannedAt } of old) passed.push({ plannedAt, status: "skipped", reason: "the schedule was paused" });
    return { candidates, passed, timer: undefined, more: false };
  }
  for (const { plannedAt, dueAt: due } of old) meet(plannedAt, due);

  const armed = timers.find((timer) => timer.revision === revision);
  // Whatever became of its times, retention may have removed what is known of it.
  if (armed === undefined && schedule.over) return { candidates, passed, timer: undefined, more: false };
  // What was decided while its row was being changed is not decided again.
  let plannedAt = armed?.plannedAt ?? next(Math.max(plannedFrom, lastPlannedAt ?? plannedFrom));
  let n = 0;
  while (plannedAt !== undefined && dueAt(plannedAt) <= now && n < pageLimit) {
    meet(plannedAt, armed?.plannedAt === plannedAt ? armed.dueAt : dueAt(plannedAt));
    const last = passed.at(-1);
    n++;
    const within = now - catchUpMs;
    // Of many that nobody can catch up with, a page is written one by one; the last row speaks for the rest.
    if (n === pageLimit && last?.plannedAt === plannedAt && plannedAt < within - 1) {
      const skipTo = within - 1;
      const resumed = next(skipTo);
      if (resumed !== next(plannedAt)) last.reason += `; so were all others up to ${new Date(skipTo).toISOString()}`;
      plannedAt = resumed;
    } else plannedAt = next(plannedAt);
  }
  const timer = plannedAt === undefined ? undefined : { revision, plannedAt, dueAt: dueAt(plannedAt) };
  return { candidates, passed, timer, more: timer !== undefined && timer.dueAt <= now };
}

/** Planned times that passed while it was paused, a page of them. */
function pausedTimes(
  { next }: PlannedSchedule,
  fact: Extract<ScheduleFact, { kind: "changed" }>,
): { plannedAt: number; status: "skipped"; reason: string }[] {
  const { skippedAfter, skippedUntil } = fact;
  if (skippedAfter === undefined || skippedUntil === undefined) return [];
  const passed: { plannedAt: number; status: "skipped"; reason: string }[] = [];
  let at = next(skippedAfter);
  for (; at !== undefined && at <= skippedUntil && passed.length < pageLimit; at = next(at))
    passed.push({ plannedAt: at, status: "skipped", reason: "the schedule was paused" });
  const more = at !== undefined && at <= skippedUntil;
  if (more) passed.at(-1)!.reason += `; so it was at all others up to ${new Date(skippedUntil).toISOString()}`;
  return passed;
}

function outOfQueue(
  { id, paused, isCancelled }: PlannedSchedule,
  { backfillId, changed }: { backfillId: string | null; changed: boolean },
): string | undefined {
  if (backfillId === id) return undefined;
  if (backfillId !== null)
    return isCancelled(backfillId) ? "the backfill was cancelled before its turn came" : undefined;
  return paused && changed ? "the schedule was paused before its turn came" : undefined;
}

/** What people asked for: they are no earlier than asked, so never late. */
function askedFor(schedule: PlannedSchedule, fact: ScheduleFact): Candidate[] {
  if (fact.kind === "trigger") {
    const { plannedAt, overlap = schedule.overlap, by } = fact;
    return [{ plannedAt, overlap, status: "fired", reason: `triggered by ${by}`, backfillId: schedule.id }];
  }
  if (fact.kind === "changed" || schedule.isCancelled(fact.backfillId)) return [];
  const { backfillId, overlap } = fact;
  return fact.plannedAt.map((plannedAt) => ({ plannedAt, overlap, status: "fired", reason: backfilled, backfillId }));
}

/** Its times are bounded as a whole. */
function isBackfilled({ status, reason }: Candidate): boolean {
  return status === "fired" && reason === backfilled;
}

/** The overlap policy, step by step: whoever is queued comes first, then whoever is due or asked for. */
function startingWith(running: ScheduleState["running"]) {
  const queued: { plannedAt: number; backfillId: string | null }[] = [];
  const cancels: ScheduleDecision["cancels"] = [];
  const started: Candidate[] = [];
  const busy = () => running.length + started.length > 0;

  function advance(
    occurrences: Map<number, Occurrence>,
    failed: ReadonlyMap<number, string>,
    candidates: readonly Candidate[],
  ): void {
    const put = (
      { plannedAt, backfillId }: Pick<Candidate, "plannedAt" | "backfillId">,
      status: OccurrenceStatus,
      reason: string | null,
    ) =>
      occurrences.set(plannedAt, {
        plannedAt,
        status,
        reason,
        backfillId,
        starts: status === "fired" || status === "late",
      });
    const start = (candidate: Candidate) => {
      const why = failed.get(candidate.plannedAt);
      if (why !== undefined) put(candidate, "failed", why);
      else {
        started.push(candidate);
        put(candidate, candidate.status, candidate.reason);
      }
    };
    const wait = (candidate: Candidate, reason: string) => {
      queued.push(candidate);
      put(candidate, "queued", reason);
    };
    // One by one, whatever the policy is by now.
    while (queued.length > 0 && !busy()) {
      const { plannedAt, backfillId } = queued.shift()!;
      start({
        plannedAt,
        backfillId,
        overlap: "queue_all",
        status: "late",
        reason: "waited for the instance before it",
      });
    }
    for (const candidate of candidates) {
      const { overlap } = candidate;
      const others = nameOf(running, started);
      if (overlap === "allow" || (!busy() && queued.length === 0)) start(candidate);
      else if (overlap === "skip") put(candidate, "skipped", `${others} had not ended`);
      else if (overlap === "queue_one" && queued.length > 0)
        put(candidate, "skipped", "one occurrence was waiting already");
      else if (overlap === "cancel_running") {
        for (const earlier of queued.splice(0)) put(earlier, "skipped", "a later time came before its turn");
        for (const earlier of started.splice(0)) put(earlier, "skipped", "a later time was due as well");
        if (running.length === 0) start(candidate);
        else {
          for (const { instanceId } of running)
            if (!cancels.some((cancel) => cancel.instanceId === instanceId))
              cancels.push({
                instanceId,
                reason: `The schedule's next time came: ${new Date(candidate.plannedAt).toISOString()}`,
              });
          wait(candidate, `waits for the end of ${nameOf(running, [])}, which is cancelled`);
        }
      } else if (queued.length >= queueLimit && !isBackfilled(candidate))
        put(candidate, "skipped", `${queueLimit} occurrences were waiting already`);
      else wait(candidate, `waits for the end of ${others}`);
    }
  }

  return { queued, cancels, advance };
}

function nameOf(running: ScheduleState["running"], started: readonly Candidate[]): string {
  const [first] = running;
  if (first !== undefined) return `instance ${first.instanceId}`;
  const [other] = started;
  return other === undefined
    ? "the occurrence before it"
    : `the instance of ${new Date(other.plannedAt).toISOString()}`;
}

/** A time span in words: the largest unit that it has two of. */
export function shownMs(ms: number): string {
  const units = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["min", 60_000],
    ["s", 1_000],
  ] as const;
  const [unit, length] = units.find(([, size]) => ms >= 2 * size) ?? ["ms", 1];
  return `${Math.floor(ms / length)} ${unit}`;
}
