/** The engine's statements about events: values to run them by, their indexes, and how much they may read. */

import * as events from "../../src/engine/queries/events.ts";
import { days, eventsNamespace, matchKeyOf, patternOf, publisherIdOf } from "../support/many_events.ts";
import { type Sample, shardCount } from "../support/many_instances.ts";
import { type Case, caseOf, columns, type Some } from "./plan_cases.ts";

const dayMs = 86_400_000;
const shards = Array.from({ length: shardCount }, (_, shard) => shard);
const eventsKey = "event_instances_pkey";
export const waitsByMatch = "workflow_event_subscriptions_match_idx";

const columnOf = <T>(some: readonly Sample[], of: (sample: Sample) => T) => some.map(of);
const namespaces = (some: readonly Sample[]) => columnOf(some, () => eventsNamespace);

/** Waits that look back at the last two days by key, or by the name. */
const lookingBack = (some: readonly Sample[], key: (sample: Sample) => string | null, names: string | null = null) => [
  namespaces(some),
  columnOf(some, ({ n }) => patternOf(n)),
  columnOf(some, key),
  columnOf(some, () => Date.now() - 2 * dayMs),
  columnOf(some, () => null),
  20,
  columnOf(some, () => names),
];

const lookBackIndexes = [
  ...["event_match_keys_pkey", eventsKey, "event_instances_pattern_idx", "event_instances_namespace_idx"],
  "event_wait_shapes_pkey",
];

export const routingCases: readonly Case[] = [
  caseOf(events.firstEvents, {
    values: (some: Some) => [
      columnOf(some(100), ({ shard }) => shard),
      namespaces(some(100)),
      columnOf(some(100), () => "shop"),
      columnOf(some(100), ({ n }) => publisherIdOf(n)),
    ],
    indexes: ["event_keys_pkey"],
    most: 100 * 5,
    rows: 100,
  }),
  caseOf(events.readEvents, {
    values: (some) => columns(some(100)),
    indexes: [eventsKey],
    most: 100 * 5,
    rows: 100,
  }),
  caseOf(events.readWaitsFor, {
    values: (some) => [JSON.stringify(some(200).map(({ n }) => [eventsNamespace, patternOf(n), matchKeyOf(n)]))],
    indexes: [waitsByMatch],
    most: 200 * 5 + 5,
    rows: 1,
  }),
  caseOf(events.lookBack, {
    values: (some) => lookingBack(some(100), ({ n }) => matchKeyOf(n)),
    indexes: lookBackIndexes,
    // Two weeks of keys, and two events.
    most: 100 * 20,
    rows: 100,
  }),
  {
    ...caseOf(events.lookBack, {
      values: (some) => lookingBack(some(10), () => null),
      indexes: lookBackIndexes,
      most: 10 * 40,
      rows: 200,
    }),
    name: `${events.lookBack.name} without a key`,
  },
  {
    ...caseOf(events.lookBack, {
      values: (some) => lookingBack(some(10), ({ n }) => matchKeyOf(n), "^orders\\.[^.]+$"),
      indexes: lookBackIndexes,
      // As with the whole name: the shapes are older than what is looked for.
      most: 10 * 20,
      rows: 10,
    }),
    name: `${events.lookBack.name} by a pattern`,
  },
  caseOf(events.readOpenWaits, {
    values: () => [shards],
    indexes: ["workflow_event_subscriptions_opened_idx", "look_back_floors_pkey"],
    // Of one hour, not of the three weeks: a hundred and fifty waits.
    most: 64 * 6 + Math.ceil(200_000 / 3 / days / 24) * 2,
    rows: 50,
  }),
  caseOf(events.registerShapes, {
    values: () => [JSON.stringify([[eventsNamespace, patternOf(1), ["payload.order"]]])],
    indexes: ["event_wait_shapes_pkey"],
    most: 10,
  }),
  caseOf(events.deleteExpiredEventKeys, {
    values: () => [],
    indexes: ["event_keys_expires_idx"],
    // Found, marked, and taken out of the page.
    most: 4_000,
  }),
];
