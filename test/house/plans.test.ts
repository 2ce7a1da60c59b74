/**
 * How PostgreSQL runs the engine's statements: by which index, and how many pages it reads. Twice: in tables that were
 * analyzed while they were empty, because prepared plans made then are kept while the tables fill; and in tables with
 * 1,000,000 instances, with the plan of a first call and with that of a prepared statement.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as archive from "../../src/engine/queries/archive.ts";
import * as events from "../../src/engine/queries/events.ts";
import * as lanes from "../../src/engine/queries/lanes.ts";
import * as retention from "../../src/engine/queries/retention.ts";
import * as retire from "../../src/engine/queries/retire.ts";
import * as schedules from "../../src/engine/queries/schedules.ts";
import * as statistics from "../../src/engine/queries/statistics.ts";
import * as views from "../../src/engine/queries/views.ts";
import * as work from "../../src/engine/queries/work.ts";
import { encodeChange, encodeStart, encodeStep, encodeTransition } from "../../src/engine/store/rows.ts";
import type { Connection, Database, Statement } from "../../src/foundation/database/index.ts";
import { uuidv7 } from "../../src/foundation/ids.ts";
import { openTestDatabase } from "../support/database.ts";
import { bigNamespace, definitionOf, insertManyInstances, type Sample, workflowOf } from "../support/many_instances.ts";
import { type Explainer, openExplainer } from "../support/plans.ts";
import { type Case, cases, instancesKey, others, type Some } from "./plan_cases.ts";
import { checkCost, checkIndexes, faultsOf } from "./plan_checks.ts";
import { counts, lists } from "./plan_lists.ts";
import { routingCases } from "./plan_routing_cases.ts";
import { homeCases } from "./plan_schedule_cases.ts";

/** What is asked for in the empty tables too. */
const nobody: Sample[] = [{ n: 0, shard: 1, id: uuidv7(Date.now()) }];
let samples = nobody;
const some: Some = (count) => samples.slice(-count);

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
    encodeChange({ ...common, shard, id, status: "COMPLETED", ready: false, completedAt: now }),
  );
  const transitions = owners.map(({ shard, id }) =>
    encodeTransition(
      { shard, namespace: bigNamespace, instanceId: id },
      { from: null, to: "RUNNING", event: "started" },
    ),
  );
  const definition = definitionOf(1, 0);
  const extras = {
    timersArmed: owners.map(({ shard, id }) => [shard, now, id, `t${seq}`]),
    timersCleared: owners.map(({ shard, id }) => [shard, now, id, "w"]),
    waitsOpened: owners.map(({ shard, id }) => [shard, id, `p${seq}`, bigNamespace, "x", null, null, "w", null]),
    waitsEnded: owners.map(({ shard, id }) => [shard, id, "w", "fulfilled", null]),
    inboxConsumed: inbox.map(({ shard, id }) => [shard, id]),
    payloadsClaimed: owners.map(({ shard, id }) => [shard, id]),
    inboxPosted: owners.map(({ shard, id }) => [shard, "CHILD_ENDED", id, {}, shard]),
    logs: owners.map(({ shard, id }) => [
      shard,
      id,
      uuidv7(now),
      bigNamespace,
      "info",
      "m",
      null,
      "task",
      "a",
      "a",
      1,
      now,
    ]),
    tallies: owners.map(() => [definition, "completed", null, null, 7, 1]),
    permitsPut: owners.map(({ shard, id }) => [shard, id, id, "key", "held", 5, 10, now]),
    permitsDropped: owners.map(({ shard, id }) => [shard, id, uuidv7(now)]),
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
  // An instance has few permits: either finds the one.
  ...["concurrency_permits_pkey", "concurrency_permits_instance_idx"],
];

function startsOf(owners: readonly Sample[]): Call {
  const starts = owners.map(({ shard }) => {
    const id = uuidv7(Date.now());
    const head = [shard, id, bigNamespace, definitionOf(1, 0), workflowOf(1), 5, null, null, null, {}];
    return [...head, `key ${id}`, shard, "hash", null, []];
  });
  return { text: work.acceptStarts.text, values: [JSON.stringify(starts), null] };
}

function restartOf({ shard }: Sample): Call {
  const [id, origin] = [uuidv7(Date.now()), uuidv7(Date.now())];
  const head = [shard, id, bigNamespace, definitionOf(1, 0), workflowOf(1), 5, null, null, {}];
  const start = [...head, { format: 1 }, 3, origin, "a", null, [uuidv7(Date.now())], null, `key ${id}`, "hash"];
  return { text: work.acceptRestart.text, values: [JSON.stringify(start)] };
}

/** They have just expired. */
function removalOf(owners: readonly Sample[]): readonly Call[] {
  const [shards, ids] = [owners.map(({ shard }) => shard), owners.map(({ id }) => id)];
  const expire =
    "update workflow_orchestrator_service.workflow_instances set expires_at = now() - interval '1 hour' where id = any ($1)";
  return [
    { text: expire, values: [ids] },
    { text: retention.deleteInstances.text, values: [shards, ids, ids.map(() => 1), new Date().toISOString(), 100] },
  ];
}

const removalIndexes = [
  ...[instancesKey, "workflow_instance_steps_pkey", "fsm_transitions_entity_idx", "execution_logs_pkey"],
  ...["timers_pkey", "workflow_event_subscriptions_pkey", "payloads_instance_idx", "payloads_pkey"],
];

/** Statements inside functions reach tables by these indexes only, whatever the tables hold. */
async function checkFunctions(): Promise<void> {
  const owners = some(20);
  const flushed = await explainer.insideFunctions([
    ...openLane,
    flushOf(1, { owners, steps: stepsOf(owners, 5) }),
    await fullFlush(owners, 2),
  ]);
  // Marks and shards, four tables of rows, eleven of extras.
  expect(flushed.length).toBeGreaterThanOrEqual(19);
  expect(flushed.flatMap((plan) => faultsOf(plan, flushIndexes))).toEqual([]);

  const starts = startsOf(owners);
  const accepted = await explainer.insideFunctions([starts, starts]);
  expect(accepted.length).toBeGreaterThan(0);
  expect(accepted.flatMap((plan) => faultsOf(plan, ["payloads_pkey"]))).toEqual([]);

  const restarted = await explainer.insideFunctions([restartOf(owners[0]!)]);
  expect(restarted.length).toBeGreaterThan(0);
  expect(restarted.flatMap((plan) => faultsOf(plan, ["payloads_pkey", "idempotency_keys_pkey"]))).toEqual([]);

  const removed = await explainer.insideFunctions(removalOf(owners));
  // The instances, and five kinds of rows.
  expect(removed.length).toBeGreaterThanOrEqual(6);
  expect(removed.flatMap((plan) => faultsOf(plan, removalIndexes))).toEqual([]);
  for (const { text, buffers } of removed) expect(buffers, text).toBeLessThanOrEqual(20 * 60);

  const acquired = await explainer.insideFunctions([
    openLane[0]!,
    { text: lanes.acquireShard.text, values: [3, laneId, laneId] },
  ]);
  expect(acquired.length).toBeGreaterThan(0);
  expect(acquired.flatMap((plan) => faultsOf(plan, ["lanes_pkey", "lanes_open_idx", "shard_leases_pkey"]))).toEqual([]);
}

test("every statement of the engine is looked at, or known not to need it", () => {
  const named = [lanes, work, events, schedules, views, statistics, retention, archive, retire].flatMap((module) =>
    Object.values(module).filter((value): value is Statement => typeof value === "object" && "name" in value),
  );
  const seen = [
    // Of one statement there may be cases of several kinds.
    ...new Set([...cases, ...routingCases, ...homeCases].map(({ name }) => name.split(" ")[0]!)),
    ...others.map(({ statement }) => statement.name),
  ];
  expect(named.map(({ name }) => name).sort()).toEqual(seen.sort());
});

describe("in tables that were analyzed while they were empty", () => {
  beforeAll(async () => {
    await line.unnamed("analyze");
    await line.query(retention.forgetEmptiness);
  });

  test.each(cases)("$name uses its index", usesIndexes);
  test.each(lists)("a list $name uses its index", usesIndexes);
  test("functions use their indexes", checkFunctions);
});

describe("with 1,000,000 instances", () => {
  beforeAll(async () => {
    samples = await insertManyInstances(line);
    // So many that nearly all rows are in the sample: chance chooses no plans.
    await line.unnamed("set default_statistics_target = 1000");
    await line.unnamed("vacuum analyze");
    await line.query(retention.forgetEmptiness);
    // A quarter of a minute; on a busy machine several times as long.
  }, 300_000);

  test.each(cases)("$name uses its index", usesIndexes);
  test.each(cases)("$name reads few pages", readsFew);
  test.each(lists)("a list $name uses its index", usesIndexes);
  test.each(lists)("a list $name reads few pages", readsFew);
  test.each(counts)("a count $name uses its index", usesIndexes);
  test.each(counts)("a count $name reads few pages", readsFew);
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
