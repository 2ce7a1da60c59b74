/**
 * How PostgreSQL runs what the engine does with events: as `plans.test.ts`, in empty tables and with 200,000 events, their
 * keys, and waits.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { acceptEvents } from "../../src/engine/queries/events.ts";
import * as lanes from "../../src/engine/queries/lanes.ts";
import { forgetEmptiness } from "../../src/engine/queries/retention.ts";
import type { EventRow } from "../../src/engine/store/contract.ts";
import { encodeEvent } from "../../src/engine/store/rows.ts";
import type { Connection, Database } from "../../src/foundation/database/index.ts";
import { uuidv7 } from "../../src/foundation/ids.ts";
import { openTestDatabase } from "../support/database.ts";
import { insertManyEvents, matchKeyOf, eventsNamespace as namespace, patternOf } from "../support/many_events.ts";
import type { Sample } from "../support/many_instances.ts";
import { type Explainer, openExplainer } from "../support/plans.ts";
import type { Case, Some } from "./plan_cases.ts";
import { checkCost, checkIndexes, faultsOf } from "./plan_checks.ts";
import { routingCases } from "./plan_routing_cases.ts";

let samples: Sample[] = [{ n: 2, shard: 2, id: uuidv7(Date.now()) }];
const some: Some = (count) => samples.slice(-count);

let db: Database;
let line: Connection;
let explainer: Explainer;
let drop: () => Promise<void>;

beforeAll(async () => {
  const made = await openTestDatabase();
  ({ db, drop } = made);
  line = await db.connect();
  await line.unnamed(
    "select workflow_orchestrator_service.engine_ensure_partitions(now() - interval '22 days', now() + interval '8 days')",
  );
  explainer = await openExplainer(made.url);
});
afterAll(async () => {
  await explainer.close();
  await line.close();
  await drop();
});

const look = () => ({ explainer, some });
const usesIndexes = (one: Case) => checkIndexes(one, look());
const readsFew = (one: Case) => checkCost(one, look());

interface Call {
  text: string;
  values: readonly unknown[];
}

const laneId = uuidv7(Date.now());
const openLane: readonly Call[] = [
  { text: lanes.openLane.text, values: [laneId, laneId] },
  { text: "update cluster.shard_leases set lane_id = $1", values: [laneId] },
];

function newEvents(owners: readonly Sample[]): EventRow[] {
  const none = { version: null, source: null, timestamp: null, partitionKey: null };
  return owners.map(({ n, shard }) => {
    const id = uuidv7(Date.now());
    const names = { namespace, eventId: `new ${id}`, pattern: patternOf(n), sourceKey: "shop", keyShard: shard };
    return { shard, id, ...names, ...none, payload: { order: 17 }, metadata: {}, matchKeys: [matchKeyOf(n)] };
  });
}

async function revisionNow(): Promise<number> {
  const [row] = await db.unnamed<{ revision: number }>(
    "select revision from event_processing_service.routing_revision",
  );
  return row!.revision;
}

/** Of every kind one for each event; rows that are changed are there if the tables are full. */
async function eventsFlush(owners: readonly Sample[], seq: number): Promise<Call> {
  const now = Date.now();
  const id = () => uuidv7(now);
  const inbox = await db.unnamed<{ shard: number; id: number }>(
    "select shard, id from workflow_orchestrator_service.inbox limit $1",
    [owners.length],
  );
  const events = {
    waitsOpened: owners.map(({ n, shard }) => {
      return [shard, id(), "w", namespace, patternOf(n), null, null, "w", null, matchKeyOf(n), now];
    }),
    waitsEnded: owners.map((owner) => [owner.shard, owner.id, "w", "fulfilled", owner.id]),
    waitsAbandoned: owners.map((owner) => [owner.shard, owner.id]),
    lookBackFloors: owners.map(({ shard }) => [shard, now]),
    eventsPublished: newEvents(owners).map((row) => JSON.parse(encodeEvent(row)) as unknown),
    // Half of them are routed for the first time.
    routed: owners.map((owner, i) => [owner.shard, i % 2 === 0 ? owner.id : id(), null, namespace, []]),
    deliveries: owners.map((owner) => [id(), owner.shard, namespace, owner.id, id(), null]),
    deadLettered: owners.map((owner) => [id(), namespace, "e", owner.id, "trigger:x", {}, "m", "NOT_FOUND", "C", null]),
    deadLettersSettled: owners.map((owner) => [owner.id, null, null, null, "manual_retry", "somebody"]),
    occurrencesPut: owners.map((owner) => [owner.shard, owner.id, now, "fired", null, id(), null]),
    firings: owners.map((owner) => [owner.shard, owner.id, 1, now]),
  };
  const extras = { inboxConsumed: inbox.map((row) => [row.shard, row.id]) };
  const held = [...new Set([...owners, ...inbox].map(({ shard }) => shard))];
  const rows = [null, null, null, null, null, JSON.stringify(extras), JSON.stringify(events), await revisionNow()];
  return { text: lanes.flushWithEvents.text, values: [laneId, seq, laneId, held, ...rows] };
}

const flushIndexes = [
  ...["lanes_pkey", "lanes_open_idx", "flush_marks_pkey", "shard_leases_pkey", "inbox_pkey", "routing_revision_pkey"],
  ...["workflow_event_subscriptions_pkey", "dead_letter_queue_pkey", "look_back_floors_pkey"],
];

async function accept(owners: readonly Sample[]): Promise<Call> {
  const rows = `[${newEvents(owners).map(encodeEvent).join(",")}]`;
  return { text: acceptEvents.text, values: [rows, await revisionNow()] };
}

async function checkFunctions(): Promise<void> {
  const owners = some(20);
  const accepted = await explainer.insideFunctions([await accept(owners)]);
  // The revision and the insert.
  expect(accepted.length).toBeGreaterThanOrEqual(2);
  expect(accepted.flatMap((plan) => faultsOf(plan, ["routing_revision_pkey"]))).toEqual([]);

  const flushed = await explainer.insideFunctions([...openLane, await eventsFlush(owners, 1)]);
  // Marks and shards, what is consumed, eleven kinds of events.
  expect(flushed.length).toBeGreaterThanOrEqual(14);
  expect(flushed.flatMap((plan) => faultsOf(plan, flushIndexes))).toEqual([]);
}

describe("in tables that were analyzed while they were empty", () => {
  beforeAll(async () => {
    await line.unnamed("analyze");
    await line.query(forgetEmptiness);
  });

  test.each(routingCases)("$name uses its index", usesIndexes);
  test("functions use their indexes", checkFunctions);
});

describe("with 200,000 events", () => {
  beforeAll(async () => {
    samples = await insertManyEvents(line);
    await line.unnamed("set default_statistics_target = 1000");
    await line.unnamed("vacuum analyze");
    await line.query(forgetEmptiness);
  }, 300_000);

  test.each(routingCases)("$name uses its index", usesIndexes);
  test.each(routingCases)("$name reads few pages", readsFew);
  test("functions use their indexes", checkFunctions);

  test("intake reads pages in proportion to its events", async () => {
    const plans = await explainer.insideFunctions([await accept(some(200))]);
    for (const { text, buffers } of plans) expect(buffers, text).toBeLessThanOrEqual(200 * 60);
  });

  test("each statement of a flush reads pages in proportion to its rows", async () => {
    const plans = await explainer.insideFunctions([...openLane, await eventsFlush(some(200), 1)]);
    for (const { text, buffers } of plans) expect(buffers, text).toBeLessThanOrEqual(200 * 60);
  });

  test("a flush of one routed event reads few pages", async () => {
    const plans = await explainer.insideFunctions([...openLane, await eventsFlush(some(1), 1)]);
    expect(plans.reduce((sum, { buffers }) => sum + buffers, 0)).toBeLessThanOrEqual(220);
  });
});
