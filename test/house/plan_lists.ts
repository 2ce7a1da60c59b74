/** Lists and counts, by what they may be filtered by: the statements, their indexes, and how much they may read. */

import * as views from "../../src/engine/queries/views.ts";
import type { Db } from "../../src/foundation/database/index.ts";
import { bigNamespace, definitionOf, workflowOf } from "../support/many_instances.ts";
import { byTime, type Case, daysAgo, one, type Some } from "./plan_cases.ts";

const listed = (
  name: string,
  given: Omit<Case, "name" | "text" | "values"> & { filter: (some: Some) => Partial<views.ListFilter> },
): Case => {
  const sent = (some: Some) =>
    assembled((db) => views.listInstances(db, { namespace: bigNamespace, limit: 50, ...given.filter(some) }));
  return { ...given, name, text: (some) => sent(some).text, values: (some) => sent(some).values };
};

/** The same of what counts, up to 10,000. */
const counted = (
  name: string,
  given: Omit<Case, "name" | "text" | "values" | "rows"> & { filter: (some: Some) => Partial<views.ListFilter> },
): Case => {
  const sent = (some: Some) =>
    assembled((db) => views.countInstances(db, { namespace: bigNamespace, ...given.filter(some) }, 10_000));
  return { ...given, name, text: (some) => sent(some).text, values: (some) => sent(some).values, rows: 1 };
};

export function assembled(send: (db: Db) => Promise<unknown>): { text: string; values: readonly unknown[] } {
  let sent: { text: string; values: readonly unknown[] } | undefined;
  const refuse = () => Promise.reject(new Error("lists are assembled"));
  void send({
    query: refuse,
    execute: refuse,
    unnamed: <R>(text: string, values: readonly unknown[] = []) => {
      sent = { text, values };
      return Promise.resolve([{ n: 0 }] as R[]);
    },
  });
  return sent!;
}

const byStatus = "workflow_instances_status_idx";
const byWorkflow = "workflow_instances_definition_idx";
const byCorrelation = "workflow_instances_correlation_idx";
const ofHalted = "workflow_instances_halted_idx";
const byParent = "workflow_instances_parent_idx";
const flow = { workflowId: workflowOf(4) };
const version = { workflowId: workflowOf(4), id: definitionOf(4, 1) };
const correlationId = (some: Some) => `order-${Math.floor(one(some).n / 2)}`;

/** What a page of 50 may read of a million instances, whatever it asks for. */
const pageMost = 300;

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
    filter: (some) => ({ correlationId: correlationId(some) }),
    indexes: [byCorrelation],
    most: 30,
    rows: 1,
  }),
  listed("of a parent", {
    filter: (some) => ({ parentInstanceId: one(some).id }),
    indexes: [byParent],
    most: 100,
    rows: 40,
  }),
  listed("of a parent and a status", {
    filter: (some) => ({ parentInstanceId: one(some).id, status: ["COMPLETED", "FAILED"] }),
    indexes: [byParent],
    most: 150,
    rows: 30,
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
  listed("of what failed of a workflow", {
    filter: () => ({ status: ["FAILED"], definition: flow }),
    indexes: [ofHalted],
    most: 100,
    rows: 50,
  }),
  listed("of what was stopped of a workflow, and there is none", {
    filter: () => ({ status: ["CANCELLED", "PAUSED"], definition: flow }),
    indexes: [ofHalted, byStatus],
    most: 50,
  }),
  // One in twelve of the workflow's: of its index as many entries are looked at, and of rows those that fit.
  listed("of what waits of a workflow", {
    filter: () => ({ status: ["WAITING_FOR_EVENT"], definition: flow }),
    indexes: [byWorkflow],
    most: pageMost,
    rows: 50,
  }),
  listed("of two statuses, a version and a time", {
    filter: () => ({ status: ["FAILED", "WAITING_FOR_EVENT"], definition: version, startedBefore: daysAgo(3) }),
    indexes: [ofHalted, byWorkflow],
    most: pageMost,
    rows: 50,
  }),
  // None: all entries of the workflow, forty thousand, are looked at.
  listed("of what runs of a workflow, and there is none", {
    filter: () => ({ status: ["RUNNING"], definition: version }),
    indexes: [byStatus, byWorkflow],
    most: 500,
  }),
  listed("of a correlation and a status", {
    filter: (some) => ({ correlationId: correlationId(some), status: ["PAUSED"] }),
    indexes: [byCorrelation, byStatus],
    most: 30,
  }),
];

/** Entries of an index may tell enough; a partition that is empty may be read by any index. */
export const counts: readonly Case[] = [
  counted("all", { filter: () => ({}), indexes: [byTime, byWorkflow], most: 500 }),
  counted("of a status", { filter: () => ({ status: ["FAILED"] }), indexes: [byStatus, ofHalted], most: 500 }),
  counted("of three statuses and a workflow", {
    filter: () => ({ status: ["FAILED", "RUNNING", "COMPLETED"], definition: flow }),
    indexes: [byWorkflow, ofHalted],
    most: 1_500,
  }),
  counted("of a version", { filter: () => ({ definition: version }), indexes: [byWorkflow], most: 1_000 }),
  counted("of a parent", {
    filter: (some) => ({ parentInstanceId: one(some).id }),
    indexes: [byParent, byWorkflow],
    most: 100,
  }),
];
