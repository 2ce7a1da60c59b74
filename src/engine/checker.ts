/**
 * The checker (PROTOCOLS, "The checker"): what must be true of the rows after any run, however it was disturbed.
 *
 * It takes plain rows, so that the simulation gives it tables in memory and the chaos runs give it PostgreSQL's. Instants
 * are milliseconds by the database's clock. It finds what is wrong; it never throws for it.
 */

import { checkChildren } from "./checker/children.ts";
import { checkContainers } from "./checker/containers.ts";
import { checkEvents } from "./checker/events.ts";
import { checkLives } from "./checker/lives.ts";
import { checkPermits } from "./checker/permits.ts";
import { type CheckedRows, type CheckedStep, type CheckOptions, groupBy, isFinal, openAfter } from "./checker/rows.ts";
import { carriedNode } from "./store/contract.ts";

export type {
  CheckedEvent,
  CheckedInstance,
  CheckedRows,
  CheckedStep,
  CheckedTransition,
  CheckedWait,
  CheckOptions,
  JoinRule,
} from "./checker/rows.ts";

/** Every broken law, as a sentence that names the rows. Empty: all is well. */
export function checkRows(rows: CheckedRows, options: CheckOptions): string[] {
  const faults: string[] = [];
  const stepsOf = groupBy(rows.steps, (step) => step.instanceId);
  for (const steps of stepsOf.values()) steps.sort((a, b) => a.seq - b.seq);
  checkAccepted(rows, options, faults);
  for (const [instanceId, steps] of stepsOf) {
    checkNumbers(instanceId, steps, faults);
    checkPaths(instanceId, steps, faults);
    checkEpochs(instanceId, steps, faults);
    checkTimers(instanceId, steps, options.toleranceMs, faults);
    checkSignals(instanceId, steps, faults);
    checkContainers(instanceId, steps, options, faults);
  }
  checkMarks(rows.marks, faults);
  checkWriters(rows, faults);
  checkLanes(rows, options.toleranceMs, faults);
  checkTransitions(rows, faults);
  checkLives(rows, stepsOf, options, faults);
  checkChildren(rows, stepsOf, options, faults);
  checkPermits(rows, options, faults);
  checkEnds(rows, stepsOf, options, faults);
  checkEvents(rows, stepsOf, options, faults);
  return faults;
}

function checkAccepted(rows: CheckedRows, { accepted, settled }: CheckOptions, faults: string[]): void {
  const known = new Map(rows.instances.map((instance) => [instance.id, instance]));
  for (const id of accepted) {
    const instance = known.get(id);
    if (instance === undefined) faults.push(`instance ${id} was accepted and does not exist`);
    else if (settled && !isFinal(instance.status)) {
      faults.push(`instance ${id} was accepted and is ${instance.status}${instance.parked ? " and parked" : ""}`);
    }
  }
}

/** Journal rows are numbered from 1 without holes; a doubled number is two writers. */
function checkNumbers(instanceId: string, steps: CheckedStep[], faults: string[]): void {
  for (const [index, step] of steps.entries()) {
    if (step.seq === index + 1) continue;
    faults.push(`instance ${instanceId}: row ${index + 1} has the number ${step.seq} (${step.path} ${step.status})`);
    return;
  }
}

/** A path ends once; an attempt ends once; nothing is written of either after that. */
function checkPaths(instanceId: string, steps: CheckedStep[], faults: string[]): void {
  const endedPaths = new Map<string, number>();
  const endedAttempts = new Map<string, number>();
  for (const { seq, path, attempt, status, outcome } of steps) {
    const before = endedPaths.get(path) ?? endedAttempts.get(`${path} ${attempt}`);
    if (before !== undefined)
      faults.push(
        `instance ${instanceId}: row ${seq} goes on with "${path}" (${attempt}), which ended in row ${before}`,
      );
    if (status === "RUNNING" || status === "PENDING") continue;
    endedAttempts.set(`${path} ${attempt}`, seq);
    if (outcome?.retryAt === undefined) endedPaths.set(path, seq);
  }
}

/**
 * Owners follow each other: a row of an earlier epoch after one of a later is a zombie's. Epoch 0 is what a restart carried
 * over, and nothing else.
 */
function checkEpochs(instanceId: string, steps: CheckedStep[], faults: string[]): void {
  for (const [i, { seq, epoch, nodeId }] of steps.entries()) {
    if ((epoch === 0) !== (nodeId === carriedNode))
      faults.push(`instance ${instanceId}: row ${seq} is of epoch ${epoch} and of the node ${nodeId}`);
    const before = steps[i - 1]?.epoch ?? 0;
    if (epoch < before) faults.push(`instance ${instanceId}: row ${seq} of epoch ${epoch} comes after epoch ${before}`);
  }
}

/** What waits for a time is not over before it: delays, timeouts, and backoffs. Carried rows came all at once. */
function checkTimers(instanceId: string, steps: CheckedStep[], toleranceMs: number, faults: string[]): void {
  const dues = new Map<string, { at: number; retry: boolean }>();
  for (const step of steps) {
    if (step.epoch === 0) continue;
    const known = dues.get(step.path);
    const due = known?.at;
    const ripe =
      known?.retry === true ||
      (step.type === "DELAY" ? step.status === "COMPLETED" : step.errorCode === "TIMEOUT" && step.type !== "TASK");
    if (
      due !== undefined &&
      ripe &&
      step.status !== "CANCELLED" &&
      step.status !== "SKIPPED" &&
      step.recordedAt + toleranceMs < due
    ) {
      faults.push(
        `instance ${instanceId}: row ${step.seq} (${step.path}) came ${due - step.recordedAt} ms before it was due`,
      );
    }
    const { dueAt, retryAt } = step.outcome ?? {};
    if (retryAt !== undefined) dues.set(step.path, { at: retryAt, retry: true });
    else if (dueAt !== undefined) dues.set(step.path, { at: dueAt, retry: false });
  }
}

/** Each signal ends one wait. */
function checkSignals(instanceId: string, steps: CheckedStep[], faults: string[]): void {
  const consumed = new Map<string, number>();
  for (const { seq, outcome } of steps) {
    if (outcome?.signalId === undefined) continue;
    const before = consumed.get(outcome.signalId);
    if (before !== undefined) faults.push(`instance ${instanceId}: rows ${before} and ${seq} consumed the same signal`);
    consumed.set(outcome.signalId, seq);
  }
}

/** Marks of a lane have no holes. Old ones are removed a thousand at a time. */
function checkMarks(marks: CheckedRows["marks"], faults: string[]): void {
  for (const [laneId, own] of groupBy(marks, (mark) => mark.laneId)) {
    const seqs = own.map((mark) => mark.seq).sort((a, b) => a - b);
    const first = seqs[0]!;
    if (first !== 1 && seqs.at(-1)! < 2_000) faults.push(`lane ${laneId}: its marks begin with ${first}`);
    const hole = seqs.findIndex((seq, index) => seq !== first + index);
    if (hole !== -1) faults.push(`lane ${laneId}: mark ${first + hole} is missing`);
  }
}

/** Under one epoch a shard is written by one node. */
function checkWriters(rows: CheckedRows, faults: string[]): void {
  const writers = new Map<string, string>();
  for (const { shard, epoch, nodeId } of rows.steps) {
    if (epoch === 0) continue;
    const key = `shard ${shard}, epoch ${epoch}`;
    const before = writers.get(key);
    if (before === undefined) writers.set(key, nodeId);
    else if (before !== nodeId) faults.push(`${key}: written by ${before} and ${nodeId}`);
  }
}

/** The lane of an epoch is named where the shard was acquired; nothing of that epoch is written after it closed. */
function checkLanes(rows: CheckedRows, toleranceMs: number, faults: string[]): void {
  const lanes = new Map(rows.lanes.map((lane) => [lane.laneId, lane]));
  const holders = new Map<string, { lane: string; node: string }>();
  for (const { entityType, shard, to, data } of rows.transitions) {
    if (entityType !== "shard" || to !== "HELD") continue;
    const { epoch, lane, node } = data as { epoch: number; lane: string; node: string };
    holders.set(`${shard} ${epoch}`, { lane, node });
  }
  for (const { shard, epoch, nodeId, instanceId, seq, recordedAt } of rows.steps) {
    if (epoch === 0) continue;
    const holder = holders.get(`${shard} ${epoch}`);
    const row = `instance ${instanceId}: row ${seq} of shard ${shard}, epoch ${epoch}`;
    if (holder === undefined) {
      faults.push(`${row}: nobody acquired that epoch`);
      continue;
    }
    if (holder.node !== nodeId) faults.push(`${row} is of ${nodeId}, but ${holder.node} held it`);
    const closedAt = lanes.get(holder.lane)?.closedAt;
    if (typeof closedAt === "number" && recordedAt > closedAt + toleranceMs) {
      faults.push(`${row} was written ${recordedAt - closedAt} ms after its lane closed`);
    }
  }
}

/** An instance's transitions are a chain that ends in its status. */
function checkTransitions(rows: CheckedRows, faults: string[]): void {
  const last = new Map<string, string>();
  for (const { entityId, entityType, from, to, event } of rows.transitions) {
    if (entityType !== "workflow") continue;
    const before = last.get(entityId) ?? null;
    if (before !== from) faults.push(`instance ${entityId}: ${event} goes from ${from}, but it was ${before}`);
    last.set(entityId, to);
  }
  for (const { id, status } of rows.instances) {
    if (last.get(id) !== status)
      faults.push(`instance ${id} is ${status}, but its last transition led to ${last.get(id)}`);
  }
}

/** What has ended leaves nothing behind, and its journal says how it ended. */
function checkEnds(
  rows: CheckedRows,
  stepsOf: Map<string, CheckedStep[]>,
  { settled, setAside }: CheckOptions,
  faults: string[],
): void {
  const ended = rows.instances.filter((row) => isFinal(row.status) && setAside?.has(row.id) !== true);
  const final = new Map(ended.map((row) => [row.id, row]));
  for (const { id, completedAt } of final.values()) {
    if (completedAt === null) faults.push(`instance ${id} has ended and tells no time of it`);
    for (const path of openAfter(stepsOf.get(id) ?? [])) faults.push(`instance ${id} has ended, but "${path}" has not`);
  }
  for (const { instanceId, path, status } of rows.waits) {
    if (status === "active" && final.has(instanceId))
      faults.push(`instance ${instanceId} has ended, but waits at "${path}"`);
  }
  for (const { instanceId, key } of rows.timers) {
    if (settled && setAside?.has(instanceId) !== true)
      faults.push(`the timer "${key}" of instance ${instanceId} is left`);
    else if (final.has(instanceId)) faults.push(`instance ${instanceId} has ended, but its timer "${key}" has not`);
  }
  if (!settled) return;
  for (const { id, instanceId, kind } of rows.inbox)
    faults.push(`inbox row ${id} (${kind}, instance ${instanceId}) was never consumed`);
}
