import { describe, expect, test } from "vitest";
import type { OverlapPolicy, ScheduleDecision, ScheduleFact, ScheduleState } from "../../engine/index.ts";
import { decide, lateAfterMs, type PlannedSchedule } from "./plan.ts";
import { jitterOf, nextTimeOf } from "./times.ts";

const id = "0198f0a0-0000-7000-8000-000000000001";
const backfillId = "0198f0a0-0000-7000-8000-0000000000bf";
const minute = 60_000;

/** Fires every minute from 0 on. */
function every(more: Partial<PlannedSchedule> = {}): PlannedSchedule {
  const next = nextTimeOf({ kind: "interval", timezone: "UTC", intervalMs: minute, anchorAt: 0 });
  return {
    id,
    paused: false,
    revision: 1,
    plannedFrom: 0,
    overlap: "allow",
    catchUpMs: 60 * minute,
    over: false,
    next,
    dueAt: (plannedAt) => plannedAt,
    isCancelled: () => false,
    ...more,
  };
}

interface Given {
  now: number;
  state?: Partial<ScheduleState>;
  facts?: ScheduleFact[];
  failed?: Map<number, string>;
}

function decided(schedule: PlannedSchedule, { now, state, facts = [], failed = new Map() }: Given): ScheduleDecision {
  const empty: ScheduleState = { timers: [], running: [], queued: [], lastPlannedAt: null };
  return decide(schedule, { state: { ...empty, ...state }, facts, now, failed });
}

const armed = (plannedAt: number, revision = 1) => ({ revision, plannedAt, dueAt: plannedAt });
const shown = ({ occurrences }: ScheduleDecision) => occurrences.map((o) => `${o.plannedAt / minute} ${o.status}`);
const running = [{ instanceId: "i", plannedAt: 0 }];

describe("what is due", () => {
  test("a new schedule arms its first time, and fires nothing", () => {
    const decision = decided(every(), { now: 10, facts: [{ kind: "changed" }] });
    expect(decision).toMatchObject({ occurrences: [], timer: armed(minute), more: false });
  });

  test("a timer that is due fires its time, and the next one is armed", () => {
    const decision = decided(every(), { now: minute, state: { timers: [armed(minute)] } });
    expect(shown(decision)).toEqual(["1 fired"]);
    expect(decision.timer).toEqual(armed(2 * minute));
  });

  test("times that passed while nobody was there are late as far as the catch-up window goes, and missed beyond", () => {
    const schedule = every({ catchUpMs: 2 * minute });
    const decision = decided(schedule, { now: 4 * minute + lateAfterMs, state: { timers: [armed(minute)] } });
    expect(shown(decision)).toEqual(["1 missed", "2 missed", "3 late", "4 fired"]);
    expect(decision.occurrences.map(({ starts }) => starts)).toEqual([false, false, true, true]);
    expect(decision.occurrences[0]!.reason).toBe("its time was 3 min ago, more than the catch-up window of 2 min");
    expect(decision.timer).toEqual(armed(5 * minute));
  });

  test("of thousands of missed times a page has rows, the last of which speaks for the rest", () => {
    const schedule = every({ catchUpMs: 2 * minute });
    const now = 10_000 * minute;
    const decision = decided(schedule, { now, state: { timers: [armed(minute)] } });
    expect(decision.occurrences).toHaveLength(100);
    expect(decision.occurrences.at(-1)!.reason).toContain(
      `so were all others up to ${new Date(9_998 * minute - 1).toISOString()}`,
    );
    expect(decision).toMatchObject({ timer: armed(9_998 * minute), more: true });
    const after = decided(schedule, { now, state: { timers: [decision.timer!], lastPlannedAt: 100 * minute } });
    expect(shown(after)).toEqual(["9998 late", "9999 late", "10000 fired"]);
    expect(after).toMatchObject({ timer: armed(10_001 * minute), more: false });
  });

  test("a schedule without a next time has no timer", () => {
    const next = nextTimeOf({ kind: "once", timezone: "UTC", executeAt: minute, anchorAt: 0 });
    const decision = decided(every({ next }), { now: minute, state: { timers: [armed(minute)] } });
    expect(shown(decision)).toEqual(["1 fired"]);
    expect(decision.timer).toBeUndefined();
  });

  test("a schedule that is long over fires nothing again, whatever is left of its occurrences", () => {
    const facts: ScheduleFact[] = [{ kind: "changed" }, { kind: "trigger", plannedAt: 7, by: "ann" }];
    expect(shown(decided(every({ over: true }), { now: 9 * minute, facts }))).toEqual([`${7 / minute} fired`]);
    const state = { timers: [armed(minute)] };
    expect(shown(decided(every({ over: true, catchUpMs: 0 }), { now: 2 * minute - 1, state }))).toEqual(["1 missed"]);
  });

  test("jitter delays a time, by the same span whenever it is asked", () => {
    const dueAt = (plannedAt: number) => plannedAt + jitterOf({ id, jitterMs: 30_000 }, plannedAt);
    const schedule = every({ dueAt });
    const first = decided(schedule, { now: 0 }).timer!;
    expect(first).toEqual({ revision: 1, plannedAt: minute, dueAt: dueAt(minute) });
    expect(first.dueAt).toBeGreaterThan(minute);
    expect(shown(decided(schedule, { now: first.dueAt - 1, state: { timers: [first] } }))).toEqual([]);
    expect(shown(decided(schedule, { now: first.dueAt, state: { timers: [first] } }))).toEqual(["1 fired"]);
    const spread = Array.from({ length: 200 }, (_, n) => jitterOf({ id, jitterMs: 9 }, n));
    expect(new Set(spread).size).toBe(10);
  });
});

describe("a change of its times", () => {
  const changed: ScheduleFact[] = [{ kind: "changed" }];

  test("fires what the old times planned before it, and goes on with the new ones from it", () => {
    const schedule = every({ revision: 2, plannedFrom: minute + 5 });
    const decision = decided(schedule, { now: minute + 9, facts: changed, state: { timers: [armed(minute)] } });
    expect(shown(decision)).toEqual(["1 fired"]);
    expect(decision.timer).toEqual(armed(2 * minute, 2));
  });

  test("forgets what the old times planned after it", () => {
    const schedule = every({ revision: 2, plannedFrom: 5 });
    const decision = decided(schedule, { now: minute, facts: changed, state: { timers: [armed(30_000)] } });
    expect(shown(decision)).toEqual(["1 fired"]);
  });

  test("does not fire again what was fired while it was being made", () => {
    const schedule = every({ revision: 2, plannedFrom: minute - 5 });
    const state = { timers: [armed(2 * minute)], lastPlannedAt: minute };
    const decision = decided(schedule, { now: minute + 9, facts: changed, state });
    expect(decision).toMatchObject({ occurrences: [], timer: armed(2 * minute, 2) });
  });

  test("that pauses it leaves no timer, and what waits does not begin unless somebody asked for it", () => {
    const schedule = every({ paused: true, revision: 2, plannedFrom: minute + 5, overlap: "queue_all" });
    const queued = [
      { plannedAt: 30, backfillId: null },
      { plannedAt: 31, backfillId: id },
    ];
    const state = { timers: [armed(minute)], queued, running };
    const decision = decided(schedule, { now: minute + 9, facts: changed, state });
    expect(decision.occurrences.map(({ status, reason }) => [status, reason])).toEqual([
      ["skipped", "the schedule was paused"],
      ["skipped", "the schedule was paused before its turn came"],
    ]);
    expect(decision.timer).toBeUndefined();
  });

  test("that resumes it records what passed as skipped, or catches up", () => {
    const passed: ScheduleFact = { kind: "changed", skippedAfter: minute, skippedUntil: 3 * minute };
    const skipping = decided(every({ plannedFrom: 3 * minute }), { now: 3 * minute, facts: [passed] });
    expect(shown(skipping)).toEqual(["2 skipped", "3 skipped"]);
    const catching = decided(every({ plannedFrom: minute }), { now: 3 * minute + 1, facts: changed });
    expect(shown(catching)).toEqual(["2 late", "3 fired"]);
  });
});

describe("overlap", () => {
  const due = (overlap: OverlapPolicy, state: Partial<ScheduleState> = {}) =>
    decided(every({ overlap }), { now: 3 * minute, state: { timers: [armed(2 * minute)], ...state } });

  const cases: [OverlapPolicy, idle: string[], busy: string[], cancels: string[]][] = [
    ["allow", ["2 late", "3 fired"], ["2 late", "3 fired"], []],
    ["skip", ["2 late", "3 skipped"], ["2 skipped", "3 skipped"], []],
    ["queue_one", ["2 late", "3 queued"], ["2 queued", "3 skipped"], []],
    ["queue_all", ["2 late", "3 queued"], ["2 queued", "3 queued"], []],
    ["cancel_running", ["2 skipped", "3 fired"], ["2 skipped", "3 queued"], ["i"]],
  ];
  test.each(cases)("%s", (overlap, idle, busy, cancels) => {
    expect(shown(due(overlap))).toEqual(idle);
    const decision = due(overlap, { running });
    expect(shown(decision)).toEqual(busy);
    expect(decision.cancels.map(({ instanceId }) => instanceId)).toEqual(cancels);
  });

  test("whoever waits comes before whoever is due", () => {
    const queued = [{ plannedAt: minute, backfillId: null }];
    expect(shown(due("queue_all", { queued }))).toEqual(["1 late", "2 queued", "3 queued"]);
    expect(shown(due("skip", { queued }))).toEqual(["1 late", "2 skipped", "3 skipped"]);
  });

  test("an occurrence that cannot start leaves its turn to the next", () => {
    const failed = new Map([[2 * minute, "the workflow is gone"]]);
    const given = { now: 3 * minute, state: { timers: [armed(2 * minute)] }, failed };
    const decision = decided(every({ overlap: "skip" }), given);
    expect(shown(decision)).toEqual(["2 failed", "3 fired"]);
    expect(decision.occurrences[0]).toMatchObject({ reason: "the workflow is gone", starts: false });
  });
});

describe("what people ask for", () => {
  test("a trigger fires beside the plan, with its own policy", () => {
    const trigger: ScheduleFact = { kind: "trigger", plannedAt: 7, by: "ann", overlap: "allow" };
    const decision = decided(every({ overlap: "skip", paused: true }), {
      now: 10,
      facts: [trigger],
      state: { running },
    });
    expect(decision.occurrences).toEqual([
      { plannedAt: 7, status: "fired", reason: "triggered by ann", backfillId: id, starts: true },
    ]);
  });

  test("a backfill runs its times one after the other, until it is cancelled", () => {
    const facts: ScheduleFact[] = [
      { kind: "backfill", backfillId, plannedAt: [minute, 2 * minute], overlap: "queue_all" },
    ];
    const state = { timers: [armed(9 * minute)] };
    const first = decided(every(), { now: 8 * minute, facts, state });
    expect(shown(first)).toEqual(["1 fired", "2 queued"]);
    expect(first.occurrences.every((occurrence) => occurrence.backfillId === backfillId)).toBe(true);
    const cancelled = every({ isCancelled: () => true });
    expect(shown(decided(cancelled, { now: 8 * minute, facts, state }))).toEqual([]);
    const queued = [{ plannedAt: 2 * minute, backfillId }];
    expect(shown(decided(cancelled, { now: 8 * minute, state: { ...state, queued, running } }))).toEqual(["2 skipped"]);
  });
});
