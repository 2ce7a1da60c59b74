import { describe, expect, test } from "vitest";
import {
  type CheckedInstance,
  type CheckedRows,
  type CheckedStep,
  type CheckedTransition,
  type CheckOptions,
  checkRows,
} from "./checker.ts";

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

const moved = (from: string | null, to: string, more: Partial<CheckedTransition> = {}): CheckedTransition => ({
  entityId: "i",
  entityType: "workflow",
  shard: 0,
  from,
  to,
  event: to === "RUNNING" ? "workflow_started" : "e",
  data: null,
  at: to === "COMPLETED" ? 1_000 : 1,
  ...more,
});

const instance = (more: Partial<CheckedInstance> = {}): CheckedInstance => ({
  id: "i",
  shard: 0,
  status: "COMPLETED",
  completedAt: 20,
  parked: false,
  parentId: null,
  parentPath: null,
  output: null,
  errorCode: null,
  ...more,
});

/** A run of one instance, with what a test changes. */
function rows(change: Partial<CheckedRows> = {}): CheckedRows {
  return {
    instances: [instance()],
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
    permits: [],
    ...change,
  };
}

const check = (change: Partial<CheckedRows>, options: Partial<CheckOptions> = {}) =>
  checkRows(rows(change), { accepted: ["i"], settled: true, toleranceMs: 0, ...options });
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
      instances: [instance({ status: "RUNNING", completedAt: null })],
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
  ["a timer that is left", { timers: [{ instanceId: "i", key: "a" }] }, /the timer "a" of instance i is left/],
  ["an end without a time", { instances: [instance({ completedAt: null })] }, /tells no time/],
  ["an inbox row that nobody took", { inbox: [{ id: 1, instanceId: "i", kind: "SIGNAL" }] }, /was never consumed/],
];

test.each(broken)("%s is found", (_what, change, fault) => finds(check(change), fault));

function finds(faults: string[], fault: RegExp): void {
  expect(
    faults.some((text) => fault.test(text)),
    faults.join("\n"),
  ).toBe(true);
}

/** Two branches, each of one task, then the join. */
const fan = (change: (steps: CheckedStep[]) => CheckedStep[] = (steps) => steps): CheckedStep[] =>
  change([
    step(1, { path: "fan", type: "PARALLEL", ...running, outcome: { total: 2, next: ["fan/l/a", "fan/r/b"] } }),
    step(2, { path: "fan/l/a", output: 1, outcome: { closed: true } }),
    step(3, { path: "fan/r/b", output: 2, outcome: { closed: true } }),
    step(4, { path: "fan", type: "PARALLEL", output: { l: 1, r: 2 } }),
  ]).map((row, index) => ({ ...row, seq: index + 1 }));

/** Three items, two at a time; the second fails, and that is tolerated. */
const map = (change: (steps: CheckedStep[]) => CheckedStep[] = (steps) => steps): CheckedStep[] =>
  change([
    step(1, { path: "m", type: "MAP", ...running, outcome: { total: 3, next: ["m/0/a", "m/1/a"] } }),
    step(2, { path: "m/0/a", output: "x", outcome: { closed: true, next: ["m/2/a"] } }),
    step(3, { path: "m/1/a", status: "FAILED", errorCode: "E", outcome: { closed: true } }),
    step(4, { path: "m/2/a", output: "z", outcome: { closed: true } }),
    step(5, { path: "m", type: "MAP", output: ["x", null, "z"] }),
  ]).map((row, index) => ({ ...row, seq: index + 1 }));

const replaced =
  (index: number, more: Partial<CheckedStep>) =>
  (steps: CheckedStep[]): CheckedStep[] =>
    steps.map((row, at) => (at === index ? { ...row, ...more } : row));
const joinOf = () => ({ need: 2, maxConcurrency: 2 });

test("sound containers break no law", () => {
  expect(check({ steps: fan() }, { joinOf })).toEqual([]);
  expect(check({ steps: map() }, { joinOf })).toEqual([]);
  // A branch that was left behind goes on after the join.
  const left = fan(([begin, l, r, end]) => [begin!, l!, { ...end!, output: { l: 1 }, outcome: { left: true } }, r!]);
  expect(check({ steps: left }, { joinOf: () => ({ need: 1 }) })).toEqual([]);
  // After a retry only what had not completed begins again.
  const failed = { status: "FAILED" as const, errorCode: "E", output: undefined };
  const again = fan(([begin, l, r, end]) => [
    begin!,
    l!,
    { ...r!, ...failed },
    { ...end!, ...failed },
    { ...begin!, path: "fan#2", outcome: { total: 2, next: ["fan#2/r/b"] } },
    { ...r!, path: "fan#2/r/b" },
    { ...end!, path: "fan#2" },
  ]);
  expect(check({ steps: again }, { joinOf })).toEqual([]);
});

const misjoined: [string, CheckedStep[], RegExp][] = [
  ["a join before its branches", fan(([b, l, r, end]) => [b!, l!, end!, r!]), /ends "fan" before "fan\/r\/b"/],
  ["a step of a branch after the join", fan(([b, l, r, end]) => [b!, l!, end!, r!]), /after row 3 ended "fan"/],
  [
    "a join with too few branches",
    fan(replaced(2, { status: "CANCELLED", output: undefined, outcome: undefined })),
    /with 1 completed branches; it needs 2/,
  ],
  ["a branch that ended twice", fan((steps) => steps.toSpliced(2, 0, { ...steps[1]!, attempt: 2 })), /ended its place/],
  ["an output that no branch gave", fan(replaced(3, { output: { l: 1, r: 3 } })), /joins "fan" to/],
  ["a branch of nothing", [step(1, { path: "fan/l/a" })], /"fan" has not begun/],
  ["a container that begins twice", fan((steps) => [steps[0]!, ...steps]), /begins "fan" again/],
  [
    "a branch too many",
    fan(replaced(0, { outcome: { total: 1, next: ["fan/l/a", "fan/r/b"] } })),
    /"fan" has 1 places/,
  ],
  [
    "an item too many",
    map(replaced(0, { outcome: { total: 3, next: ["m/0/a", "m/1/a", "m/2/a"] } })),
    /has 3 items of "m" under way; 2 may be/,
  ],
  ["an item that is not on the list", map(replaced(1, { outcome: { closed: true, next: ["m/3/a"] } })), /has 3 places/],
  [
    "an item that nobody began",
    map(replaced(1, { outcome: { closed: true } })),
    /ends a place of "m" that has not begun/,
  ],
  ["a MAP without one of its items", map((steps) => steps.toSpliced(3, 1)), /1 completed and 1 failed of 3 items/],
  ["outputs in another order", map(replaced(4, { output: ["z", null, "x"] })), /joins "m" to/],
  [
    "an item that begins again",
    map(replaced(3, { outcome: { closed: true, next: ["m/0/b"] } })),
    /begins "m\/0\/b" in a place that ended in row 2/,
  ],
];
test.each(misjoined)("%s is found", (_what, steps, fault) => finds(check({ steps }, { joinOf }), fault));

test("what a restart carried over is nobody's, comes first, and is not looked at as if it had happened here", () => {
  const carried = { epoch: 0, nodeId: "carried" };
  const steps = [
    step(1, { ...carried, path: "d", type: "DELAY", ...running, outcome: { dueAt: 900 } }),
    step(2, { ...carried, path: "d", type: "DELAY", outcome: { next: ["fan"] } }),
    step(3, { ...carried, path: "fan", type: "PARALLEL", ...running, outcome: { total: 1, next: ["fan/l/a"] } }),
    step(4, { ...carried, path: "fan", type: "PARALLEL", output: {}, outcome: { left: true, next: ["a"] } }),
    step(5),
  ];
  expect(check({ steps })).toEqual([]);
  finds(check({ steps: [step(1), step(2, { ...carried, path: "b" })] }), /of epoch 0 comes after epoch 1/);
  finds(check({ steps: [step(1, { nodeId: "carried" })] }), /of epoch 1 and of the node carried/);
  finds(check({ steps: [step(1, { epoch: 0 })] }), /of epoch 0 and of the node n/);
});

/** An instance whose step `k` waits for the child `c`. */
function family(change: {
  child?: Partial<CheckedInstance>;
  end?: Partial<CheckedStep>;
  parent?: Partial<CheckedInstance>;
  more?: Partial<CheckedTransition>[];
}): Partial<CheckedRows> {
  const { child = {}, end = {}, parent = {}, more = [] } = change;
  const own = { id: "c", parentId: "i", parentPath: "k", output: { n: 1 }, ...child };
  const childMoved = { entityId: "c" };
  return {
    instances: [instance(parent), instance(own)],
    steps: [
      step(1, { path: "k", type: "WORKFLOW", ...running, outcome: { childId: "c" } }),
      step(2, { path: "k", type: "WORKFLOW", output: { n: 1 }, ...end }),
      step(1, { instanceId: "c" }),
    ],
    transitions: [
      ...rows().transitions.slice(0, 3),
      moved(null, "RUNNING", childMoved),
      ...(own.status === "RUNNING" ? [] : [moved("RUNNING", own.status ?? "COMPLETED", { ...childMoved, at: 1_000 })]),
      ...more.map((one) => moved("FAILED", "FAILED", { ...childMoved, ...one, at: 1_000 })),
      moved("RUNNING", parent.status ?? "COMPLETED", { at: 1_000 }),
    ],
  };
}

const failedWith = (errorCode: string) => ({ status: "FAILED" as const, output: undefined, errorCode });

test("sound families break no law", () => {
  expect(check(family({}))).toEqual([]);
  const failedChild = { status: "FAILED", output: null, errorCode: "E" };
  expect(check(family({ child: failedChild, end: failedWith("E") }))).toEqual([]);
  expect(check(family({ child: { status: "CANCELLED" }, end: failedWith("CHILD_CANCELLED") }))).toEqual([]);
  expect(check(family({ child: { status: "CANCELLED" }, end: failedWith("TIMEOUT") }))).toEqual([]);
  // A child that was tried again may end otherwise than its parent heard.
  const retried = { more: [{ event: "workflow_retried" }] };
  expect(check(family({ child: failedChild, end: failedWith("before"), ...retried }))).toEqual([]);
});

const fallenOut: [string, Partial<CheckedRows>, RegExp][] = [
  ["a child that is not there", { ...family({}), instances: [instance()] }, /began the child c, which does not exist/],
  ["a child of another step", family({ child: { parentPath: "x" } }), /which is of i at "x"/],
  ["a child that nobody began", { ...family({}), steps: [step(1), step(1, { instanceId: "c" })] }, /never began it/],
  [
    "a child that began twice",
    {
      ...family({}),
      steps: [
        ...family({}).steps!,
        step(3, { path: "k2", type: "WORKFLOW", ...running, outcome: { childId: "c" } }),
        step(4, { path: "k2", type: "WORKFLOW", status: "CANCELLED" }),
      ],
    },
    /begins the child c, which row 1 began/,
  ],
  ["an output that the child did not give", family({ child: { output: { n: 2 } } }), /and its child c gave {"n":2}/],
  ["a success of a failed child", family({ child: { status: "FAILED" } }), /completed, and its child c is FAILED/],
  ["a failure of a child that completed", family({ end: failedWith("E") }), /is COMPLETED with null/],
  [
    "an error that is not the child's",
    family({ child: { status: "FAILED", errorCode: "F" }, end: failedWith("E") }),
    /failed with E, and its child c is FAILED with F/,
  ],
  [
    "a child that a cancelled parent left behind",
    family({ child: { status: "RUNNING" }, parent: { status: "CANCELLED" }, end: { status: "CANCELLED" } }),
    /instance c is RUNNING, and its parent i is CANCELLED/,
  ],
];
test.each(fallenOut)("%s is found", (_what, change, fault) => finds(check(change), fault));

describe("a concurrency limit", () => {
  const limitsOf = () => [{ key: "all", limit: 1 }];
  const two = (order: CheckedTransition[]): Partial<CheckedRows> => ({
    instances: [instance(), instance({ id: "j" })],
    transitions: [...rows().transitions.slice(0, 2), ...order],
  });
  const [began, ended] = [moved(null, "RUNNING"), moved("RUNNING", "COMPLETED")];
  const other = { entityId: "j" };
  const [otherBegan, otherEnded] = [moved(null, "RUNNING", other), moved("RUNNING", "COMPLETED", other)];

  test("holds while instances follow each other", () => {
    expect(check(two([began, ended, otherBegan, otherEnded]), { limitsOf })).toEqual([]);
  });
  test("is broken where they are under way at once", () => {
    finds(check(two([began, otherBegan, ended, otherEnded]), { limitsOf }), /2 instances of the limit "all"/);
  });
  test("leaves no permit behind", () => {
    finds(check({ permits: [{ instanceId: "i", state: "held" }] }), /has a permit \(held\) left/);
  });
});

describe("a life", () => {
  const paused = (more: Partial<CheckedRows> = {}): Partial<CheckedRows> => ({
    transitions: [
      ...rows().transitions.slice(0, 3),
      moved("RUNNING", "PAUSED", { at: 12 }),
      moved("PAUSED", "RUNNING", { at: 18, event: "workflow_resumed" }),
      moved("RUNNING", "COMPLETED"),
    ],
    ...more,
  });
  const within = { recordedAt: 15 };

  test("that is paused records what ran", () => {
    const steps = [step(1, { ...within, outcome: { next: ["b"] } }), step(2, { path: "b" })];
    expect(check(paused({ steps }), { calls: [{ instanceId: "i", path: "a", at: 14 }] })).toEqual([]);
  });
  test("that is paused begins nothing that followed meanwhile", () => {
    const steps = [step(1, { ...within, outcome: { next: ["b"] } }), step(2, { ...within, path: "b" })];
    finds(check(paused({ steps })), /row 2 begins "b" while the instance is paused/);
    const late = [step(1, { ...within, outcome: { next: ["b"] } }), step(2, { path: "b" })];
    finds(check(paused({ steps: late }), { calls: [{ instanceId: "i", path: "b", at: 16 }] }), /"b" ran at 16/);
  });
  test("that is paused opens no wait", () => {
    const steps = [step(1, { ...within, type: "EVENT_WAIT" })];
    finds(check(paused({ steps })), /row 1 begins "a" while/);
  });
  test("that has ended writes nothing more", () => {
    finds(check({ steps: [step(1, { recordedAt: 1_001 })] }), /row 1 \(a\) came after its end/);
    // Where a flush stamps its rows before its transitions, what it wrote together tells.
    const transitions = rows().transitions.map((row) => ({ ...row, flush: "7" }));
    const lanes = rows().lanes.map((lane) => ({ ...lane, closedAt: null }));
    expect(check({ steps: [step(1, { recordedAt: 1_001, flush: "7" })], transitions, lanes })).toEqual([]);
  });
  test("is counted once, from its start to its end", () => {
    const tallies = [
      { kind: "started", n: 1 },
      { kind: "completed", n: 1 },
    ];
    expect(check({ tallies })).toEqual([]);
    finds(check({ tallies: [...tallies, ...tallies] }), /2 instances are counted as completed, and 1 are so/);
    finds(check({ tallies: [] }), /0 instances are counted as started, and 1 are so/);
    finds(check({ tallies: [...tallies, { kind: "retried", n: 1 }] }), /1 instances are counted as retried/);
    finds(check({ tallies: [...tallies, { kind: "joined", n: 1 }] }), /1 instances are counted as joined, and 0/);
  });
});
