/** A law that cannot be broken proves nothing: sound rows of events, and for each law rows that break it. */

import { expect, test } from "vitest";
import { uuidv7 } from "../foundation/ids.ts";
import { type CheckedEvent, type CheckedRows, type CheckOptions, checkRows } from "./checker.ts";

const [first, second, third] = [uuidv7(1_000), uuidv7(1_001), uuidv7(1_002)];
const event = (id: string, acceptedAt: number): CheckedEvent => ({
  ...{ id, namespace: "default", pattern: "go", payload: { n: 1 }, acceptedAt, key: `key of ${id}` },
});
const waitRow = (seq: number, status: string, more: object = {}) => ({
  ...{ instanceId: "i", shard: 0, seq, path: "w", type: "EVENT_WAIT", attempt: 1, status, startedAt: 1_010 },
  ...{ outcome: undefined, nodeId: "n", epoch: 1, recordedAt: 1_020, ...more },
});

/** An instance that was started by the first event and took the second, before the third came. */
function sound(): { rows: CheckedRows; options: CheckOptions } {
  const events = [event(first, 1_000), event(second, 1_001), event(third, 1_030)];
  const rows: CheckedRows = {
    instances: [
      {
        ...{
          id: "i",
          shard: 0,
          status: "COMPLETED",
          completedAt: 1_020,
          parked: false,
          parentId: null,
          parentPath: null,
        },
        ...{ output: null, errorCode: null, triggerEventId: first, triggerId: "t" },
      },
    ],
    steps: [
      waitRow(1, "RUNNING", { recordedAt: 1_010 }),
      waitRow(2, "COMPLETED", { outcome: { eventId: second, eventAt: 1_001 } }),
    ] as CheckedRows["steps"],
    transitions: [
      {
        ...{ entityId: "shard", entityType: "shard", shard: 0, from: "FREE", to: "HELD", event: "acquired", at: 1 },
        data: { epoch: 1, lane: "l", node: "n" },
      },
      {
        entityId: "i",
        entityType: "workflow",
        shard: 0,
        from: null,
        to: "COMPLETED",
        event: "e",
        data: null,
        at: 1_020,
      },
    ],
    lanes: [{ laneId: "l", nodeId: "n", closedAt: null }],
    ...{ marks: [], timers: [], inbox: [], permits: [] },
    waits: [{ instanceId: "i", path: "w", status: "fulfilled", eventId: second, since: 1_001, openedAt: 1_010 }],
    events: {
      accepted: events,
      routings: events.map(({ id }) => ({ eventId: id, replayId: null, targets: ["trigger t"] })),
      deliveries: events.map(({ id }) => ({ eventId: id, subscriptionId: "s", replayId: null })),
    },
  };
  const options: CheckOptions = {
    ...{ accepted: ["i"], settled: true, toleranceMs: 0, quiet: true, published: [first, second, third] },
    targetsOf: ({ id }) => [{ id: "s", sure: true }, ...(id === first ? [{ id: "t", sure: true }] : [])],
    fits: (_instance, { since }, { acceptedAt }) => acceptedAt >= (since ?? 0),
  };
  return { rows, options };
}

test("sound rows break no law", () => {
  const { rows, options } = sound();
  expect(checkRows(rows, options)).toEqual([]);
});

type Parts = ReturnType<typeof sound> & { events: NonNullable<CheckedRows["events"]> };

const cases: [string, RegExp, (parts: Parts) => void][] = [
  [
    "an event that was answered and is lost",
    /accepted and does not exist/,
    ({ options }) => {
      options.published = [uuidv7(5)];
    },
  ],
  [
    "one key twice",
    /have the same key/,
    ({ events }) => {
      events.accepted[1]!.key = events.accepted[0]!.key;
    },
  ],
  ["an event that was never routed", /was never routed/, ({ events }) => events.routings.pop()],
  ["an event that was routed twice", /was routed 2 times/, ({ events }) => events.routings.push(events.routings[0]!)],
  [
    "a target that was decided about twice",
    /decided about twice/,
    ({ events }) => events.routings[0]!.targets.push("trigger t"),
  ],
  ["a delivery too many", /met 2 times/, ({ events }) => events.deliveries.push(events.deliveries[0]!)],
  ["a delivery too few", /did not reach target s/, ({ events }) => events.deliveries.pop()],
  [
    "an instance of no event",
    /was not accepted/,
    ({ rows }) => {
      rows.instances[0]!.triggerEventId = uuidv7(7);
    },
  ],
  [
    "an instance of an event that is not for its trigger",
    /is not for it/,
    ({ rows }) => {
      rows.instances[0]!.triggerEventId = third;
    },
  ],
  [
    "an event that one instance consumed twice",
    /consumed event .* twice/,
    ({ rows }) => {
      rows.steps[1]!.outcome = { eventId: first, eventAt: 1_000 };
    },
  ],
  [
    "a wait that says another event than its row",
    /its row says/,
    ({ rows }) => {
      rows.waits[0]!.eventId = third;
    },
  ],
  [
    "an event that does not fit its wait",
    /does not fit it/,
    ({ rows }) => {
      rows.waits[0]!.since = 1_002;
    },
  ],
  [
    "an earlier event that was passed over",
    /and not .* before it/,
    ({ rows, events }) => {
      events.accepted[2]!.acceptedAt = 1_005;
      rows.steps[1]!.outcome = { eventId: third, eventAt: 1_005 };
      rows.waits[0]!.eventId = third;
    },
  ],
  [
    "a wait that missed an event",
    /has missed event/,
    ({ rows }) => {
      rows.instances[0]!.status = "WAITING_FOR_EVENT";
      rows.waits.push({ instanceId: "i", path: "x", status: "active", eventId: null, since: 1_002, openedAt: 1_010 });
    },
  ],
  [
    "starts of one key in the wrong order",
    /before .* which was accepted before it/,
    ({ rows, options }) => {
      rows.instances.push({ ...rows.instances[0]!, id: "j", triggerEventId: second });
      rows.transitions.push({ ...rows.transitions[1]!, entityId: "j" });
      options.inTurn = [{ first: second, second: first }];
    },
  ],
];

test.each(cases)("%s is found", (_what, found, disturb) => {
  const { rows, options } = sound();
  disturb({ rows, options, events: rows.events! });
  expect(checkRows(rows, options).join("\n")).toMatch(found);
});
