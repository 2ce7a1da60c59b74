/** The layouts of the flush's rows: arrays, because names of fields would be most of the bytes. */

import type { StatusChange } from "../machine/facts.ts";
import type { InstanceStatus, JournalEntry } from "../machine/state.ts";
import type { ErrorInfo } from "../task.ts";

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
}

const text = (value: string | null): string => (value === null ? "null" : JSON.stringify(value));

export function encodeStart(row: StartRow): string {
  return `[${row.shard},"${row.id}",${text(row.namespace)},"${row.definitionId}",${text(row.workflowId)},"${row.status}",${row.priority},${text(
    row.currentStepId,
  )},${text(row.correlationId)},${text(row.startedBy)},${text(row.triggerEventId)},${row.input},${row.startedAt}]`;
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
}

export function encodeChange(row: ChangeRow): string {
  return `[${row.shard},"${row.id}","${row.status}",${row.ready},${text(row.currentStepId)},${text(row.awaitingTaskId)},${
    row.state === undefined ? "null,null" : `${row.state.seq},${row.state.text}`
  },${row.output ?? "null"},${row.error ?? "null"},${row.cancelation ?? "null"},${row.compensationState ?? "null"},${
    row.completedAt ?? "null"
  },${row.startedAt ?? "null"},${row.parked ?? "null"}]`;
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
