/** What outsiders bring, on memory tables: starts with their keys, inbox rows, payloads. */

import type { Json } from "../../machine/definition.ts";
import { type BirthAnswer, type BirthRow, carriedNode, type RestartRow } from "../contract.ts";
import { logOf, toEntry } from "./flush.ts";
import * as check from "./refusals.ts";
import { keyKey, requirePartition, rowKey, type Tables } from "./tables.ts";

/** All or none, as one transaction; a batch that meets a key of another open transaction is answered one by one. */
export function accept(tables: Tables, births: BirthRow[]): BirthAnswer[] {
  const heads = births.filter((birth) => birth.revision !== undefined);
  if (heads.some((head) => tables.isStale({ ...head, revision: head.revision! })))
    return births.map(() => ({ outcome: "stale" }));
  for (const birth of births) refuseBirth(tables, birth);
  return births.map((birth) => acceptOne(tables, birth));
}

function refuseBirth(tables: Tables, birth: BirthRow): void {
  const { inputText, input: _, ...rest } = birth;
  check.parseJson(JSON.stringify(rest));
  check.parseJson(inputText);
  check.uuid(birth.id);
  check.uuid(birth.definitionId);
  requirePartition(tables, birth.id);
  for (const text of [birth.workflowId, birth.correlationId, birth.startedBy, birth.key]) {
    if (text !== undefined) check.varchar(text, 255);
  }
  if (tables.instances.has(rowKey(birth.shard, birth.id)))
    check.refuse("duplicate key value: workflow_instances (23505)");
}

function acceptOne(tables: Tables, birth: BirthRow): BirthAnswer {
  const at = tables.now();
  if (birth.key !== undefined) {
    const key = keyKey({ ...birth, key: birth.key });
    if (tables.heldKeys.has(key)) return { outcome: "busy" };
    const first = tables.keys.get(key);
    if (first !== undefined) return { outcome: "exists", ...first };
    tables.keys.set(key, {
      instanceId: birth.id,
      definitionId: birth.definitionId,
      requestHash: birth.requestHash,
      createdAt: at,
    });
  }
  tables.instances.set(rowKey(birth.shard, birth.id), {
    shard: birth.shard,
    id: birth.id,
    namespace: birth.namespace,
    definitionId: birth.definitionId,
    workflowId: birth.workflowId,
    status: "CREATED",
    ready: false,
    priority: birth.priority,
    currentStepId: null,
    awaitingTaskId: null,
    correlationId: birth.correlationId ?? null,
    startedBy: birth.startedBy ?? null,
    version: 1,
    stateSeq: 0,
    input: birth.inputText,
    state: null,
    output: null,
    error: null,
    cancelation: null,
    compensationState: null,
    parked: null,
    parentId: null,
    parentPath: null,
    originId: null,
    originStepId: null,
    variables: birth.variables === undefined ? null : JSON.stringify(birth.variables),
    startedAt: at,
    completedAt: null,
  });
  tables.transitions.push({
    shard: birth.shard,
    entityId: birth.id,
    entityType: "workflow",
    from: null,
    to: "CREATED",
    event: "workflow_created",
    data: null,
    at,
  });
  for (const id of birth.payloadIds) {
    const payload = tables.payloads.get(rowKey(birth.shard, id));
    if (payload !== undefined) payload.claimed = true;
  }
  const [inboxId] = post(tables, [{ shard: birth.shard, kind: "START", instanceId: birth.id, fact: {} }]);
  return { outcome: "created", shard: birth.shard, inboxId: inboxId!, at };
}

export function acceptRestart(tables: Tables, restart: RestartRow): Exclude<BirthAnswer, { outcome: "stale" }> {
  const { shard, id } = restart;
  const at = tables.now();
  requirePartition(tables, check.uuid(id));
  if (tables.instances.has(rowKey(shard, id))) check.refuse("duplicate key value: workflow_instances (23505)");
  check.parseJson(restart.inputText);
  check.parseJson(restart.stateText);
  const steps = restart.steps.map((text) => toEntry(check.parseJson(text) as Json[]));
  if (restart.key !== undefined) {
    const { namespace, workflowId, definitionId, requestHash } = restart;
    const key = keyKey({ keyShard: shard, namespace, workflowId, key: restart.key });
    if (tables.heldKeys.has(key)) return { outcome: "busy" };
    const first = tables.keys.get(key);
    if (first !== undefined) return { outcome: "exists", ...first };
    tables.keys.set(key, { instanceId: id, definitionId, requestHash, createdAt: at });
  }
  tables.instances.set(rowKey(shard, id), {
    shard,
    id,
    namespace: restart.namespace,
    definitionId: check.uuid(restart.definitionId),
    workflowId: restart.workflowId,
    status: "CREATED",
    ready: false,
    priority: restart.priority,
    currentStepId: null,
    awaitingTaskId: null,
    correlationId: restart.correlationId,
    startedBy: restart.startedBy,
    version: 1,
    stateSeq: restart.stateSeq,
    input: restart.inputText,
    state: restart.stateText,
    output: null,
    error: null,
    cancelation: null,
    compensationState: null,
    parked: null,
    parentId: null,
    parentPath: null,
    originId: restart.originId,
    originStepId: restart.originStepId,
    variables: restart.variables === null ? null : JSON.stringify(restart.variables),
    startedAt: at,
    completedAt: null,
  });
  const carried = { shard, instanceId: id, nodeId: carriedNode, epoch: 0, laneId: "", recordedAt: at };
  tables.steps.set(
    id,
    steps.map((entry) => ({ ...carried, entry })),
  );
  tables.transitions.push({
    shard,
    entityId: id,
    entityType: "workflow",
    from: null,
    to: "CREATED",
    event: "workflow_restarted",
    data: JSON.stringify({ originInstanceId: restart.originId, fromStepId: restart.originStepId }),
    at,
  });
  for (const payloadId of restart.payloadIds) {
    const payload = tables.payloads.get(rowKey(shard, payloadId));
    if (payload !== undefined) payload.claimed = true;
  }
  const [inboxId] = post(tables, [{ shard, kind: "START", instanceId: id, fact: {} }]);
  return { outcome: "created", shard, inboxId: inboxId!, at };
}

export function post(
  tables: Tables,
  rows: { shard: number; kind: string; instanceId: string; fact: object }[],
): number[] {
  for (const row of rows) {
    check.parseJson(JSON.stringify(row));
    check.smallint(row.shard);
    check.uuid(row.instanceId);
  }
  return rows.map(({ shard, kind, instanceId, fact }) => {
    const id = tables.nextInboxId++;
    tables.inbox.set(id, { shard, id, kind, instanceId, fact: JSON.stringify(fact) });
    return id;
  });
}

export function saveLogs(tables: Tables, rows: string[]): void {
  const logs = rows.map((text) => logOf(check.parseJson(text) as Json[]));
  for (const log of logs) if (!tables.logs.some(({ id }) => id === log.id)) tables.logs.push(log);
}

export function savePayload(
  tables: Tables,
  payload: { shard: number; id: string; instanceId: string; body: string },
): void {
  check.parseJson(payload.body);
  const key = rowKey(payload.shard, check.uuid(payload.id));
  if (tables.payloads.has(key)) return;
  const { shard, instanceId, body } = payload;
  tables.payloads.set(key, { shard, instanceId: check.uuid(instanceId), body, claimed: false });
}

/**
 * Holds a key as another open transaction would that has inserted it and not committed; starts with it are `busy`.
 * The result ends that transaction: with a first start the key is taken, without it was rolled back.
 */
export function holdKey(
  tables: Tables,
  row: { keyShard: number; namespace: string; workflowId: string; key: string },
): (first?: { instanceId: string; definitionId: string; requestHash: string }) => void {
  const key = keyKey(row);
  tables.heldKeys.add(key);
  return (first) => {
    tables.heldKeys.delete(key);
    if (first !== undefined) tables.keys.set(key, { ...first, createdAt: tables.now() });
  };
}
