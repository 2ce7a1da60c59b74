/**
 * The flush on memory tables: the same order of checks as in the migrations, then all rows or none.
 *
 * Everything is parsed and checked before the first row changes. Beyond what PostgreSQL checks, a batch that breaks a
 * promise of the lane is a defect here: rows of a shard that it does not name, or two changes of one instance.
 */

import type { Json } from "../../machine/definition.ts";
import { instanceStatuses, type JournalEntry, type Outcome, type StepStatus } from "../../machine/state.ts";
import type { ErrorInfo } from "../../task.ts";
import { type FlushAnswer, type FlushBatch, StoreError } from "../contract.ts";
import { applyEvents } from "./flush_events.ts";
import * as check from "./refusals.ts";
import {
  type InstanceRow,
  isLaneOpen,
  type LogTableRow,
  permitKey,
  requirePartition,
  rowKey,
  type StepRow,
  shardEntity,
  type Tables,
  timerKey,
} from "./tables.ts";

const stepStatuses: StepStatus[] = ["PENDING", "RUNNING", "COMPLETED", "FAILED", "SKIPPED", "CANCELLED"];

export function flush(tables: Tables, batch: FlushBatch): FlushAnswer {
  const at = tables.now();
  const refused = (outcome: FlushAnswer["outcome"]): FlushAnswer => ({ outcome, at });
  // The arguments are parsed before the function runs.
  const rows = {
    latest: check.parseRows(batch.latest),
    starts: check.parseRows(batch.starts),
    changes: check.parseRows(batch.changes),
    steps: check.parseRows(batch.steps),
    transitions: check.parseRows(batch.transitions),
    extras: (batch.extras === undefined ? {} : check.parseJson(batch.extras)) as Record<string, Json[][]>,
    events: (batch.events === undefined ? {} : check.parseJson(batch.events)) as Record<string, Json[][]>,
  };
  if (!isLaneOpen(tables, batch.laneId)) return refused("fenced");
  const marks = tables.marks.get(batch.laneId) ?? new Set<number>();
  if (marks.has(batch.seq)) return refused("already");
  if (batch.seq > 1 && !marks.has(batch.seq - 1)) return refused("gap");
  const held = tables.leases.filter((lease) => lease.laneId === batch.laneId && batch.shards.includes(lease.shard));
  if (held.length !== batch.shards.length) return refused("fenced");
  if (rows.latest.some(([namespace, workflowId, revision]) => isStaleHead(tables, [namespace, workflowId, revision]))) {
    return refused("stale");
  }
  if (batch.routingRevision !== undefined && batch.routingRevision !== tables.routingRevision)
    return refused("stale_routing");
  const named = new Set(batch.shards);
  const own = (shard: Json | undefined): number => {
    const number = check.smallint(shard);
    if (!named.has(number))
      throw new StoreError(`a row of shard ${number} in a batch that does not name it`, { fault: "defect" });
    return number;
  };
  const writes: (() => void)[] = [
    ...insertStarts(tables, rows.starts, own),
    ...changeInstances(tables, rows.changes, own),
    ...insertSteps(tables, batch, rows.steps, { own, at }),
    ...rows.transitions.map((row) => insertTransition(tables, row, own)),
    ...applyExtras(tables, batch, rows.extras, own),
    ...applyEvents(tables, rows.events, { own, at }),
  ];
  tables.marks.set(batch.laneId, marks.add(batch.seq));
  if (batch.seq % 1000 === 0) for (const mark of marks) if (mark < batch.seq - 1000) marks.delete(mark);
  for (const write of writes) write();
  return { outcome: "done", at };
}

function isStaleHead(tables: Tables, [namespace, workflowId, revision]: [Json?, Json?, Json?]): boolean {
  return tables.isStale({ namespace: String(namespace), workflowId: String(workflowId), revision: Number(revision) });
}

type Own = (shard: Json | undefined) => number;

function insertStarts(tables: Tables, rows: Json[][], own: Own): (() => void)[] {
  const fresh = new Set<string>();
  return rows.map((row) => {
    const shard = own(row[0]);
    const id = check.uuid(row[1]);
    const key = rowKey(shard, id);
    if (tables.instances.has(key) || fresh.has(key)) check.refuse("duplicate key value: workflow_instances (23505)");
    fresh.add(key);
    requirePartition(tables, id);
    const instance: InstanceRow = {
      shard,
      id,
      namespace: check.text(row[2]),
      definitionId: check.uuid(row[3]),
      workflowId: check.varchar(check.text(row[4]), 255),
      status: check.oneOf(check.text(row[5]), instanceStatuses),
      ready: true,
      priority: check.smallint(row[6]),
      currentStepId: check.varchar(check.optionalText(row[7]), 255),
      awaitingTaskId: null,
      correlationId: check.varchar(check.optionalText(row[8]), 255),
      startedBy: check.varchar(check.optionalText(row[9]), 255),
      version: 1,
      stateSeq: 0,
      input: JSON.stringify(row[11]),
      state: null,
      output: null,
      error: null,
      cancelation: null,
      compensationState: null,
      parked: null,
      parentId: row[13] === null || row[13] === undefined ? null : check.uuid(row[13]),
      parentPath: check.optionalText(row[14] ?? null),
      originId: null,
      originStepId: null,
      variables: check.jsonOrNull(row[15] ?? null),
      triggerEventId: row[10] === null || row[10] === undefined ? null : check.uuid(row[10]),
      startedAt: check.instant(row[12]),
      completedAt: null,
    };
    return () => tables.instances.set(key, instance);
  });
}

/** A field that is absent keeps what the row has. A row that does not exist is not missed: no row is changed. */
function changeInstances(tables: Tables, rows: Json[][], own: Own): (() => void)[] {
  const changed = new Set<string>();
  return rows.map((row) => {
    const key = rowKey(own(row[0]), check.uuid(row[1]));
    if (changed.has(key)) throw new StoreError(`two changes of instance ${key} in one batch`, { fault: "defect" });
    changed.add(key);
    const status = check.oneOf(check.text(row[2]), instanceStatuses);
    const ready = row[3] === true;
    const currentStepId = check.varchar(check.optionalText(row[4]), 255);
    const awaitingTaskId = check.varchar(check.optionalText(row[5]), 255);
    const stateSeq = row[6] === null || row[6] === undefined ? null : check.int4(row[6]);
    const [output, error, cancelation, compensationState] = [row[8], row[9], row[10], row[11]].map(check.jsonOrNull);
    const completedAt = check.optionalInstant(row[12]);
    const startedAt = check.optionalInstant(row[13]);
    const priority = row[15] === null || row[15] === undefined ? null : check.smallint(row[15]);
    const definitionId = row[16] === null || row[16] === undefined ? null : check.uuid(row[16]);
    const reopened = row[17] === true;
    return () => {
      const instance = tables.instances.get(key);
      if (instance === undefined) return;
      instance.status = status;
      instance.ready = ready;
      instance.currentStepId = currentStepId;
      instance.awaitingTaskId = awaitingTaskId;
      if (stateSeq !== null) {
        instance.stateSeq = stateSeq;
        instance.state = check.jsonOrNull(row[7]);
      }
      instance.output = output ?? (reopened ? null : instance.output);
      instance.error = error ?? (reopened ? null : instance.error);
      instance.cancelation = cancelation ?? instance.cancelation;
      instance.compensationState = compensationState ?? (reopened ? null : instance.compensationState);
      instance.completedAt = completedAt ?? (reopened ? null : instance.completedAt);
      instance.priority = priority ?? instance.priority;
      instance.definitionId = definitionId ?? instance.definitionId;
      instance.startedAt = startedAt ?? instance.startedAt;
      instance.parked = check.jsonOrNull(row[14]);
      instance.version += 1;
    };
  });
}

function insertSteps(
  tables: Tables,
  batch: FlushBatch,
  rows: Json[][],
  { own, at }: { own: Own; at: number },
): (() => void)[] {
  const fresh = new Set<string>();
  return rows.map((row) => {
    const instanceId = check.uuid(row[1]);
    const step: StepRow = {
      shard: own(row[0]),
      instanceId,
      entry: toEntry(row),
      nodeId: batch.nodeId,
      epoch: check.int4(row[14]),
      laneId: batch.laneId,
      recordedAt: at,
    };
    const known = tables.steps.get(instanceId);
    const key = `${instanceId} ${step.entry.seq}`;
    // The primary key holds the time of writing too; the number alone is the lane's to keep unique.
    if (fresh.has(key) || known?.some((k) => k.entry.seq === step.entry.seq && k.recordedAt === at)) {
      check.refuse("duplicate key value: workflow_instance_steps (23505)");
    }
    fresh.add(key);
    return () => {
      const all = tables.steps.get(instanceId);
      if (all === undefined) tables.steps.set(instanceId, [step]);
      else all.push(step);
    };
  });
}

/** SQL null is absent, except for the output of what is completed. */
export function toEntry(row: Json[]): JournalEntry {
  const path = check.text(row[3]);
  const status = check.oneOf(check.text(row[7]), stepStatuses);
  const entry: JournalEntry = {
    seq: check.int4(row[2]),
    path,
    stepId: check.varchar(check.optionalText(row[4]) ?? path, 255),
    type: check.varchar(check.text(row[5]), 50) as JournalEntry["type"],
    attempt: check.int4(row[6]),
    status,
    startedAt: check.instant(row[12]),
  };
  const [input, output, error, outcome] = row.slice(8) as [Json, Json, ErrorInfo | null, Outcome | null];
  if (input !== null) entry.input = input;
  if (output !== null || status === "COMPLETED") entry.output = output;
  if (error !== null) entry.error = error;
  if (outcome !== null) entry.outcome = outcome;
  const completedAt = check.optionalInstant(row[13]);
  if (completedAt !== null) entry.completedAt = completedAt;
  return entry;
}

function insertTransition(tables: Tables, row: Json[], own: Own): () => void {
  const transition = {
    shard: own(row[0]),
    entityId: check.uuid(row[2]),
    entityType: "workflow" as const,
    from: check.varchar(check.optionalText(row[3]), 50),
    to: check.varchar(check.text(row[4]), 50),
    event: check.varchar(check.text(row[5]), 100),
    data: check.jsonOrNull(row[6]),
  };
  check.text(row[1]);
  return () => tables.transitions.push({ ...transition, at: tables.now() });
}

function applyExtras(tables: Tables, batch: FlushBatch, extras: Record<string, Json[][]>, own: Own): (() => void)[] {
  return [
    ...armTimers(tables, extras.timersArmed ?? [], own),
    ...(extras.timersCleared ?? []).map((row) => {
      const key = timerKey(toTimer(row, own));
      return () => tables.timers.delete(key);
    }),
    ...(extras.inboxConsumed ?? []).map((row) => {
      const shard = own(row[0]);
      const id = Number(row[1]);
      return () => {
        if (tables.inbox.get(id)?.shard === shard) tables.inbox.delete(id);
      };
    }),
    ...(extras.payloadsClaimed ?? []).map((row) => {
      const key = rowKey(own(row[0]), check.uuid(row[1]));
      return () => {
        const payload = tables.payloads.get(key);
        if (payload !== undefined) payload.claimed = true;
      };
    }),
    ...(extras.errands ?? []).map((row) => {
      const [, shard, instanceId, path, stepId, taskId, attempt, input, timeoutMs, log] = row;
      const errand = {
        shard: own(shard),
        instanceId: check.uuid(instanceId),
        path: check.text(path),
        stepId: check.text(stepId),
        taskId: check.text(taskId),
        attempt: Number(attempt),
        input: input ?? null,
        timeoutMs: Number(timeoutMs),
        log: (log ?? null) as object | null,
        stands: true,
      };
      const runner = check.text(row[0]);
      return () => {
        const id = tables.nextInboxId++;
        tables.errands.set(id, { runner, errand: { id, ...errand } });
      };
    }),
    ...(extras.inboxPosted ?? []).map((row) => {
      const [kind, fact] = [check.text(row[1]), JSON.stringify(row[3])];
      // Facts go to whatever shard; only the writer's own is the batch's.
      const [shard, instanceId] = [check.smallint(row[0]), check.uuid(row[2])];
      own(row[4]);
      return () => {
        const id = tables.nextInboxId++;
        tables.inbox.set(id, { shard, id, kind, instanceId, fact });
      };
    }),
    ...(extras.logs ?? []).map((row) => {
      own(row[0]);
      const log = logOf(row);
      return () => tables.logs.push(log);
    }),
    ...(extras.tallies ?? []).map((row) => {
      const key = JSON.stringify(row.slice(0, 5));
      return () => tables.tallies.set(key, (tables.tallies.get(key) ?? 0) + Number(row[5]));
    }),
    ...putPermits(tables, extras.permitsPut ?? [], own),
    ...(extras.permitsDropped ?? []).map((row) => {
      const key = permitKey(own(row[0]), check.uuid(row[1]), check.uuid(row[2]));
      return () => tables.permits.delete(key);
    }),
    ...(extras.shardsReleased ?? []).map((row) => {
      const shard = own(row[0]);
      return () => releaseShard(tables, { shard, laneId: batch.laneId, nodeId: batch.nodeId });
    }),
  ];
}

/** One statement puts each row once. */
function putPermits(tables: Tables, rows: Json[][], own: Own): (() => void)[] {
  const fresh = new Set<string>();
  return rows.map((row) => {
    const shard = own(row[0]);
    const limitId = check.uuid(row[1]);
    const instanceId = check.uuid(row[2]);
    const key = permitKey(shard, limitId, instanceId);
    if (fresh.has(key)) throw new StoreError(`permit ${key} is put twice in one batch`, { fault: "defect" });
    fresh.add(key);
    const permit = {
      ...{ shard, limitId, instanceId, key: check.text(row[3]) },
      state: check.oneOf(check.text(row[4]), ["waiting", "held"] as const),
      priority: check.smallint(row[5]),
      max: check.int4(row[6]),
      askedAt: check.instant(row[7]),
    };
    return () => {
      const before = tables.permits.get(key);
      tables.permits.set(key, before === undefined ? permit : { ...permit, askedAt: before.askedAt });
    };
  });
}

export function logOf(row: Json[]): LogTableRow {
  return {
    instanceId: check.uuid(row[1]),
    id: check.uuid(row[2]),
    level: check.text(row[4]),
    message: check.text(row[5]),
    stepId: check.varchar(check.optionalText(row[8]), 255),
  };
}

function toTimer(row: Json[], own: Own) {
  return { shard: own(row[0]), dueAt: check.instant(row[1]), instanceId: check.uuid(row[2]), key: check.text(row[3]) };
}

function armTimers(tables: Tables, rows: Json[][], own: Own): (() => void)[] {
  const fresh = new Set<string>();
  return rows.map((row) => {
    const timer = toTimer(row, own);
    const key = timerKey(timer);
    if (tables.timers.has(key) || fresh.has(key)) check.refuse("duplicate key value: timers (23505)");
    fresh.add(key);
    return () => tables.timers.set(key, timer);
  });
}

function releaseShard(
  tables: Tables,
  { shard, laneId, nodeId }: { shard: number; laneId: string; nodeId: string },
): void {
  const lease = tables.leases[shard]!;
  if (lease.laneId === laneId) {
    lease.laneId = null;
    lease.epoch += 1;
  }
  tables.transitions.push({
    shard,
    entityId: shardEntity(shard),
    entityType: "shard",
    from: "HELD",
    to: "FREE",
    event: "handed_over",
    data: JSON.stringify({ node: nodeId, lane: laneId }),
    at: tables.now(),
  });
}
