import { expect, test } from "vitest";
import { type CheckedRows, type CheckedStep, checkRows } from "./checker.ts";

const step = (seq: number, more: Partial<CheckedStep> = {}): CheckedStep => ({
  instanceId: "i",
  shard: 0,
  seq,
  path: "a",
  type: "TASK",
  attempt: 1,
  status: "COMPLETED",
  startedAt: 10,
  outcome: undefined,
  nodeId: "n",
  epoch: 1,
  recordedAt: 20,
  ...more,
});

const acquired = (epoch: number, lane: string, node: string) => ({
  entityId: "shard",
  entityType: "shard",
  shard: 0,
  from: "FREE",
  to: "HELD",
  event: "acquired",
  data: { epoch, lane, node },
  at: 1,
});

const moved = (from: string | null, to: string) => ({
  entityId: "i",
  entityType: "workflow",
  shard: 0,
  from,
  to,
  event: "e",
  data: null,
  at: 1,
});

/** A run of one instance, with what a test changes. */
function rows(change: Partial<CheckedRows> = {}): CheckedRows {
  return {
    instances: [{ id: "i", shard: 0, status: "COMPLETED", completedAt: 20, parked: false }],
    steps: [step(1)],
    transitions: [
      acquired(1, "lane", "n"),
      acquired(2, "lane 2", "m"),
      moved(null, "RUNNING"),
      moved("RUNNING", "COMPLETED"),
    ],
    lanes: [
      { laneId: "lane", nodeId: "n", closedAt: 30 },
      { laneId: "lane 2", nodeId: "m", closedAt: null },
    ],
    marks: [1, 2, 3].map((seq) => ({ laneId: "lane", seq })),
    timers: [],
    waits: [{ instanceId: "i", path: "w", status: "fulfilled" }],
    inbox: [],
    ...change,
  };
}

const check = (change: Partial<CheckedRows>, accepted: string[] = ["i"]) =>
  checkRows(rows(change), { accepted, settled: true, toleranceMs: 0 });
const running = { status: "RUNNING" as const };
const failed = { status: "FAILED" as const, outcome: { retryAt: 500 } };

test("rows of a sound run break no law", () => {
  expect(check({})).toEqual([]);
  const steps = [step(1, running), step(2, failed), step(3, { attempt: 2, recordedAt: 500, epoch: 2, nodeId: "m" })];
  expect(check({ steps })).toEqual([]);
});

const broken: [string, Partial<CheckedRows>, RegExp][] = [
  [
    "an accepted instance that is not there",
    { instances: [], transitions: rows().transitions.slice(0, 2) },
    /does not exist/,
  ],
  [
    "an accepted instance that has not ended",
    {
      instances: [{ id: "i", shard: 0, status: "RUNNING", completedAt: null, parked: false }],
      transitions: [acquired(1, "lane", "n"), moved(null, "RUNNING")],
    },
    /is RUNNING/,
  ],
  ["a hole in the journal", { steps: [step(2)] }, /has the number 2/],
  ["a number that two wrote", { steps: [step(1), step(1, { path: "b" })] }, /has the number 1/],
  ["a step that was completed twice", { steps: [step(1), step(2)] }, /goes on with "a"/],
  ["an attempt that ended twice", { steps: [step(1, failed), step(2, failed)] }, /goes on with "a"/],
  ["a step that runs after its end", { steps: [step(1), step(2, running)] }, /goes on with "a"/],
  [
    "a zombie's row",
    { steps: [step(1, { epoch: 2, nodeId: "m" }), step(2, { path: "b" })] },
    /of epoch 1 comes after epoch 2/,
  ],
  ["two writers under one epoch", { steps: [step(1), step(2, { path: "b", nodeId: "m" })] }, /written by n and m/],
  ["a row after its lane closed", { steps: [step(1, { recordedAt: 31 })] }, /1 ms after its lane closed/],
  ["an epoch that nobody acquired", { steps: [step(1, { epoch: 9 })] }, /nobody acquired/],
  [
    "a retry before its time",
    { steps: [step(1, failed), step(2, { attempt: 2, recordedAt: 28 })] },
    /before it was due/,
  ],
  [
    "a delay that ended early",
    {
      steps: [
        step(1, { type: "DELAY", status: "RUNNING", outcome: { dueAt: 29 } }),
        step(2, { type: "DELAY", recordedAt: 28 }),
      ],
    },
    /1 ms before it was due/,
  ],
  [
    "a signal that ended two waits",
    { steps: [step(1, { outcome: { signalId: "s" } }), step(2, { path: "b", outcome: { signalId: "s" } })] },
    /consumed the same signal/,
  ],
  ["a hole in the marks", { marks: [1, 3].map((seq) => ({ laneId: "lane", seq })) }, /mark 2 is missing/],
  ["marks without a beginning", { marks: [{ laneId: "lane", seq: 5 }] }, /begin with 5/],
  [
    "a status that no transition led to",
    { transitions: [acquired(1, "lane", "n"), moved(null, "RUNNING")] },
    /its last transition led to RUNNING/,
  ],
  [
    "a transition from where it was not",
    { transitions: [acquired(1, "lane", "n"), moved(null, "RUNNING"), moved("PAUSED", "COMPLETED")] },
    /goes from PAUSED, but it was RUNNING/,
  ],
  ["a step that never ended", { steps: [step(1, { outcome: { next: ["b"] } })] }, /"b" has not/],
  ["a wait that is still open", { waits: [{ instanceId: "i", path: "w", status: "active" }] }, /waits at "w"/],
  ["a timer that is left", { timers: [{ instanceId: "i", key: "a" }] }, /its timer "a" has not/],
  ["an end without a time", { instances: [{ ...rows().instances[0]!, completedAt: null }] }, /tells no time/],
  ["an inbox row that nobody took", { inbox: [{ id: 1, instanceId: "i", kind: "SIGNAL" }] }, /was never consumed/],
];

test.each(broken)("%s is found", (_what, change, fault) => {
  const faults = check(change);
  expect(
    faults.some((text) => fault.test(text)),
    faults.join("\n"),
  ).toBe(true);
});
