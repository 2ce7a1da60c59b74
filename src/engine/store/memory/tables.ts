/** The tables of the migration, in memory. JSON is kept as text, so that a reader can never share what a writer holds. */

import { uuidTimeMs } from "../../../foundation/ids.ts";
import type { Json } from "../../machine/definition.ts";
import type { InstanceStatus, JournalEntry } from "../../machine/state.ts";
import type { Errand, Hint, PermitRow, StoredEvent, WaitShapeRow } from "../contract.ts";
import { refuse } from "./refusals.ts";

export interface InstanceRow {
  shard: number;
  id: string;
  namespace: string;
  definitionId: string;
  workflowId: string;
  status: InstanceStatus;
  ready: boolean;
  priority: number;
  currentStepId: string | null;
  awaitingTaskId: string | null;
  correlationId: string | null;
  startedBy: string | null;
  triggerEventId: string | null;
  version: number;
  stateSeq: number;
  input: string;
  state: string | null;
  output: string | null;
  error: string | null;
  cancelation: string | null;
  compensationState: string | null;
  parked: string | null;
  parentId: string | null;
  parentPath: string | null;
  originId: string | null;
  originStepId: string | null;
  variables: string | null;
  startedAt: number;
  completedAt: number | null;
}

export interface StepRow {
  shard: number;
  instanceId: string;
  entry: JournalEntry;
  nodeId: string;
  epoch: number;
  laneId: string;
  recordedAt: number;
}

export interface WaitRow {
  shard: number;
  instanceId: string;
  path: string;
  namespace: string;
  pattern: string;
  status: "active" | "fulfilled" | "expired" | "cancelled";
  timeoutAt: number | null;
  key: string;
  since: number | null;
  openedAt: number;
  eventId: string | null;
}

/** `payload`, `source` and `metadata` are text: of a JSON value. */
export interface EventTableRow extends Omit<StoredEvent, "payload" | "source" | "metadata"> {
  payload: string;
  source: string;
  metadata: string;
  matchKeys: string[];
  /** Of which routing revision its keys are. */
  keysRevision: number;
}

export interface RoutingRow {
  shard: number;
  eventId: string;
  replayId: string | null;
  decisions: Json[];
  /** How often it was written. */
  times: number;
}

export interface DeliveryRow {
  id: string;
  shard: number;
  eventId: string;
  subscriptionId: string;
  replayId: string | null;
}

export interface OccurrenceRow {
  shard: number;
  scheduleId: string;
  plannedAt: number;
  status: string;
  reason: string | null;
  instanceId: string | null;
  backfillId: string | null;
}

export interface TransitionRow {
  shard: number;
  entityId: string;
  entityType: "workflow" | "shard" | "node_registry";
  from: string | null;
  to: string;
  event: string;
  data: string | null;
  at: number;
}

export interface LogTableRow {
  instanceId: string;
  id: string;
  level: string;
  message: string;
  stepId: string | null;
}

export interface LaneRow {
  laneId: string;
  nodeId: string;
  openedAt: number;
  closedAt: number | null;
}

export interface LeaseTableRow {
  shard: number;
  laneId: string | null;
  epoch: number;
  takeovers: number;
  takenOverAt: number | null;
  folding: string | null;
  suspect: string | null;
}

export interface NodeTableRow {
  nodeId: string;
  beat: number;
  expiresAt: number;
  draining: boolean;
  health: "HEALTHY" | "OFFLINE";
  roles: string[];
  tasks: string[];
}

export interface StoredInboxRow {
  shard: number;
  id: number;
  kind: string;
  instanceId: string;
  fact: string;
}

export interface KeyRow {
  instanceId: string;
  definitionId: string;
  requestHash: string;
  createdAt: number;
}

export interface Tables {
  readonly shards: number;
  /** The database's clock. */
  now(): number;
  readonly instances: Map<string, InstanceRow>;
  /** By instance. */
  readonly steps: Map<string, StepRow[]>;
  /** By `instance path`. */
  readonly waits: Map<string, WaitRow>;
  /** By `timerKey`. */
  readonly timers: Map<string, { shard: number; dueAt: number; instanceId: string; key: string }>;
  readonly inbox: Map<number, StoredInboxRow>;
  readonly errands: Map<number, { runner: string; errand: Errand }>;
  readonly keys: Map<string, KeyRow>;
  /** Keys that another open transaction has inserted and not committed. */
  readonly heldKeys: Set<string>;
  readonly payloads: Map<string, { shard: number; instanceId: string; body: string; claimed: boolean }>;
  readonly transitions: TransitionRow[];
  readonly logs: LogTableRow[];
  /** By definition, kind, step, code and class. */
  readonly tallies: Map<string, number>;
  /** By `permitKey`. */
  readonly permits: Map<string, PermitRow & { shard: number; limitId: string }>;
  readonly lanes: Map<string, LaneRow>;
  readonly marks: Map<string, Set<number>>;
  readonly leases: LeaseTableRow[];
  readonly nodes: Map<string, NodeTableRow>;
  readonly listeners: Set<(hint: Hint) => void>;
  /** Whether a start's `[namespace, workflow id, revision]` is no longer the latest. */
  isStale(head: { namespace: string; workflowId: string; revision: number }): boolean;
  /** Ids of instances that have a partition: their time lies in it. */
  readonly partitions: { from: number; until: number };
  nextInboxId: number;
  readonly events: Map<string, EventTableRow>;
  /** Deduplication keys of events, with the first event. */
  readonly eventKeys: Map<string, { id: string; eventId: string; at: number }>;
  readonly shapes: Map<string, WaitShapeRow & { registeredAt: number; revision: number }>;
  routingRevision: number;
  readonly lookBackFloors: Map<number, number>;
  /** By `shard event replay`. */
  readonly routings: Map<string, RoutingRow>;
  readonly deliveries: DeliveryRow[];
  readonly deadLetters: { id: string; subscriberId: string; eventId: string | null; message: string }[];
  /** By `shard schedule plannedAt`. */
  readonly occurrences: Map<string, OccurrenceRow>;
  /** By trigger. */
  readonly firings: Map<string, { fired: number; lastAt: number }>;
}

export interface MemoryDatabaseOptions {
  shards?: number;
  now(): number;
  isStale?: Tables["isStale"];
  partitions?: { from: number; until: number };
}

const dayMs = 86_400_000;

/** One database for all stores made on it. Partitions reach, as in the migration, from about a week ago to a week ahead. */
export function createMemoryDatabase({
  shards = 64,
  now,
  isStale = () => false,
  partitions,
}: MemoryDatabaseOptions): Tables {
  return {
    shards,
    now,
    isStale,
    partitions: partitions ?? { from: now() - 7 * dayMs, until: now() + 8 * dayMs },
    instances: new Map(),
    steps: new Map(),
    waits: new Map(),
    timers: new Map(),
    inbox: new Map(),
    errands: new Map(),
    keys: new Map(),
    heldKeys: new Set(),
    payloads: new Map(),
    transitions: [],
    logs: [],
    tallies: new Map(),
    permits: new Map(),
    lanes: new Map(),
    marks: new Map(),
    leases: Array.from({ length: shards }, (_, shard) => ({
      shard,
      laneId: null,
      epoch: 0,
      takeovers: 0,
      takenOverAt: null,
      folding: null,
      suspect: null,
    })),
    nodes: new Map(),
    listeners: new Set(),
    nextInboxId: 1,
    events: new Map(),
    eventKeys: new Map(),
    shapes: new Map(),
    routingRevision: 1,
    lookBackFloors: new Map(),
    routings: new Map(),
    deliveries: [],
    deadLetters: [],
    occurrences: new Map(),
    firings: new Map(),
  };
}

export const rowKey = (shard: number, id: string): string => `${shard} ${id}`;
export const waitKey = (shard: number, instanceId: string, path: string): string => `${shard} ${instanceId} ${path}`;
export const permitKey = (shard: number, limitId: string, instanceId: string): string =>
  `${shard} ${limitId} ${instanceId}`;
export const timerKey = (row: { shard: number; dueAt: number; instanceId: string; key: string }): string =>
  `${row.shard} ${row.dueAt} ${row.instanceId} ${row.key}`;
export const eventKeyKey = (row: {
  keyShard: number;
  namespace: string;
  sourceKey: string | null;
  eventId: string;
}): string => JSON.stringify([row.keyShard, row.namespace, row.sourceKey ?? "", row.eventId]);
export const keyKey = (row: { keyShard: number; namespace: string; workflowId: string; key: string }): string =>
  JSON.stringify([row.keyShard, row.namespace, row.workflowId, row.key]);

export function requirePartition(tables: Tables, id: string, relation = "workflow_instances"): void {
  const at = uuidTimeMs(id);
  if (at < tables.partitions.from || at >= tables.partitions.until) {
    refuse(`no partition of relation "${relation}" found for row (23514)`);
  }
}

export function isLaneOpen(tables: Tables, laneId: string | null): boolean {
  return laneId !== null && tables.lanes.get(laneId)?.closedAt === null;
}

/** Transitions name a shard by a UUID that is its number. */
export const shardEntity = (shard: number): string => {
  const hex = shard.toString(16).padStart(32, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
};
