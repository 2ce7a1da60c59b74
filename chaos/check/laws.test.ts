/** A law that cannot be broken proves nothing: rows that keep them all, and for each law rows that do not. */

import { describe, expect, test } from "vitest";
import type { DiaryLine } from "../node/lines.ts";
import { subscriptionId, triggerId } from "../node/routing.ts";
import { versionsByName } from "../shapes/index.ts";
import type { Started } from "../storm/callers.ts";
import { rowLaws } from "./laws.ts";
import type { InstanceRow, Rows, StepRow } from "./rows.ts";
import { type Run, runLaws } from "./run_laws.ts";

const id = "01a1fd96-6bff-72fd-9d6a-16af0d05a004";
const eventId = "01a1fd96-0000-7000-8000-00000000e001";
const node = "01a1fd96-0000-7000-8000-000000000001";
const lane = "01a1fd96-0000-7000-8000-000000000002";

/** One instance of the shape "three", run by one node, as its rows would be. */
function soundRun(): Run {
  const steps = ["a", "b", "c"].map((path, index): StepRow => {
    const at = 1_000 + index * 10;
    const next = ["b", "c", undefined][index];
    return {
      instanceId: id,
      shard: 4,
      seq: index + 1,
      path,
      stepId: path,
      type: "TASK",
      attempt: 1,
      status: "COMPLETED",
      input: { value: 7 + index, ms: 0 },
      output: { value: 8 + index },
      startedAt: at,
      completedAt: at + 5,
      nodeId: node,
      epoch: 1,
      recordedAt: at + 6,
      ...(next === undefined ? {} : { outcome: { next: [next] } }),
    };
  });
  const instance: InstanceRow = {
    shard: 4,
    id,
    namespace: "default",
    definitionId: versionsByName.get("three")!.definitionId,
    workflowId: "three",
    status: "COMPLETED",
    ready: false,
    priority: 5,
    correlationId: "start 0",
    startedBy: null,
    triggerEvent: null,
    triggerEventId: null,
    parentId: null,
    parentPath: null,
    variables: null,
    originId: null,
    originStepId: null,
    version: 2,
    input: { n: 7, ms: 0 },
    state: null,
    stateSeq: 0,
    output: { value: 10 },
    error: null,
    cancelation: null,
    parked: null,
    startedAt: 999,
    completedAt: 1_026,
    steps,
  };
  const change = { entityType: "workflow", entityId: id, shard: 4, data: null };
  const rows: Rows = {
    instances: new Map([[id, instance]]),
    transitions: [
      {
        entityType: "shard",
        entityId: "4",
        shard: 4,
        from: "FREE",
        to: "HELD",
        event: "acquired",
        data: { node, lane, epoch: 1 },
        at: 900,
      },
      { ...change, from: null, to: "RUNNING", event: "workflow_started", at: 999 },
      { ...change, from: "RUNNING", to: "COMPLETED", event: "workflow_completed", at: 1_026 },
    ],
    waits: [],
    events: {
      accepted: [
        { id: eventId, namespace: "default", pattern: "storm.noise.1", payload: {}, acceptedAt: 900, key: "1" },
      ],
      routings: [{ eventId, replayId: null, targets: [`subscription ${subscriptionId} `] }],
      deliveries: [{ eventId, subscriptionId, replayId: null }],
    },
    lanes: [{ laneId: lane, nodeId: node, openedAt: 800, closedAt: 2_000 }],
    marks: [
      { laneId: lane, seq: 1 },
      { laneId: lane, seq: 2 },
    ],
    timers: [],
    inbox: [],
    permits: [],
    looseReferences: [],
    setAside: new Set(),
  };
  const drawn = { input: { n: 7, ms: 0 }, followUps: [], ends: ["COMPLETED" as const], outputs: [{ value: 10 }] };
  const planned = { atMs: 0, name: "start 0", workflowId: "three", drawn };
  const started: Started = {
    name: "start 0",
    planned,
    instanceIds: new Set([id]),
    unknown: false,
    cancelled: false,
    restarts: new Set(),
  };
  const diaries = steps.map(
    ({ path, startedAt }): DiaryLine => ({
      kind: "begin",
      nodeId: node,
      instanceId: id,
      path,
      attempt: 1,
      at: startedAt,
    }),
  );
  return { rows, started: [started], diaries, zombies: [], published: new Set([eventId]) };
}

type Parts = Run & { instance: InstanceRow; step(index: number): StepRow };

function broken(run: Run): string[] {
  const laws = [
    ...rowLaws.filter(({ check }) => check(run.rows).length > 0),
    ...runLaws.filter(({ check }) => check(run).length > 0),
  ];
  return laws.map(({ law }) => law);
}

function disturbed(disturb: (parts: Parts) => void): string[] {
  const run = soundRun();
  const instance = run.rows.instances.get(id)!;
  const parts: Parts = { ...run, instance, step: (index) => instance.steps[index]! };
  disturb(parts);
  const { rows, started, diaries, zombies, published } = parts;
  return broken({ rows, started, diaries, zombies, published });
}

test("sound rows break no law", () => {
  expect(broken(soundRun())).toEqual([]);
});

const begin = (path: string, at: number): DiaryLine => ({
  kind: "begin",
  nodeId: node,
  instanceId: id,
  path,
  attempt: 1,
  at,
});

const cases: [string, string, (parts: Parts) => void][] = [
  [
    "an instance that has not ended",
    "the checker finds nothing in the rows",
    ({ instance }) => {
      instance.status = "RUNNING";
    },
  ],
  [
    "a hole in a lane's marks",
    "the checker finds nothing in the rows",
    ({ rows }) => {
      rows.marks.push({ laneId: lane, seq: 4 });
    },
  ],
  [
    "a row of another node under the same epoch",
    "the checker finds nothing in the rows",
    ({ step }) => {
      step(1).nodeId = "other";
    },
  ],
  [
    "a row that came after its lane was closed",
    "the checker finds nothing in the rows",
    ({ rows }) => {
      rows.lanes[0]!.closedAt = 1_010;
    },
  ],
  [
    "an inbox row that is left",
    "the checker finds nothing in the rows",
    ({ rows }) => {
      rows.inbox.push({ id: 1, instanceId: id, kind: "SIGNAL" });
    },
  ],
  [
    "an event that was never routed",
    "the checker finds nothing in the rows",
    ({ rows }) => {
      rows.events!.routings = [];
    },
  ],
  [
    "an event that was routed twice",
    "the checker finds nothing in the rows",
    ({ rows }) => {
      rows.events!.routings[0]!.targets.push(`subscription ${subscriptionId} `);
    },
  ],
  [
    "an event that was delivered twice",
    "the checker finds nothing in the rows",
    ({ rows }) => {
      rows.events!.deliveries.push({ eventId, subscriptionId, replayId: null });
    },
  ],
  [
    "an event that was answered and is lost",
    "every event that was answered is there",
    ({ published }) => {
      (published as Set<string>).add(triggerId);
    },
  ],
  [
    "a step that nothing began",
    "no path begins that was not decided to begin",
    ({ step }) => {
      delete step(1).outcome;
    },
  ],
  [
    "a new visit of a step of an instance that nobody tried again",
    "no path begins that was not decided to begin",
    ({ step }) => {
      step(1).path = "b#2";
    },
  ],
  [
    "a journal whose fold is not the row's state",
    "the fold of the whole journal is what the instance's row says",
    ({ instance, step }) => {
      instance.steps.push({ ...step(2), seq: 4, path: "a#2", stepId: "a", status: "RUNNING" });
    },
  ],
  [
    "a wait that ended otherwise than its journal says",
    "a wait ends as its journal says, and by a signal or event where it was fulfilled",
    ({ step }) => {
      step(1).type = "EVENT_WAIT";
    },
  ],
  [
    "a timer that is left",
    "no timer is left",
    ({ rows }) => {
      rows.timers.push({ instanceId: id, key: "" });
    },
  ],
  [
    "a payload that nobody claimed",
    "every payload that is referred to is there, and claimed",
    ({ rows }) => {
      rows.looseReferences.push(`${id} refers to nothing`);
    },
  ],
  [
    "a start that became two instances",
    "every accepted start is one instance, and a start that was sent once is at most one",
    ({ rows, instance }) => {
      rows.instances.set("twin", { ...instance, id: "twin" });
    },
  ],
  [
    "an accepted start without an instance",
    "every accepted start is one instance, and a start that was sent once is at most one",
    ({ rows }) => {
      rows.instances.clear();
    },
  ],
  [
    "a restart that was answered and is not there",
    "every accepted start is one instance, and a start that was sent once is at most one",
    ({ started }) => {
      started[0]!.restarts.add("01a1fd96-0000-7000-8000-000000000009");
    },
  ],
  [
    "a child whose parent never began it",
    "the checker finds nothing in the rows",
    ({ instance }) => {
      instance.parentId = "01a1fd96-0000-7000-8000-000000000009";
    },
  ],
  [
    "a permit that is left",
    "the checker finds nothing in the rows",
    ({ rows }) => {
      rows.permits.push({ instanceId: id, state: "held" });
    },
  ],
  [
    "an end that was not counted",
    "the checker finds nothing in the rows",
    ({ rows }) => {
      rows.tallies = [{ kind: "started", n: 1 }];
    },
  ],
  [
    "a wrong output",
    "an instance ends as its shape and its callers say, with the output that its input gives",
    ({ instance }) => {
      instance.output = { value: 11 };
    },
  ],
  [
    "a step that ran again after it was recorded",
    "no handler begins a step that is recorded as ended, nor an attempt that is",
    ({ diaries }) => {
      (diaries as DiaryLine[]).push(begin("a", 1_500));
    },
  ],
  [
    "a step that ran before its cause was recorded",
    "no handler begins a step before what led to it is recorded",
    ({ diaries }) => {
      (diaries as DiaryLine[]).push(begin("c", 1_001));
    },
  ],
  [
    "a result that no handler gave",
    "every result was given by a handler",
    ({ diaries }) => {
      (diaries as DiaryLine[]).splice(1, 1);
    },
  ],
  [
    "a step that ran on a node that had lost the shard",
    "a handler begins only on the node that holds the instance's shard",
    ({ rows }) => {
      const taken = { node: "other", lane: "another", epoch: 2 };
      rows.transitions.push({
        entityType: "shard",
        entityId: "4",
        shard: 4,
        from: "HELD",
        to: "HELD",
        event: "taken_over",
        data: taken,
        at: 1_012,
      });
    },
  ],
  [
    "a zombie that wrote",
    "a zombie writes nothing under the epochs that it held",
    ({ rows, zombies }) => {
      rows.lanes[0]!.closedAt = 1_010;
      (zombies as { nodeId: string; stoppedAt: number; continuedAt: number }[]).push({
        nodeId: node,
        stoppedAt: 1_007,
        continuedAt: 1_015,
      });
    },
  ],
];

describe("the law sees", () => {
  test.each(cases)("%s", (_what, law, disturb) => {
    expect(disturbed(disturb)).toContain(law);
  });
});
