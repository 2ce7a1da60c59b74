/** What other rooms and programs ask of the engine, and what they get. Instants are ISO 8601 text in UTC. */

import type { Db } from "../foundation/database/index.ts";
import type { EventInput, PublishAnswer, RouteAgain } from "./contract_events.ts";
import type { ScheduleFact } from "./contract_schedules.ts";
import type { Json } from "./machine/definition.ts";
import type { MigrationProblem } from "./machine/migration.ts";
import type { Cancellation, InstanceStatus } from "./machine/state.ts";
import type { WhyItem } from "./machine/why.ts";
import type { ErrorInfo } from "./task.ts";

export type { MigrationProblem } from "./machine/migration.ts";
export { type WhyItem, type WhyRule, whyRules } from "./machine/why.ts";

/** A definition as the control plane resolved it for a start. */
export interface ResolvedDefinition {
  definitionId: string;
  workflowId: string;
  /** Given when "latest" was asked for: the revision of the workflow's head, compared in the start's transaction. */
  revision?: number;
}

export interface StartRequest {
  namespace: string;
  /** A definition's id or a workflowId. */
  definitionId: string;
  version?: string;
  input: Json;
  correlationId?: string;
  idempotencyKey?: string;
  /** LOW 1, MEDIUM 5, HIGH 8, CRITICAL 10. */
  priority?: number;
  startedBy?: string;
  /** Values that variables begin with; their types have been checked by `check`. */
  variables?: Record<string, Json>;
  /**
   * Called with the version that was chosen before anything is written, and again when another had to be chosen. What it
   * throws refuses the start; the input's schema is checked here.
   */
  check?(definitionId: string): Promise<void>;
}

export interface StartAnswer {
  instanceId: string;
  definitionId: string;
  status: InstanceStatus;
  startedAt: string;
  /** False when the idempotency key was used before and this is the first answer. */
  created: boolean;
}

export interface SignalRequest {
  namespace: string;
  instanceId: string;
  type: string;
  payload: Json;
  /** The same key again is the same signal. */
  idempotencyKey?: string;
}

export interface CancelRequest {
  namespace: string;
  instanceId: string;
  reason: string;
  requestedBy: string;
  compensate?: boolean;
}

export interface CancelAnswer {
  instanceId: string;
  /** `RUNNING` while the compensation runs or while the owner has not decided yet. */
  status: InstanceStatus;
}

/** One instance and who asks for something to happen to it. */
export interface LifeRequest {
  namespace: string;
  instanceId: string;
  requestedBy: string;
}

/** What becomes of an instance after a request about its life; `RUNNING` or so while its owner has not decided yet. */
export interface LifeAnswer {
  instanceId: string;
  status: InstanceStatus;
}

/**
 * A new instance that begins where another one was: the steps before `fromStepId` are carried over and do not run again.
 * `fromStepId` is a step of the workflow itself, not of a branch or an item; of several visits the last counts.
 */
export interface RestartRequest extends LifeRequest {
  fromStepId: string;
  /** Absent: the input of the origin. */
  input?: Json;
  /** The version to run; of the same workflow. Absent: the origin's. */
  definitionId?: string;
  /** The same key again is the same restart; keys are shared with starts of the workflow. */
  idempotencyKey?: string;
  /** Outputs of steps that are carried over, by stepId, in the place of what they gave. */
  outputs?: Record<string, Json>;
  /** Called with the definition before anything is written; what it throws refuses the restart. */
  check?(definitionId: string): Promise<void>;
}

export interface MigrateRequest extends LifeRequest {
  /** The version to go on with; of the same workflow. */
  definitionId: string;
  /** Nothing is done: the answer says whether it could be. */
  dryRun?: boolean;
}

export interface MigrateAnswer extends LifeAnswer {
  /** Empty: it can be done, or has been. With `dryRun` false problems are refused as `engine.cannot_migrate`. */
  problems: MigrationProblem[];
}

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Document 000's execution log. */
export interface LogItem {
  /** In the order of time; the cursor of a page. */
  id: string;
  level: LogLevel;
  message: string;
  details?: Json;
  /** `task` where a handler wrote it, `engine` where the engine did. */
  source: string;
  stepId?: string;
  path?: string;
  attempt?: number;
  at: string;
}

export interface LogFilter {
  namespace: string;
  instanceId: string;
  /** This level and the more serious ones. */
  level?: LogLevel;
  stepId?: string;
  /** Text that the message holds, in whatever case. */
  search?: string;
  /** The id of the last item of the page before. */
  after?: string;
  limit: number;
}

/** Of one version, or of all versions of a workflow. Durations in milliseconds, from start to end of ended instances. */
export interface DefinitionStatistics {
  started: number;
  completed: number;
  failed: number;
  cancelled: number;
  /** Begun, or come from another version, and not ended. */
  open: number;
  duration: { p50: number; p95: number; p99: number } | null;
  /**
   * What runs of the workflow failed by, the 100 most frequent, most first: of instances that were tried again too. The
   * stepId is empty where it was no step: the workflow's time was up, its output does not fit.
   */
  failures: { stepId: string; code: string; count: number }[];
  /** Since when it is counted. */
  since: string | null;
}

/** Document 002's instance, and beyond it what CONTRACTS names. */
export interface InstanceView {
  id: string;
  workflowDefinitionId: string;
  workflowId: string;
  namespace: string;
  status: InstanceStatus;
  currentStepId?: string;
  input: Json;
  output?: Json;
  error?: ErrorInfo;
  state: {
    variables: Record<string, Json>;
    currentStepId?: string;
    steps: Record<string, StepView>;
    waitingForEvent?: { eventPattern: string; eventCondition?: string; since: string };
  };
  version: number;
  priority: number;
  startedAt: string;
  updatedAt: string;
  completedAt?: string;
  correlation_id?: string;
  correlationId?: string;
  startedBy?: string;
  triggerEventId?: string;
  /** The instance whose WORKFLOW step started this one. */
  parentInstanceId?: string;
  /** The instance from which this one was restarted, and the step where. */
  originInstanceId?: string;
  originStepId?: string;
  cancelation?: Cancellation;
  compensationState?: {
    status: "IN_PROGRESS" | "COMPLETED" | "COMPLETED_WITH_ERRORS";
    startedAt: string;
    completedAt?: string;
    plan: string[];
    completed: string[];
    failed: { stepId: string; error: string; timestamp: string }[];
  };
}

export interface StepView {
  status: "PENDING" | "RUNNING" | "COMPLETED" | "FAILED" | "SKIPPED" | "CANCELLED";
  attempt: number;
  input?: Json;
  output?: Json;
  error?: ErrorInfo;
  startedAt?: string;
  completedAt?: string;
}

/** One line of a list: an instance without its state. */
export interface InstanceSummary {
  id: string;
  workflowDefinitionId: string;
  workflowId: string;
  namespace: string;
  status: InstanceStatus;
  currentStepId?: string;
  correlationId?: string;
  parentInstanceId?: string;
  priority: number;
  startedAt: string;
  updatedAt: string;
  completedAt?: string;
  error?: Json;
}

export interface InstanceFilter {
  namespace: string;
  /** Only children of this instance. */
  parentInstanceId?: string;
  status?: InstanceStatus[];
  /** A definition's id or a workflowId. */
  definitionId?: string;
  correlationId?: string;
  startedAfter?: string;
  startedBefore?: string;
  /** The id of the last item of the page before. */
  after?: string;
  limit: number;
}

/** A wait that an event ended. */
export interface FulfilledWait {
  instanceId: string;
  stepId: string;
  path: string;
  pattern: string;
  condition?: string;
  fulfilledAt?: string;
}

export interface HistoryItem {
  seq: number;
  path: string;
  stepId: string;
  type: string;
  attempt: number;
  status: string;
  input?: Json;
  output?: Json;
  error?: Json;
  /** What was decided with it: successors, variables, warnings, due times. */
  outcome?: Json;
  startedAt: string;
  completedAt?: string;
  nodeId: string;
  epoch: number;
}

export interface TransitionItem {
  fromState?: string;
  toState: string;
  event: string;
  data?: Json;
  createdAt: string;
}

/** The engine of one node. */
export interface Engine {
  readonly nodeId: string;
  /** Registers the node, takes its shards and begins to work; resolves when it accepts starts. */
  start(): Promise<void>;
  /** Drains: starts no step, hands its shards over, waits for running handlers at most the drain time. */
  stop(): Promise<void>;
  startInstance(request: StartRequest): Promise<StartAnswer>;
  signal(request: SignalRequest): Promise<{ signalId: string }>;
  cancel(request: CancelRequest): Promise<CancelAnswer>;
  /** Nothing new begins; what runs ends, and timers that come due are held. */
  pause(request: LifeRequest): Promise<LifeAnswer>;
  resume(request: LifeRequest): Promise<LifeAnswer>;
  /** A failed instance goes on: what failed, and what was cancelled with it, begins again. */
  retry(request: LifeRequest): Promise<LifeAnswer>;
  /** A step under way, or one that has not begun, is passed over: it counts as SKIPPED and its default follows. */
  skip(request: LifeRequest & { stepId: string }): Promise<LifeAnswer>;
  setPriority(request: LifeRequest & { priority: number }): Promise<LifeAnswer>;
  restart(request: RestartRequest): Promise<StartAnswer>;
  /** Takes in events, all or none, in one transaction; up to 1,000. They are routed after its commit. */
  publish(events: EventInput[]): Promise<PublishAnswer[]>;
  /** Puts events into the inboxes of their shards again, in the caller's transaction. `wakeRouters` makes it quick. */
  routeAgain(db: Db, requests: RouteAgain[]): Promise<void>;
  /** After a commit of `routeAgain`, or of anything else that changes where events go. */
  wakeRouters(): void;
  /** How many accepted events wait to be routed, counted no further than `most`, and since when the oldest of them waits. */
  eventBacklog(most: number): Promise<{ depth: number; oldestAcceptedAt: string | null }>;
  /** Waits that an event fulfilled, the earliest first; `eventId` is its row's. */
  waitsOf(what: { namespace: string; eventId: string; limit: number }): Promise<FulfilledWait[]>;
  /** Tells the home of a schedule something, in the caller's transaction. `wakeSchedule` makes it quick. */
  postSchedule(db: Db, what: { scheduleId: string; fact: ScheduleFact }): Promise<void>;
  /** After a commit of `postSchedule`. */
  wakeSchedule(scheduleId: string): void;
  migrate(request: MigrateRequest): Promise<MigrateAnswer>;
  /** Undefined when there is no such instance; empty when it has ended. */
  why(what: { namespace: string; instanceId: string }): Promise<WhyItem[] | undefined>;
  logs(filter: LogFilter): Promise<LogItem[]>;
  /** Of these versions together. */
  statistics(what: { definitionIds: string[] }): Promise<DefinitionStatistics>;
  /** How many instances a filter finds; counts to `most` at the most. */
  countInstances(filter: Omit<InstanceFilter, "after" | "limit">, most: number): Promise<number>;
  /** Undefined when there is none in this namespace. */
  getInstance(what: { namespace: string; instanceId: string }): Promise<InstanceView | undefined>;
  listInstances(filter: InstanceFilter): Promise<InstanceSummary[]>;
  /** Rows after `afterSeq`, oldest first. A RUNNING row is left out once its attempt has ended. */
  history(what: { namespace: string; instanceId: string; afterSeq: number; limit: number }): Promise<HistoryItem[]>;
  transitions(what: { namespace: string; instanceId: string; limit: number }): Promise<TransitionItem[]>;
  /** The instance when it is final, or as it is when the time is up or `signal` aborts. */
  waitForEnd(what: {
    namespace: string;
    instanceId: string;
    timeoutMs: number;
    signal?: AbortSignal;
  }): Promise<InstanceView | undefined>;
  /** Calls back soon after anything of the instance changed, from whatever node; may call without a change. */
  watch(what: { instanceId: string }, listener: () => void): () => void;
  /** Whether any instance was ever started from this definition. */
  isDefinitionUsed(what: { namespace: string; workflowId: string; definitionId: string }): Promise<boolean>;
  /** Counts for operators and benchmarks. */
  stats(): EngineStats;
}

export interface EngineStats {
  residents: number;
  shards: number;
  runningTasks: number;
  flushes: number;
  flushedRows: number;
  queuedBytes: number;
}
