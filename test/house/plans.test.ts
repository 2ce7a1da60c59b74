/**
 * How PostgreSQL runs the engine's statements: by which index, and how many pages it reads. Twice: in tables that were
 * analyzed while they were empty, because prepared plans made then are kept while the tables fill; and in tables with
 * 200,000 instances, with the plan of a first call and with that of a prepared statement.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as lanes from "../../src/engine/queries/lanes.ts";
import * as retention from "../../src/engine/queries/retention.ts";
import * as retire from "../../src/engine/queries/retire.ts";
import * as views from "../../src/engine/queries/views.ts";
import * as work from "../../src/engine/queries/work.ts";
import { encodeChange, encodeStart, encodeStep, encodeTransition } from "../../src/engine/store/rows.ts";
import type { Connection, Database, Statement } from "../../src/foundation/database/index.ts";
import { uuidv7 } from "../../src/foundation/ids.ts";
import { openTestDatabase } from "../support/database.ts";
import {
  bigNamespace,
  definitionOf,
  insertManyInstances,
  type Sample,
  shardCount,
  workflowOf,
} from "../support/many_instances.ts";
import { type Explainer, openExplainer, type Plan } from "../support/plans.ts";

const dayMs = 86_400_000;
const zeroId = "00000000-0000-0000-0000-000000000000";
const shards = Array.from({ length: shardCount }, (_, shard) => shard);
const daysAgo = (days: number) => new Date(Date.now() - days * dayMs).toISOString();

/** What is asked for in the empty tables too. */
const nobody: Sample[] = [{ n: 0, shard: 1, id: uuidv7(Date.now()) }];
let samples = nobody;
const some = (count: number) => samples.slice(-count);
const columns = (of: readonly Sample[]) => [of.map(({ shard }) => shard), of.map(({ id }) => id)];

let db: Database;
let line: Connection;
let explainer: Explainer;
let drop: () => Promise<void>;

beforeAll(async () => {
  const made = await openTestDatabase();
  ({ db, drop } = made);
  line = await db.connect();
  // Twenty days of weeks and one ahead, all of them empty.
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

const instancesKey = "workflow_instances_pkey";
const byTime = "workflow_instances_namespace_idx";
const journalKey = "workflow_instance_steps_pkey";
const payloadsOfInstance = "payloads_instance_idx";

interface Case {
  name: string;
  text(): string;
  values(): readonly unknown[];
  /** The indexes that it may use, as the migration names them. */
  indexes: readonly string[];
  /** Pages that it may read of the full tables. */
  most: number;
  /** Rows that it gives at least of the full tables, so that the case is not an empty one. */
  rows?: number;
}

const of = (
  statement: Statement,
  given: { values: () => readonly unknown[]; indexes: readonly string[]; most: number; rows?: number },
): Case => ({ name: statement.name, text: () => statement.text, ...given });

/** Per instance: its row, whether it has payloads, and its journal in each of five weeks. */
const pagesPerFold = 22;

const cases: readonly Case[] = [
  of(work.readReady, {
    values: () => [1, zeroId, 20],
    indexes: ["workflow_instances_ready_idx", payloadsOfInstance, journalKey],
    most: 20 * pagesPerFold,
    rows: 10,
  }),
  of(work.readInstances, {
    values: () => columns(some(200)),
    indexes: [instancesKey, payloadsOfInstance, journalKey],
    most: 200 * pagesPerFold,
    rows: 200,
  }),
  of(work.readAwaiting, {
    values: () => [shards, ["task-1"], 100],
    indexes: ["workflow_instances_awaiting_idx"],
    most: 500,
    rows: 100,
  }),
  of(work.readTimers, {
    values: () => [shards, shards.map(() => 0), Date.now() + 60_000, 20],
    indexes: ["timers_pkey"],
    most: 64 * 25,
    rows: 32 * 20,
  }),
  of(work.readInbox, {
    values: () => [shards, shards.map(() => 0), 20],
    indexes: ["inbox_pkey"],
    most: 64 * 5,
    rows: 16 * 20,
  }),
  of(work.postInbox, {
    values: () => [JSON.stringify(some(1).map(({ shard, id }) => [shard, "SIGNAL", id, {}]))],
    indexes: [],
    most: 20,
  }),
  of(work.firstStarts, {
    values: () => [JSON.stringify([[2, bigNamespace, workflowOf(0), "key-2"]])],
    indexes: ["idempotency_keys_pkey"],
    most: 5,
    rows: 1,
  }),
  of(work.takeErrands, { values: () => [nobody[0]!.id, 100], indexes: ["errands_pkey"], most: 10 }),
  of(work.savePayload, {
    values: () => [1, uuidv7(Date.now()), some(1)[0]!.id, "{}"],
    indexes: [],
    most: 30,
  }),
  of(work.readPayloads, { values: () => columns(some(100)), indexes: ["payloads_pkey"], most: 100 * 4 }),
  of(work.readStatuses, {
    values: () => columns(some(100)),
    indexes: [instancesKey, journalKey],
    most: 100 * pagesPerFold,
    rows: 100,
  }),
  of(work.deleteExpiredKeys, { values: () => [], indexes: ["idempotency_keys_expires_idx"], most: 10 }),
  of(work.deleteOrphanPayloads, { values: () => [], indexes: ["payloads_unclaimed_idx"], most: 4_000 }),
  of(views.readInstanceView, {
    values: () => [some(1)[0]!.shard, some(1)[0]!.id],
    indexes: [instancesKey, payloadsOfInstance, journalKey],
    most: 30,
  }),
  of(views.isInstanceKnown, {
    values: () => [some(1)[0]!.shard, some(1)[0]!.id, bigNamespace],
    indexes: [instancesKey],
    most: 5,
  }),
  of(views.readHistory, {
    values: () => [some(1)[0]!.shard, some(1)[0]!.id, 0, 100],
    indexes: [journalKey],
    most: 30,
    rows: 1,
  }),
  of(views.readTransitions, {
    values: () => [some(1)[0]!.shard, some(1)[0]!.id, bigNamespace, 100],
    indexes: ["fsm_transitions_entity_idx"],
    most: 30,
    rows: 1,
  }),
  of(views.isDefinitionUsed, {
    values: () => [bigNamespace, workflowOf(3), definitionOf(3, 1)],
    indexes: ["workflow_instances_definition_idx"],
    most: 50,
    rows: 1,
  }),
  of(retention.trimInstances, {
    values: () => [-1, zeroId, daysAgo(12), daysAgo(2), 1_000, daysAgo(1)],
    indexes: [instancesKey],
    most: 10_000,
    rows: 1,
  }),
];

/** Statements that are not looked at one by one, and why that is no loss. */
const others: readonly { statement: Statement; because: string }[] = [
  { statement: work.acceptStarts, because: "its function is looked at below" },
  { statement: lanes.flush, because: "its function is looked at below" },
  { statement: lanes.acquireShard, because: "its function is looked at below" },
  ...[lanes.readSettings, lanes.registerNode, lanes.deregisterNode, lanes.openLane, lanes.notify].map((statement) => ({
    statement,
    because: "once in the life of a node, or without a table",
  })),
  ...[lanes.beat, lanes.readCluster, lanes.noteFolding, lanes.abandonLane, lanes.closeLanes, lanes.endBlockers].map(
    (statement) => ({ statement, because: "its tables have a row for each node, lane or shard" }),
  ),
  ...[retire.expireNodes, retire.closeStrayLanes].map((statement) => ({
    statement,
    because: "rows of nodes and lanes",
  })),
  { statement: work.deleteOldErrands, because: "errands are there for moments, and it runs once an hour" },
  ...[
    lanes.ensurePartitions,
    retention.forgetEmptiness,
    retention.readOldPartitions,
    retention.retireInstances,
    retention.dropHistory,
    retention.deleteStrayWaits,
    retention.deleteStrayPayloads,
    retention.deleteStrayTimers,
  ].map((statement) => ({ statement, because: "once an hour, and made to look at a whole week" })),
];

/** The text of a list is assembled; it is taken from the function that would send it. */
const listed = (
  name: string,
  given: Omit<Case, "name" | "text" | "values"> & { filter: () => Partial<views.ListFilter> },
): Case => {
  const filter = () => ({ namespace: bigNamespace, limit: 50, ...given.filter() });
  return { ...given, name, text: () => assembled(filter()).text, values: () => assembled(filter()).values };
};

function assembled(filter: views.ListFilter): { text: string; values: readonly unknown[] } {
  let sent: { text: string; values: readonly unknown[] } | undefined;
  const refuse = () => Promise.reject(new Error("lists are assembled"));
  void views.listInstances(
    {
      query: refuse,
      execute: refuse,
      unnamed: (text, values = []) => {
        sent = { text, values };
        return Promise.resolve([]);
      },
    },
    filter,
  );
  return sent!;
}

const byStatus = "workflow_instances_status_idx";
const byWorkflow = "workflow_instances_definition_idx";
const byCorrelation = "workflow_instances_correlation_idx";
const flow = { workflowId: workflowOf(4) };
const version = { workflowId: workflowOf(4), id: definitionOf(4, 1) };

const lists: readonly Case[] = [
  listed("all", { filter: () => ({}), indexes: [byTime], most: 100, rows: 50 }),
  listed("of a small namespace", { filter: () => ({ namespace: "small-3" }), indexes: [byTime], most: 150, rows: 50 }),
  listed("of an unknown namespace", { filter: () => ({ namespace: "nobody" }), indexes: [byTime], most: 30 }),
  listed("of a status", { filter: () => ({ status: ["FAILED"] }), indexes: [byStatus], most: 150, rows: 50 }),
  listed("of three statuses", {
    filter: () => ({ status: ["FAILED", "RUNNING", "COMPLETED"] }),
    indexes: [byStatus],
    most: 200,
    rows: 50,
  }),
  listed("of a status that none has", { filter: () => ({ status: ["PAUSED"] }), indexes: [byStatus], most: 30 }),
  listed("of a workflow", { filter: () => ({ definition: flow }), indexes: [byWorkflow], most: 150, rows: 50 }),
  listed("of a version", { filter: () => ({ definition: version }), indexes: [byWorkflow], most: 200, rows: 50 }),
  listed("of a correlation", {
    filter: () => ({ correlationId: `order-${Math.floor(some(1)[0]!.n / 2)}` }),
    indexes: [byCorrelation],
    most: 30,
    rows: 1,
  }),
  listed("after an id", { filter: () => ({ after: some(500)[0]!.id }), indexes: [byTime], most: 100, rows: 50 }),
  listed("of a time", {
    filter: () => ({ startedAfter: daysAgo(9), startedBefore: daysAgo(8) }),
    indexes: [byTime],
    most: 100,
    rows: 50,
  }),
  listed("of a status and a time", {
    filter: () => ({ status: ["FAILED"], startedBefore: daysAgo(8) }),
    indexes: [byStatus],
    most: 150,
    rows: 50,
  }),
  listed("of a workflow, a time and a place", {
    filter: () => ({ definition: flow, startedAfter: daysAgo(19), after: some(500)[0]!.id }),
    indexes: [byWorkflow],
    most: 150,
    rows: 50,
  }),
  // One in twenty of one index's rows is what the other asks for: about a thousand rows are looked at.
  listed("of a status and a workflow", {
    filter: () => ({ status: ["FAILED"], definition: flow }),
    indexes: [byStatus, byWorkflow],
    most: 1_200,
    rows: 50,
  }),
  listed("of a correlation and a status", {
    filter: () => ({ correlationId: `order-${Math.floor(some(1)[0]!.n / 2)}`, status: ["PAUSED"] }),
    indexes: [byCorrelation, byStatus],
    most: 30,
  }),
];

/** Tables with a row for each node, lane or shard; everything else may grow. */
const smallTables = new Set(["node_registrations", "lanes", "shard_leases", "cluster_settings"]);

/** What is wrong with how a plan reaches tables. */
function faultsOf(plan: Plan, indexes: readonly string[]): string[] {
  return plan.nodes.flatMap(({ kind, relation, index }) => {
    if (kind === "Seq Scan") return smallTables.has(relation ?? "") ? [] : [`Seq Scan on ${relation}`];
    if (index === undefined || indexes.includes(index)) return [];
    return [`${kind} by ${index}`];
  });
}

async function checkIndexes(one: Case): Promise<void> {
  for (const generic of [false, true]) {
    const plan = await explainer.explain({ text: one.text(), values: one.values(), generic });
    expect(faultsOf(plan, one.indexes), generic ? "prepared" : "first call").toEqual([]);
  }
}

async function checkCost(one: Case): Promise<void> {
  for (const generic of [false, true]) {
    const plan = await explainer.explain({ text: one.text(), values: one.values(), generic });
    expect(plan.buffers, `pages, ${generic ? "prepared" : "first call"}`).toBeLessThanOrEqual(one.most);
    expect(plan.nodes[0]!.rows).toBeGreaterThanOrEqual(one.rows ?? 0);
  }
}

interface Call {
  text: string;
  values: readonly unknown[];
}

const laneId = uuidv7(Date.now());
const openLane: readonly Call[] = [
  { text: lanes.openLane.text, values: [laneId, laneId] },
  { text: "update cluster.shard_leases set lane_id = $1", values: [laneId] },
];
const rows = (encoded: readonly string[]): string => `[${encoded.join(",")}]`;
const journalEntry = (seq: number) => {
  return {
    seq,
    path: "a",
    stepId: "a",
    type: "TASK",
    attempt: 1,
    status: "COMPLETED",
    startedAt: 1,
    completedAt: 2,
  } as const;
};

const stepsOf = (owners: readonly Sample[], seq: number): string =>
  rows(
    owners.map(({ shard, id }) => encodeStep({ shard, instanceId: id, epoch: 1 }, journalEntry(seq), JSON.stringify)),
  );

/** A flush with a row of every kind for each instance; rows that are to be changed are there if the tables are full. */
async function fullFlush(owners: readonly Sample[], seq: number): Promise<Call> {
  const now = Date.now();
  const inbox = await db.unnamed<{ shard: number; id: number }>(
    "select shard, id from workflow_orchestrator_service.inbox limit $1",
    [owners.length],
  );
  const common = { namespace: bigNamespace, awaitingTaskId: null, currentStepId: null };
  const starts = owners.map(({ shard }) => {
    return encodeStart({
      ...common,
      ...{ shard, id: uuidv7(now), definitionId: definitionOf(1, 0), workflowId: workflowOf(1), status: "RUNNING" },
      ...{ priority: 5, correlationId: null, startedBy: null, triggerEventId: null, input: "{}", startedAt: now },
    });
  });
  const changes = owners.map(({ shard, id }) =>
    encodeChange({ ...common, shard, id, status: "COMPLETED", ready: false }),
  );
  const transitions = owners.map(({ shard, id }) =>
    encodeTransition(
      { shard, namespace: bigNamespace, instanceId: id },
      { from: null, to: "RUNNING", event: "started" },
    ),
  );
  const extras = {
    timersArmed: owners.map(({ shard, id }) => [shard, now, id, `t${seq}`]),
    timersCleared: owners.map(({ shard, id }) => [shard, now, id, "w"]),
    waitsOpened: owners.map(({ shard, id }) => [shard, id, `p${seq}`, bigNamespace, "x", null, null, "w", null]),
    waitsEnded: owners.map(({ shard, id }) => [shard, id, "w", "fulfilled", null]),
    inboxConsumed: inbox.map(({ shard, id }) => [shard, id]),
    payloadsClaimed: owners.map(({ shard, id }) => [shard, id]),
  };
  return flushOf(seq, {
    owners,
    starts: rows(starts),
    changes: rows(changes),
    steps: stepsOf(owners, seq + 10),
    transitions: rows(transitions),
    extras: JSON.stringify(extras),
  });
}

interface Batch {
  owners: readonly Sample[];
  starts?: string;
  changes?: string;
  steps?: string;
  transitions?: string;
  extras?: string;
}

function flushOf(seq: number, { owners, starts, changes, steps, transitions, extras }: Batch): Call {
  const held = [...new Set(owners.map(({ shard }) => shard))];
  const parts = [starts, changes, steps, transitions, extras].map((part) => part ?? null);
  return { text: lanes.flush.text, values: [laneId, seq, laneId, held, null, ...parts] };
}

const flushIndexes = [
  ...["lanes_pkey", "lanes_open_idx", "flush_marks_pkey", "shard_leases_pkey"],
  ...[instancesKey, "timers_pkey", "workflow_event_subscriptions_pkey", "inbox_pkey", "payloads_pkey"],
];

function startsOf(owners: readonly Sample[]): Call {
  const starts = owners.map(({ shard }) => {
    const id = uuidv7(Date.now());
    const head = [shard, id, bigNamespace, definitionOf(1, 0), workflowOf(1), 5, null, null, null, {}];
    return [...head, `key ${id}`, shard, "hash", null, []];
  });
  return { text: work.acceptStarts.text, values: [JSON.stringify(starts), null] };
}

/** Statements inside functions reach tables by these indexes only, whatever the tables hold. */
async function checkFunctions(): Promise<void> {
  const owners = some(20);
  const flushed = await explainer.insideFunctions([
    ...openLane,
    flushOf(1, { owners, steps: stepsOf(owners, 5) }),
    await fullFlush(owners, 2),
  ]);
  // Marks and shards, four tables of rows, six of extras.
  expect(flushed.length).toBeGreaterThanOrEqual(14);
  expect(flushed.flatMap((plan) => faultsOf(plan, flushIndexes))).toEqual([]);

  const starts = startsOf(owners);
  const accepted = await explainer.insideFunctions([starts, starts]);
  expect(accepted.length).toBeGreaterThan(0);
  expect(accepted.flatMap((plan) => faultsOf(plan, ["payloads_pkey"]))).toEqual([]);

  const acquired = await explainer.insideFunctions([
    openLane[0]!,
    { text: lanes.acquireShard.text, values: [3, laneId, laneId] },
  ]);
  expect(acquired.length).toBeGreaterThan(0);
  expect(acquired.flatMap((plan) => faultsOf(plan, ["lanes_pkey", "lanes_open_idx", "shard_leases_pkey"]))).toEqual([]);
}

test("every statement of the engine is looked at, or known not to need it", () => {
  const named = [lanes, work, views, retention, retire].flatMap((module) =>
    Object.values(module).filter((value): value is Statement => typeof value === "object" && "name" in value),
  );
  const seen = [...cases.map(({ name }) => name), ...others.map(({ statement }) => statement.name)];
  expect(named.map(({ name }) => name).sort()).toEqual(seen.sort());
});

describe("in tables that were analyzed while they were empty", () => {
  beforeAll(async () => {
    await line.unnamed("analyze");
    await line.query(retention.forgetEmptiness);
  });

  test.each(cases)("$name uses its index", checkIndexes);
  test.each(lists)("a list $name uses its index", checkIndexes);
  test("functions use their indexes", checkFunctions);
});

describe("with 200,000 instances", () => {
  beforeAll(async () => {
    samples = await insertManyInstances(line);
    await line.unnamed("vacuum analyze");
    await line.query(retention.forgetEmptiness);
  });

  test.each(cases)("$name uses its index", checkIndexes);
  test.each(cases)("$name reads few pages", checkCost);
  test.each(lists)("a list $name uses its index", checkIndexes);
  test.each(lists)("a list $name reads few pages", checkCost);
  test("functions use their indexes", checkFunctions);

  test("a flush of one step reads few pages", async () => {
    const one = some(1);
    const flushes = [1, 2, 3].map((seq) => flushOf(seq, { owners: one, steps: stepsOf(one, seq + 5) }));
    const plans = await explainer.insideFunctions([...openLane, ...flushes]);
    const pages = plans.reduce((sum, { buffers }) => sum + buffers, 0);
    expect(pages).toBeLessThanOrEqual(30);
  });

  test("each statement of a flush reads pages in proportion to its rows", async () => {
    const owners = some(200);
    const plans = await explainer.insideFunctions([
      ...openLane,
      flushOf(1, { owners, steps: stepsOf(owners, 5) }),
      await fullFlush(owners, 2),
    ]);
    for (const { text, buffers } of plans) expect(buffers, text).toBeLessThanOrEqual(200 * 30);
  });

  test("a start from outside reads pages in proportion to its rows", async () => {
    const plans = await explainer.insideFunctions([startsOf(some(200))]);
    expect(plans.reduce((sum, { buffers }) => sum + buffers, 0)).toBeLessThanOrEqual(200 * 30);
  });
});

describe("a plan is found wanting", () => {
  test("when it reads a table from end to end, or by another index", async () => {
    const table = "workflow_orchestrator_service.inbox";
    const whole = await explainer.explain({ text: `select * from ${table} where kind = 'X'`, generic: false });
    expect(faultsOf(whole, []).length).toBeGreaterThan(0);
    const other = await explainer.explain({
      text: `select * from ${table} where shard = 1 and id = 1`,
      generic: false,
    });
    expect(faultsOf(other, ["timers_pkey"])).toEqual(["Index Scan by inbox_pkey"]);
  });
});
