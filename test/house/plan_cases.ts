/** The engine's statements with values to run them by, the indexes that they may use, and how much they may read. */

import * as lanes from "../../src/engine/queries/lanes.ts";
import * as retention from "../../src/engine/queries/retention.ts";
import * as retire from "../../src/engine/queries/retire.ts";
import * as views from "../../src/engine/queries/views.ts";
import * as work from "../../src/engine/queries/work.ts";
import type { Statement } from "../../src/foundation/database/index.ts";
import { uuidv7 } from "../../src/foundation/ids.ts";
import { bigNamespace, definitionOf, type Sample, shardCount, workflowOf } from "../support/many_instances.ts";

const dayMs = 86_400_000;
const zeroId = "00000000-0000-0000-0000-000000000000";
const shards = Array.from({ length: shardCount }, (_, shard) => shard);
const daysAgo = (days: number) => new Date(Date.now() - days * dayMs).toISOString();
const columns = (of: readonly Sample[]) => [of.map(({ shard }) => shard), of.map(({ id }) => id)];

/** The newest instances of the tables; of empty tables one that is not there. */
export type Some = (count: number) => readonly Sample[];

export const instancesKey = "workflow_instances_pkey";
const byTime = "workflow_instances_namespace_idx";
const journalKey = "workflow_instance_steps_pkey";
const payloadsOfInstance = "payloads_instance_idx";

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

const of = (
  statement: Statement,
  given: { values: (some: Some) => readonly unknown[]; indexes: readonly string[]; most: number; rows?: number },
): Case => ({ name: statement.name, text: () => statement.text, ...given });

/** Per instance: its row, whether it has payloads, and its journal in each of five weeks. */
const pagesPerFold = 22;

export const cases: readonly Case[] = [
  of(work.readReady, {
    values: () => [1, zeroId, 20],
    indexes: ["workflow_instances_ready_idx", payloadsOfInstance, journalKey],
    most: 20 * pagesPerFold,
    rows: 10,
  }),
  of(work.readInstances, {
    values: (some) => columns(some(200)),
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
    values: (some) => [JSON.stringify(some(1).map(({ shard, id }) => [shard, "SIGNAL", id, {}]))],
    indexes: [],
    most: 20,
  }),
  of(work.firstStarts, {
    values: () => [JSON.stringify([[2, bigNamespace, workflowOf(0), "key-2"]])],
    indexes: ["idempotency_keys_pkey"],
    most: 5,
    rows: 1,
  }),
  of(work.takeErrands, { values: () => [zeroId, 100], indexes: ["errands_pkey", journalKey], most: 10 }),
  of(work.savePayload, {
    values: (some) => [1, uuidv7(Date.now()), some(1)[0]!.id, "{}"],
    indexes: [],
    most: 30,
  }),
  of(work.readPayloads, {
    values: (some) => [some(1)[0]!.shard, some(1)[0]!.id, some(100).map(({ id }) => id)],
    indexes: ["payloads_pkey", "payloads_instance_idx"],
    most: 100 * 4,
  }),
  of(work.readStatuses, {
    values: (some) => columns(some(100)),
    indexes: [instancesKey, journalKey],
    most: 100 * pagesPerFold,
    rows: 100,
  }),
  of(work.deleteExpiredKeys, { values: () => [], indexes: ["idempotency_keys_expires_idx"], most: 10 }),
  of(work.deleteOrphanPayloads, { values: () => [], indexes: ["payloads_unclaimed_idx"], most: 4_000 }),
  of(views.readInstanceView, {
    values: (some) => [some(1)[0]!.shard, some(1)[0]!.id],
    indexes: [instancesKey, payloadsOfInstance, journalKey],
    most: 30,
  }),
  of(views.isInstanceKnown, {
    values: (some) => [some(1)[0]!.shard, some(1)[0]!.id, bigNamespace],
    indexes: [instancesKey],
    most: 5,
  }),
  of(views.readHistory, {
    values: (some) => [some(1)[0]!.shard, some(1)[0]!.id, 0, 100],
    indexes: [journalKey],
    most: 30,
    rows: 1,
  }),
  of(views.readTransitions, {
    values: (some) => [some(1)[0]!.shard, some(1)[0]!.id, bigNamespace, 100],
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
export const others: readonly { statement: Statement; because: string }[] = [
  { statement: work.acceptStarts, because: "its function is looked at below" },
  { statement: lanes.flush, because: "its function is looked at below" },
  { statement: lanes.acquireShard, because: "its function is looked at below" },
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
  given: Omit<Case, "name" | "text" | "values"> & { filter: (some: Some) => Partial<views.ListFilter> },
): Case => {
  const sent = (some: Some) => assembled({ namespace: bigNamespace, limit: 50, ...given.filter(some) });
  return { ...given, name, text: (some) => sent(some).text, values: (some) => sent(some).values };
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

export const lists: readonly Case[] = [
  listed("all", { filter: () => ({}), indexes: [byTime], most: 100, rows: 50 }),
  listed("of a small namespace", { filter: () => ({ namespace: "small-3" }), indexes: [byTime], most: 150, rows: 50 }),
  listed("of an unknown namespace", { filter: () => ({ namespace: "nobody" }), indexes: [byTime], most: 30 }),
  listed("of a status", { filter: () => ({ status: ["FAILED"] }), indexes: [byStatus], most: 150, rows: 50 }),
  listed("of three statuses", {
    filter: () => ({ status: ["FAILED", "RUNNING", "COMPLETED"] }),
    // Of a status that most have, the newest are as near by time.
    indexes: [byStatus, byTime],
    most: 200,
    rows: 50,
  }),
  listed("of a status that none has", { filter: () => ({ status: ["PAUSED"] }), indexes: [byStatus], most: 30 }),
  listed("of a workflow", { filter: () => ({ definition: flow }), indexes: [byWorkflow], most: 150, rows: 50 }),
  listed("of a version", { filter: () => ({ definition: version }), indexes: [byWorkflow], most: 200, rows: 50 }),
  listed("of a correlation", {
    filter: (some) => ({ correlationId: `order-${Math.floor(some(1)[0]!.n / 2)}` }),
    indexes: [byCorrelation],
    most: 30,
    rows: 1,
  }),
  listed("after an id", { filter: (some) => ({ after: some(500)[0]!.id }), indexes: [byTime], most: 100, rows: 50 }),
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
    filter: (some) => ({ definition: flow, startedAfter: daysAgo(19), after: some(500)[0]!.id }),
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
    filter: (some) => ({ correlationId: `order-${Math.floor(some(1)[0]!.n / 2)}`, status: ["PAUSED"] }),
    indexes: [byCorrelation, byStatus],
    most: 30,
  }),
];
