/** What outsiders bring, on memory tables: starts with their keys, inbox rows, payloads. */

import type { Json } from "../../machine/definition.ts";
import { type BirthAnswer, type BirthRow, carriedNode, type RestartRow } from "../contract.ts";
import { logOf, toEntry } from "./flush.ts";
import * as check from "./refusals.ts";
import { type InstanceRow, keyKey, requirePartition, rowKey, type Tables } from "./tables.ts";

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
  const { shard, id, namespace, definitionId, workflowId, priority, variables } = birth;
  const own = {
    ...{ shard, id, namespace, definitionId, workflowId, priority },
    correlationId: birth.correlationId ?? null,
    startedBy: birth.startedBy ?? null,
    input: birth.inputText,
    variables: variables === undefined ? null : JSON.stringify(variables),
  };
  return accepted(tables, own, { at, event: "workflow_created", data: null, payloadIds: birth.payloadIds });
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
  const carried = { shard, instanceId: id, nodeId: carriedNode, epoch: 0, laneId: "", recordedAt: at };
  tables.steps.set(
    id,
    steps.map((entry) => ({ ...carried, entry })),
  );
  const { namespace, workflowId, priority, correlationId, startedBy, originId, originStepId, variables } = restart;
  const own = {
    ...{ shard, id, namespace, workflowId, priority, correlationId, startedBy, originId, originStepId },
    definitionId: check.uuid(restart.definitionId),
    stateSeq: restart.stateSeq,
    input: restart.inputText,
    state: restart.stateText,
    variables: variables === null ? null : JSON.stringify(variables),
  };
  const data = JSON.stringify({ originInstanceId: originId, fromStepId: originStepId });
  return accepted(tables, own, { at, event: "workflow_restarted", data, payloadIds: restart.payloadIds });
}

type Own = Pick<
  InstanceRow,
  | "shard"
  | "id"
  | "namespace"
  | "definitionId"
  | "workflowId"
  | "priority"
  | "correlationId"
  | "startedBy"
  | "input"
  | "variables"
>;

/** The rows of an instance that is accepted and begins with its START. */
function accepted(
  tables: Tables,
  own: Own & Partial<InstanceRow>,
  given: { at: number; event: string; data: string | null; payloadIds: readonly string[] },
): Extract<BirthAnswer, { outcome: "created" }> {
  const { shard, id } = own;
  const { at, event, data, payloadIds } = given;
  tables.instances.set(rowKey(shard, id), {
    status: "CREATED",
    ready: false,
    currentStepId: null,
    awaitingTaskId: null,
    version: 1,
    stateSeq: 0,
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
    triggerEventId: null,
    startedAt: at,
    completedAt: null,
    ...own,
  });
  tables.transitions.push({ shard, entityId: id, entityType: "workflow", from: null, to: "CREATED", event, data, at });
  for (const payloadId of payloadIds) {
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
