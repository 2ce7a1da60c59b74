/**
 * What the engine needs of its store. PostgreSQL is one implementation; the in-memory one of the simulation is another.
 * One conformance suite (`conformance.ts`) holds both to this contract.
 *
 * Rows travel as JSON text, already encoded: a row is encoded once, when it is decided, and from then on nothing that
 * happens to the state can change it. Instants are milliseconds since 1970 by the store's clock, which is the only one.
 */

import type { Json } from "../machine/definition.ts";
import type { Cancellation, InstanceStatus, JournalEntry } from "../machine/state.ts";
import type { ErrorInfo } from "../task.ts";
import type {
  EventRow,
  EventsAnswer,
  LookBackWait,
  OpenWait,
  StoredEvent,
  WaitRow,
  WaitShapeRow,
} from "./contract_events.ts";

export type {
  EventAnswer,
  EventRow,
  EventsAnswer,
  LookBackWait,
  OpenWait,
  StoredEvent,
  WaitRow,
  WaitShapeRow,
} from "./contract_events.ts";

/** Everything that one lane writes in one transaction. Absent parts write nothing. The layouts are in `rows.ts`. */
export interface FlushBatch {
  laneId: string;
  /** From 1, without holes. */
  seq: number;
  nodeId: string;
  /** Every shard that the batch touches; each must point to the lane. */
  shards: number[];
  /** JSON `[[namespace, workflowId, revision], …]`: what starts resolved as "latest". */
  latest?: string;
  /** JSON arrays of rows. */
  starts?: string;
  changes?: string;
  steps?: string;
  transitions?: string;
  /** JSON object of the rarer kinds: timersArmed, timersCleared, inboxConsumed, inboxPosted, payloadsClaimed, errands, logs, tallies, permitsPut, permitsDropped, shardsReleased. */
  extras?: string;
  /** JSON object of what has to do with events and schedules: see `eventKinds` in `runtime/work.ts`. */
  events?: string;
  /** What the match keys of published events were computed from. */
  routingRevision?: number;
}

/**
 * `done`: written now. `already`: this number was written before. In the others nothing was written:
 * `gap`: the number before is missing. `fenced`: the lane is closed, or a shard is not its own. `stale`: a "latest" is no
 * longer so; `stale_routing`: the routing revision is another; with both the number may be used again.
 */
export interface FlushAnswer {
  outcome: "done" | "already" | "gap" | "fenced" | "stale" | "stale_routing";
  at: number;
}

/** What became of a call that failed. `unknown`: it may or may not have been applied; send the same again. */
export type StoreFault = "transient" | "data" | "unknown" | "defect";

export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly fault: StoreFault;
  /** A lock was waited for in vain (55P03): somebody holds it. */
  readonly locked: boolean;
  /** Of the cause: with it, whoever only knows database errors sees whether another try may succeed. */
  readonly code: string | undefined;

  constructor(message: string, options: { fault: StoreFault; locked?: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.fault = options.fault;
    this.locked = options.locked ?? false;
    const code: unknown = options.cause instanceof Error ? Reflect.get(options.cause, "code") : undefined;
    this.code = typeof code === "string" ? code : undefined;
  }
}

export interface NodeRow {
  nodeId: string;
  beat: number;
  expiresAt: number;
  draining: boolean;
  /** The tasks that it has handlers for. */
  tasks: string[];
  /** It has a lane that is open. */
  openLanes: number;
  roles: string[];
}

export interface LeaseRow {
  shard: number;
  /** Null when free; so is a shard whose lane is closed. */
  laneId: string | null;
  nodeId: string | null;
  laneOpen: boolean;
  epoch: number;
}

export interface ClusterView {
  now: number;
  routingRevision: number;
  nodes: NodeRow[];
  leases: LeaseRow[];
}

export interface Acquired {
  epoch: number;
  /** Takeovers from dead nodes within the last minute; 0 after an orderly release. */
  takeovers: number;
  /** The instance that the last owner was folding when it died, if another owner had died while folding it too. */
  folding: string | null;
}

/** An instance's row with the journal rows that its `state` does not cover, oldest first. */
export interface StoredInstance {
  shard: number;
  id: string;
  namespace: string;
  definitionId: string;
  workflowId: string;
  status: InstanceStatus;
  ready: boolean;
  priority: number;
  correlationId: string | null;
  startedBy: string | null;
  /** The WORKFLOW step that waits for this instance, and the instance it is of. A detached child names only the latter. */
  parentId: string | null;
  parentPath: string | null;
  version: number;
  input: Json;
  /** Values that variables began with. */
  variables: Record<string, Json> | null;
  /** The event that started it, which it has consumed, and how many led to it, as far as the event is still there. */
  triggerEvent: { id: string; acceptedAt: number } | null;
  hops: number | null;
  /** As `fold.ts` froze it. */
  state: unknown;
  stateSeq: number;
  output: Json | null;
  error: ErrorInfo | null;
  cancelation: Cancellation | null;
  parked: boolean;
  startedAt: number;
  completedAt: number | null;
  entries: JournalEntry[];
  /** Large values of the above that lie in payloads, by identity, with their payload's id. Already put in place. */
  references: Map<unknown, string>;
}

export interface TimerRow {
  shard: number;
  dueAt: number;
  instanceId: string;
  key: string;
}

export interface InboxRow {
  shard: number;
  id: number;
  kind: string;
  instanceId: string;
  fact: object;
}

/** Who holds a permit of a concurrency limit, or waits for one. */
export interface PermitRow {
  instanceId: string;
  key: string;
  state: "waiting" | "held";
  priority: number;
  /** How many the limit allows, as the asker's definition says. */
  max: number;
  askedAt: number;
}

/** What its home's rows say of a schedule. */
export interface ScheduleRow {
  shard: number;
  id: string;
  timers: { dueAt: number; key: string }[];
  /** Among the fifty instances that it started last, those that have not ended; the newest first. */
  running: { instanceId: string; plannedAt: number }[];
  /** Occurrences that wait for their turn, oldest first, at most a thousand. */
  queued: { plannedAt: number; backfillId: string | null }[];
  /** The latest planned time that nobody asked for (its `backfillId` is null); null when there is none. */
  lastPlannedAt: number | null;
}

/** Timers of schedules have keys that begin with this: no path of a step does. */
export const scheduleTimerPrefix = "~schedule ";

/** One start that the lane may not write itself: it has a key, or its shard belongs to another node. */
export interface BirthRow {
  shard: number;
  id: string;
  namespace: string;
  definitionId: string;
  workflowId: string;
  revision?: number;
  priority: number;
  correlationId?: string;
  startedBy?: string;
  input: Json;
  /** Values that variables begin with. */
  variables?: Record<string, Json>;
  /** How long it is kept after its end, where its definition says so. */
  retentionMs?: number;
  /** The input as JSON text, or a reference to a payload. */
  inputText: string;
  payloadIds: string[];
  key?: string;
  keyShard: number;
  requestHash: string;
}

/** What journal rows that were carried over name as their node; their epoch is 0. */
export const carriedNode = "carried";

/** A restart: the instance as its first fold finds it. */
export interface RestartRow {
  shard: number;
  id: string;
  namespace: string;
  definitionId: string;
  workflowId: string;
  priority: number;
  correlationId: string | null;
  startedBy: string | null;
  /** JSON text, or a reference to a payload of the new instance. */
  inputText: string;
  /** As `fold.ts` froze it. */
  stateText: string;
  stateSeq: number;
  originId: string;
  originStepId: string;
  variables: Record<string, Json> | null;
  retentionMs: number | undefined;
  payloadIds: string[];
  /** Its home is the shard of the row. */
  key?: string;
  requestHash: string;
  /** Journal rows that are carried over, encoded as those of a flush. */
  steps: string[];
}

export type BirthAnswer =
  | { outcome: "created"; shard: number; inboxId: number; at: number }
  | { outcome: "exists"; instanceId: string; definitionId: string; requestHash: string; createdAt: number }
  | { outcome: "stale" }
  /** Another transaction that is still open holds the key. */
  | { outcome: "busy" };

export interface Store {
  /** The number of shards, and the store's time. */
  open(): Promise<{ shards: number; now: number }>;
  close(): Promise<void>;

  register(node: {
    nodeId: string;
    name: string;
    version: string;
    leaseMs: number;
    roles: string[];
    tasks: string[];
    endpoints: Record<string, string>;
  }): Promise<void>;
  /** Tells others which handlers a registered node has now. Of a node that others take for dead it changes nothing. */
  announce(what: { nodeId: string; roles: string[]; tasks: string[] }): Promise<void>;
  /** Extends the node's lease; false when it is not registered (any more) or was given up: its lanes are closed. */
  beat(what: { nodeId: string; leaseMs: number; draining: boolean }): Promise<boolean>;
  /** Marks the node as gone in an orderly way. */
  deregister(nodeId: string): Promise<void>;
  cluster(): Promise<ClusterView>;

  openLane(lane: { laneId: string; nodeId: string }): Promise<void>;
  /** Frees the lane's shards and closes it; waits for a flush under way. */
  abandonLane(laneId: string): Promise<void>;
  /** Closes the lanes of a node whose lease has run out and whose beat is still `beat`; −1 when it lives. */
  closeLanes(what: { nodeId: string; beat: number }): Promise<number>;
  /** Undefined when the shard is not free or somebody else is at it. */
  acquire(what: { shard: number; laneId: string; nodeId: string }): Promise<Acquired | undefined>;
  /** Notes which instance is being folded, so that one that kills its node is found. */
  noteFolding(what: { shard: number; laneId: string; instanceId: string | null }): Promise<void>;

  flush(batch: FlushBatch): Promise<FlushAnswer>;

  /** Instances that have work to do, in the order of (shard, id), after the given one. */
  readyInstances(what: { shard: number; after: string | null; limit: number }): Promise<StoredInstance[]>;
  instances(ids: { shard: number; id: string }[]): Promise<StoredInstance[]>;
  /** Ids of instances with a step that waits for a handler of one of these tasks. */
  awaitingTasks(what: { shards: number[]; taskIds: string[]; limit: number }): Promise<{ shard: number; id: string }[]>;
  /** Timers with `floor <= dueAt < until`, at most `limitPerShard` of each shard, soonest first within a shard. */
  timers(what: {
    shards: { shard: number; floor: number }[];
    until: number;
    limitPerShard: number;
  }): Promise<TimerRow[]>;
  /** Rows with `id > floor`, at most `limitPerShard` of each shard, in the order of their ids within a shard. */
  inbox(what: {
    shards: { shard: number; floor: number }[];
    limitPerShard: number;
    /** A kind that stays where it is. */
    without?: string;
  }): Promise<InboxRow[]>;

  /** What is known of schedules; each has an answer. */
  schedules(ids: { shard: number; id: string }[]): Promise<ScheduleRow[]>;
  /** Schedules with occurrences that wait for their turn. */
  queuedSchedules(what: { shards: number[]; limit: number }): Promise<{ shard: number; id: string }[]>;
  /** All permits of one limit. */
  permits(what: { shard: number; limitId: string }): Promise<PermitRow[]>;
  /**
   * What the rows that end a branch or item gave, of a page of an instance's journal after `afterSeq`, oldest first, with
   * payloads put in place; `next` is where to go on, undefined at the end.
   */
  endings(what: { shard: number; instanceId: string; afterSeq: number; limit: number }): Promise<{
    rows: { path: string; failed: boolean; output: Json }[];
    next: number | undefined;
  }>;
  /** Journal rows after `afterSeq`, oldest first, as they are: payloads stay references. */
  journal(what: { shard: number; instanceId: string; afterSeq: number; limit: number }): Promise<JournalEntry[]>;
  /** Writes lines of an execution log beside the lane: of a step that goes on. Each is an encoded row. */
  saveLogs(rows: string[]): Promise<void>;

  accept(births: BirthRow[]): Promise<BirthAnswer[]>;
  /** A new instance with the rows that it carries over, and its START, in one transaction. */
  acceptRestart(restart: RestartRow): Promise<Exclude<BirthAnswer, { outcome: "stale" }>>;
  /** Puts facts into inboxes of shards of other nodes. */
  post(rows: { shard: number; kind: string; instanceId: string; fact: object }[]): Promise<void>;
  /** All or none, in one transaction. */
  publish(events: EventRow[], routingRevision: number): Promise<EventsAnswer>;
  /** Those of them that exist. */
  events(ids: { shard: number; id: string }[]): Promise<StoredEvent[]>;
  /** The open waits with these patterns and keys, and the routing revision, of one snapshot. `of` is an index of the keys. */
  waitsFor(
    keys: { namespace: string; pattern: string; key: string }[],
  ): Promise<{ revision: number; waits: (WaitRow & { of: number })[] }>;
  /** Events for each of these waits, at most `limit` each, in the order of their ids. */
  lookBack(waits: LookBackWait[], limit: number): Promise<StoredEvent[][]>;
  /** Open waits of these shards for which an earlier owner may not have looked back to the end. */
  openWaits(shards: number[]): Promise<OpenWait[]>;
  /** Makes known how programs wait, before the first of their waits. */
  registerShapes(shapes: WaitShapeRow[]): Promise<void>;
  shapes(): Promise<{ revision: number; shapes: WaitShapeRow[] }>;
  /** Instances of a workflow with this correlation that have not ended, at most `limit`. */
  openInstances(what: {
    namespace: string;
    workflowId: string;
    correlationId: string;
    limit: number;
  }): Promise<{ shard: number; id: string }[]>;
  routingRevision(): Promise<number>;

  /** Takes away the steps that this node is to run for owners of other shards. */
  takeErrands(what: { runner: string; limit: number }): Promise<Errand[]>;
  savePayload(payload: { shard: number; id: string; instanceId: string; body: string }): Promise<void>;
  /** Those of an instance's own payloads that have these ids: a reference that a user wrote leads nowhere else. */
  payloads(of: { shard: number; instanceId: string; ids: string[] }): Promise<Map<string, Json>>;

  /** Statuses of those instances that exist. */
  statuses(
    ids: { shard: number; id: string }[],
  ): Promise<Map<string, { status: InstanceStatus; version: number; lastSeq: number }>>;

  /** Tells other nodes where to look; may be lost. */
  hint(hint: Hint): Promise<void>;
  onHint(listener: (hint: Hint) => void): void;
}

/** A step that its shard's owner has no handler for, on its way to a node that has. */
export interface Errand {
  id: number;
  shard: number;
  instanceId: string;
  path: string;
  stepId: string;
  taskId: string;
  attempt: number;
  input: Json;
  timeoutMs: number;
  /** How lines of its execution log are kept (`runtime/lines.ts`); null where an older node sent it. */
  log: object | null;
  /** Still this runner's to do: it was not given to another, has not ended, and its time is not up. */
  stands: boolean;
}

export interface Hint {
  /** Shards whose inbox has something new. */
  inbox?: number[];
  /** Nodes that have errands. */
  errands?: string[];
  /** Leases changed. */
  leases?: boolean;
  /** Instances that changed, for those who watch them. */
  instances?: string[];
  /** What decides where events go has changed. */
  routing?: boolean;
}
