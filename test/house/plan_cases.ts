/** The engine's statements with values to run them by, the indexes that they may use, and how much they may read. */

import * as archive from "../../src/engine/queries/archive.ts";
import * as events from "../../src/engine/queries/events.ts";
import * as lanes from "../../src/engine/queries/lanes.ts";
import * as retention from "../../src/engine/queries/retention.ts";
import * as retire from "../../src/engine/queries/retire.ts";
import * as statistics from "../../src/engine/queries/statistics.ts";
import * as views from "../../src/engine/queries/views.ts";
import * as work from "../../src/engine/queries/work.ts";
import type { Statement } from "../../src/foundation/database/index.ts";
import { uuidv7 } from "../../src/foundation/ids.ts";
import {
  bigNamespace,
  busyLimit,
  definitionOf,
  instanceCount,
  type Sample,
  shardCount,
  workflowOf,
} from "../support/many_instances.ts";

const dayMs = 86_400_000;
const zeroId = "00000000-0000-0000-0000-000000000000";
const shards = Array.from({ length: shardCount }, (_, shard) => shard);
export const daysAgo = (days: number) => new Date(Date.now() - days * dayMs).toISOString();
export const columns = (of: readonly Sample[]) => [of.map(({ shard }) => shard), of.map(({ id }) => id)];

/** The newest instances of the tables; of empty tables one that is not there. */
export type Some = (count: number) => readonly Sample[];

export const instancesKey = "workflow_instances_pkey";
export const byTime = "workflow_instances_namespace_idx";
const journalKey = "workflow_instance_steps_pkey";
/** Of the event that started an instance. */
const eventsKey = "event_instances_pkey";
const payloadsOfInstance = "payloads_instance_idx";
const transitionsOfEntity = "fsm_transitions_entity_idx";
const logKey = "execution_logs_pkey";
const permitKey = "concurrency_permits_pkey";
const levels = ["info", "warn", "error"];
export const one = (some: Some) => some(1)[0]!;
const thirdOf = (some: Some, count: number, value: string) => [...columns(some(count)), some(count).map(() => value)];

export interface Case {
  name: string;
  text(some: Some): string;
  values(some: Some): readonly unknown[];
  /** The indexes that it may use, as the migration names them. */
  indexes: readonly string[];
  /** Pages that it may read of the full tables. */
  most: number;
  /** Rows that it gives at least of the full tables, so that the case is not an empty one. */
  rows?: number;
}

export const caseOf = (
  statement: Statement,
  given: { values: (some: Some) => readonly unknown[]; indexes: readonly string[]; most: number; rows?: number },
): Case => ({ name: statement.name, text: () => statement.text, ...given });

/** An instance that has an idempotency key. */
const keyed = instanceCount - 2;

/** Per instance: its row, whether it has payloads, and its journal in each of five weeks. */
const pagesPerFold = 22;

export const cases: readonly Case[] = [
  caseOf(work.readReady, {
    values: () => [1, zeroId, 20],
    indexes: ["workflow_instances_ready_idx", payloadsOfInstance, journalKey, eventsKey],
    most: 20 * pagesPerFold,
    rows: 10,
  }),
  caseOf(work.readInstances, {
    values: (some) => columns(some(200)),
    indexes: [instancesKey, payloadsOfInstance, journalKey, eventsKey],
    most: 200 * pagesPerFold,
    rows: 200,
  }),
  caseOf(work.readAwaiting, {
    values: () => [shards, ["task-1"], 100],
    indexes: ["workflow_instances_awaiting_idx"],
    most: 500,
    rows: 100,
  }),
  caseOf(work.readTimers, {
    values: () => [shards, shards.map(() => 0), Date.now() + 60_000, 20],
    indexes: ["timers_pkey"],
    most: 64 * 25,
    rows: 32 * 20,
  }),
  caseOf(work.readInbox, {
    values: () => [shards, shards.map(() => 0), 20, null],
    indexes: ["inbox_pkey"],
    most: 64 * 5,
    rows: 16 * 20,
  }),
  caseOf(work.postInbox, {
    values: (some) => [JSON.stringify(some(1).map(({ shard, id }) => [shard, "SIGNAL", id, {}]))],
    indexes: [],
    most: 20,
  }),
  caseOf(work.firstStarts, {
    values: () => [
      JSON.stringify([[keyed % shardCount, bigNamespace, workflowOf(Math.floor(keyed / 7) % 20), `key-${keyed}`]]),
    ],
    indexes: ["idempotency_keys_pkey"],
    most: 5,
    rows: 1,
  }),
  caseOf(work.takeErrands, { values: () => [zeroId, 100], indexes: ["errands_pkey", journalKey], most: 10 }),
  caseOf(work.savePayload, {
    values: (some) => [1, uuidv7(Date.now()), some(1)[0]!.id, "{}"],
    indexes: [],
    most: 30,
  }),
  caseOf(work.readPayloads, {
    values: (some) => [some(1)[0]!.shard, some(1)[0]!.id, some(100).map(({ id }) => id)],
    indexes: ["payloads_pkey", "payloads_instance_idx"],
    most: 100 * 4,
  }),
  caseOf(work.readStatuses, {
    values: (some) => columns(some(100)),
    indexes: [instancesKey, journalKey],
    most: 100 * pagesPerFold,
    rows: 100,
  }),
  caseOf(work.deleteExpiredKeys, { values: () => [], indexes: ["idempotency_keys_expires_idx"], most: 10 }),
  caseOf(work.deleteOrphanPayloads, { values: () => [], indexes: ["payloads_unclaimed_idx"], most: 4_000 }),
  caseOf(views.readInstanceView, {
    values: (some) => [some(1)[0]!.shard, some(1)[0]!.id],
    indexes: [instancesKey, payloadsOfInstance, journalKey, eventsKey],
    most: 30,
  }),
  caseOf(views.isInstanceKnown, {
    values: (some) => [some(1)[0]!.shard, some(1)[0]!.id, bigNamespace],
    indexes: [instancesKey],
    most: 5,
  }),
  caseOf(views.readHistory, {
    values: (some) => [some(1)[0]!.shard, some(1)[0]!.id, 0, 100],
    indexes: [journalKey],
    most: 30,
    rows: 1,
  }),
  caseOf(views.readTransitions, {
    values: (some) => [some(1)[0]!.shard, some(1)[0]!.id, bigNamespace, 100],
    indexes: [transitionsOfEntity],
    most: 30,
    rows: 1,
  }),
  caseOf(views.readPausedSince, {
    values: (some) => [one(some).shard, one(some).id],
    indexes: [transitionsOfEntity],
    most: 30,
  }),
  caseOf(views.readLogs, {
    values: (some) => [one(some).shard, one(some).id, bigNamespace, null, levels, null, null, 100],
    indexes: [logKey],
    most: 300,
  }),
  caseOf(views.readWaitsOfEvent, {
    values: (some) => [bigNamespace, one(some).id, 1_001],
    indexes: ["workflow_event_subscriptions_event_idx"],
    most: 30,
  }),
  caseOf(views.readInstancePermits, {
    values: (some) => [one(some).id],
    indexes: ["concurrency_permits_instance_idx", permitKey],
    most: 150,
    rows: 1,
  }),
  caseOf(work.readPermits, { values: () => [7, busyLimit], indexes: [permitKey], most: 150, rows: 1_000 }),
  caseOf(work.readEndings, {
    values: (some) => [one(some).shard, one(some).id, 0, 2_000],
    indexes: [journalKey],
    most: 30,
    rows: 1,
  }),
  caseOf(work.readJournal, {
    values: (some) => [one(some).shard, one(some).id, 0, 2_000],
    indexes: [journalKey],
    most: 30,
    rows: 1,
  }),
  caseOf(work.saveLogs, {
    values: (some) => [
      JSON.stringify([
        [one(some).shard, one(some).id, uuidv7(Date.now()), null, "info", "m", null, "task", "a", "a", 1, Date.now()],
      ]),
    ],
    indexes: [instancesKey, logKey],
    most: 60,
  }),
  caseOf(work.saveCarried, {
    values: (some) => [
      JSON.stringify([[one(some).shard, one(some).id, 9, "a", null, "TASK", 1, "COMPLETED", {}, {}, null, null, 1, 2]]),
      "carried",
    ],
    indexes: [],
    most: 60,
  }),
  caseOf(statistics.readStatistics, {
    values: () => [[definitionOf(3, 0), definitionOf(3, 1)]],
    indexes: ["definition_statistics_pkey", "definition_tallies_definition_idx"],
    most: 1_300,
    rows: 200,
  }),
  caseOf(views.isDefinitionUsed, {
    values: () => [bigNamespace, workflowOf(3), definitionOf(3, 1)],
    indexes: ["workflow_instances_definition_idx"],
    most: 50,
    rows: 1,
  }),
  caseOf(events.readOpenInstances, {
    values: (some) => [bigNamespace, `order-${Math.floor((one(some).n + 96) / 2)}`, workflowOf(3), 1_000],
    indexes: ["workflow_instances_correlation_idx"],
    most: 40,
  }),
  caseOf(retention.readExpired, {
    values: () => [daysAgo(1), daysAgo(30), 1_000],
    indexes: ["workflow_instances_expires_idx"],
    most: 1_200,
    rows: 1_000,
  }),
  caseOf(retention.deleteExpiredLogs, {
    values: () => [daysAgo(-30), 100],
    indexes: ["execution_logs_expires_idx", logKey],
    most: 100 * 10,
  }),
  caseOf(archive.readExpiredOfWeek, {
    values: () => [-1, zeroId, daysAgo(12), daysAgo(2), 25, daysAgo(1), daysAgo(0)],
    indexes: [instancesKey],
    most: 300,
    rows: 25,
  }),
  caseOf(archive.readArchivedInstances, {
    values: (some) => columns(some(25)),
    indexes: [instancesKey],
    most: 25 * 5,
    rows: 25,
  }),
  caseOf(archive.readArchivedSteps, {
    values: (some) => [...thirdOf(some, 25, "0"), 100],
    indexes: [journalKey],
    most: 25 * 20,
    rows: 25,
  }),
  caseOf(archive.readArchivedTransitions, {
    values: (some) => [...thirdOf(some, 25, "0"), 100],
    indexes: [transitionsOfEntity],
    most: 25 * 30,
    rows: 25,
  }),
  caseOf(archive.readArchivedLogs, {
    values: (some) => [...thirdOf(some, 25, zeroId), 100],
    indexes: [logKey],
    most: 25 * 300,
  }),
  caseOf(retention.trimInstances, {
    values: () => [-1, zeroId, daysAgo(12), daysAgo(2), 1_000, daysAgo(1), daysAgo(0)],
    indexes: [instancesKey],
    most: 10_000,
    rows: 1,
  }),
];

/** Statements that are not looked at one by one, and why that is no loss. */
export const others: readonly { statement: Statement; because: string }[] = [
  { statement: work.acceptStarts, because: "its function is looked at below" },
  { statement: lanes.flush, because: "its function is looked at below" },
  { statement: lanes.flushWithEvents, because: "its function is looked at with the events" },
  { statement: events.acceptEvents, because: "its function is looked at with the events" },
  { statement: events.dropOldEvents, because: "once an hour, by the bounds of partitions" },
  { statement: views.eventBacklog, because: "it looks through what is left to be taken, up to a limit" },
  { statement: events.deleteOldOccurrences, because: "once an hour, by the time of pages" },
  ...[events.readRoutingRevision, events.readShapes].map((statement) => ({
    statement,
    because: "one row, or all shapes when something has changed",
  })),
  { statement: lanes.acquireShard, because: "its function is looked at below" },
  { statement: work.acceptRestart, because: "its function is looked at below" },
  { statement: retention.deleteInstances, because: "its function is looked at below" },
  { statement: retention.deleteBelongings, because: "its function is looked at below" },
  { statement: statistics.moveTallies, because: "it moves whatever it finds" },
  { statement: statistics.foldRareFailures, because: "once an hour, over the sums of failures" },
  { statement: archive.tryArchiveLock, because: "without a table" },
  ...[
    lanes.readSettings,
    lanes.registerNode,
    lanes.announceHandlers,
    lanes.deregisterNode,
    lanes.openLane,
    lanes.notify,
  ].map((statement) => ({
    statement,
    because: "once in the life of a node, or without a table",
  })),
  ...[
    views.isShardOwned,
    lanes.beat,
    lanes.readCluster,
    lanes.noteFolding,
    lanes.abandonLane,
    lanes.closeLanes,
    lanes.endBlockers,
  ].map((statement) => ({ statement, because: "its tables have a row for each node, lane or shard" })),
  ...[retire.expireNodes, retire.closeStrayLanes].map((statement) => ({
    statement,
    because: "rows of nodes and lanes",
  })),
  { statement: work.deleteOldErrands, because: "errands are there for moments, and it runs once an hour" },
  ...[
    lanes.ensurePartitions,
    retention.forgetEmptiness,
    retention.readHorizon,
    retention.readOldPartitions,
    retention.lookAtInstances,
    retention.retireInstances,
    retention.retireHistory,
    retention.deleteStrayWaits,
    retention.deleteStrayPayloads,
    retention.deleteStrayTimers,
  ].map((statement) => ({ statement, because: "once an hour, and made to look at a whole week" })),
];

/** The text of a list is assembled; it is taken from the function that would send it. */
