/** The layouts of the flush's rows: arrays, because names of fields would be most of the bytes. */

import type { Json } from "../machine/definition.ts";
import type { StatusChange } from "../machine/facts.ts";
import type { InstanceStatus, JournalEntry } from "../machine/state.ts";
import type { ErrorInfo } from "../task.ts";
import type { EventRow } from "./contract.ts";

/** JSON text that is already encoded; null where there is none. */
export type Encoded = string | null;

export interface StartRow {
  shard: number;
  id: string;
  namespace: string;
  definitionId: string;
  workflowId: string;
  status: InstanceStatus;
  priority: number;
  currentStepId: string | null;
  correlationId: string | null;
  startedBy: string | null;
  triggerEventId: string | null;
  input: Encoded;
  startedAt: number;
  /** Of a child: the instance and, unless it is detached, the step that waits for it. */
  parent?: { instanceId: string; path: string | null };
  /** Values that variables begin with. */
  variables?: Encoded;
  /** How long it is kept after its end, where its definition says so. */
  retentionMs?: number;
}

const text = (value: string | null): string => (value === null ? "null" : JSON.stringify(value));

export function encodeStart(row: StartRow): string {
  return `[${row.shard},"${row.id}",${text(row.namespace)},"${row.definitionId}",${text(row.workflowId)},"${row.status}",${row.priority},${text(
    row.currentStepId,
  )},${text(row.correlationId)},${text(row.startedBy)},${text(row.triggerEventId)},${row.input},${row.startedAt}${birthFacts(row)}]`;
}

/** Few have any, and what is not there is null. */
function birthFacts({ parent, variables, retentionMs }: StartRow): string {
  if (parent === undefined && variables === undefined && retentionMs === undefined) return "";
  return `,${text(parent?.instanceId ?? null)},${text(parent?.path ?? null)},${variables ?? "null"},${retentionMs ?? "null"}`;
}

/** Absent fields keep what the row has, except `awaitingTaskId` and `parked`, which are always set. */
export interface ChangeRow {
  shard: number;
  id: string;
  status: InstanceStatus;
  ready: boolean;
  currentStepId: string | null;
  awaitingTaskId: string | null;
  /** The frozen state and the journal row that it covers. */
  state?: { text: string; seq: number };
  output?: Encoded;
  error?: Encoded;
  cancelation?: Encoded;
  compensationState?: Encoded;
  completedAt?: number;
  startedAt?: number;
  parked?: Encoded;
  priority?: number;
  /** The version that it goes on with, and how long that one keeps its instances, if it says so. */
  definitionId?: string;
  retentionMs?: number;
  /** It had ended and goes on: of its end the row keeps only what is given here. */
  reopened?: true;
}

/** Two changes of one instance, one after the other, as one. What had been said of an end that is taken back is gone. */
export function mergeChanges(first: ChangeRow, then: ChangeRow): ChangeRow {
  if (then.reopened !== true) return { ...first, ...then };
  const { output: _o, error: _e, compensationState: _s, completedAt: _c, ...kept } = first;
  return { ...kept, ...then };
}

export function encodeChange(row: ChangeRow): string {
  return `[${row.shard},"${row.id}","${row.status}",${row.ready},${text(row.currentStepId)},${text(row.awaitingTaskId)},${
    row.state === undefined ? "null,null" : `${row.state.seq},${row.state.text}`
  },${row.output ?? "null"},${row.error ?? "null"},${row.cancelation ?? "null"},${row.compensationState ?? "null"},${
    row.completedAt ?? "null"
  },${row.startedAt ?? "null"},${row.parked ?? "null"}${lifeFacts(row)}]`;
}

function lifeFacts({ priority, definitionId, reopened, retentionMs }: ChangeRow): string {
  if (priority === undefined && definitionId === undefined && reopened === undefined) return "";
  return `,${priority ?? "null"},${text(definitionId ?? null)},${reopened ?? "null"},${retentionMs ?? "null"}`;
}

/** An event that is taken in, by intake or by a flush. */
export function encodeEvent(row: EventRow): string {
  const { shard, id, namespace, eventId, pattern, version, source, sourceKey, timestamp } = row;
  const head = [shard, id, namespace, eventId, pattern, version, source, sourceKey, timestamp];
  return JSON.stringify([...head, row.payload, row.metadata, row.partitionKey, row.keyShard, row.matchKeys]);
}

/** A fact for another instance, or for the home of a limit. */
export function encodeMessage(message: {
  shard: number;
  kind: string;
  to: string;
  fact: object;
  fromShard: number;
}): string {
  const { shard, kind, to, fact, fromShard } = message;
  return `[${shard},"${kind}","${to}",${JSON.stringify(fact)},${fromShard}]`;
}

/** One line of an execution log. */
export interface LogRow {
  shard: number;
  instanceId: string;
  id: string;
  /** Null where only the instance's row knows it. */
  namespace: string | null;
  level: string;
  message: string;
  details: Json | undefined;
  source: string;
  stepId: string | null;
  path: string | null;
  attempt: number | null;
  at: number;
  /** How long the line is kept, where the definition says so; else as long as its instance. */
  retentionMs?: number | undefined;
}

export function encodeLog(row: LogRow): string {
  return JSON.stringify([
    row.shard,
    row.instanceId,
    row.id,
    row.namespace,
    row.level,
    row.message,
    row.details ?? null,
    row.source,
    row.stepId,
    row.path,
    row.attempt,
    row.at,
    row.retentionMs === undefined ? null : row.at + row.retentionMs,
  ]);
}

/** A timer to arm or to clear: the row is the same, the list that it is put in tells. */
export function encodeTimer(timer: { shard: number; instanceId: string; key: string; dueAt: number }): string {
  return `[${timer.shard},${timer.dueAt},"${timer.instanceId}",${JSON.stringify(timer.key)}]`;
}

/** The change that sets an instance aside with an error: nothing runs it until an operator acts. */
export function parkedChange(
  instance: { shard: number; id: string; status: InstanceStatus },
  why: { error: unknown; fact: string; at: number },
): ChangeRow {
  const message = why.error instanceof Error ? why.error.message : String(why.error);
  return {
    shard: instance.shard,
    id: instance.id,
    status: instance.status,
    ready: false,
    currentStepId: null,
    awaitingTaskId: null,
    parked: JSON.stringify({ message, fact: why.fact, at: new Date(why.at).toISOString() }),
  };
}

/** What of an entry is encoded elsewhere: values over the limit are references. */
export type EncodeValue = (value: unknown) => string;

export function encodeStep(
  owner: { shard: number; instanceId: string; epoch: number },
  entry: JournalEntry,
  encode: EncodeValue,
): string {
  const value = (v: unknown) => (v === undefined ? "null" : encode(v));
  return `[${owner.shard},"${owner.instanceId}",${entry.seq},${text(entry.path)},${
    entry.stepId === entry.path ? "null" : text(entry.stepId)
  },"${entry.type}",${entry.attempt},"${entry.status}",${value(entry.input)},${value(entry.output)},${
    entry.error === undefined ? "null" : JSON.stringify(entry.error)
  },${entry.outcome === undefined ? "null" : encode(entry.outcome)},${entry.startedAt},${entry.completedAt ?? "null"},${owner.epoch}]`;
}

export function encodeTransition(
  owner: { shard: number; namespace: string; instanceId: string },
  change: StatusChange,
): string {
  return `[${owner.shard},${text(owner.namespace)},"${owner.instanceId}",${text(change.from)},"${change.to}","${change.event}",${
    change.data === undefined ? "null" : JSON.stringify(change.data)
  }]`;
}

export type { ErrorInfo };
