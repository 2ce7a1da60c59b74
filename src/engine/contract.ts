/** What other rooms and programs ask of the engine, and what they get. Instants are ISO 8601 text in UTC. */

import type { Json } from "./machine/definition.ts";
import type { Cancellation, InstanceStatus } from "./machine/state.ts";
import type { ErrorInfo } from "./task.ts";

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
  priority: number;
  startedAt: string;
  updatedAt: string;
  completedAt?: string;
  error?: Json;
}

export interface InstanceFilter {
  namespace: string;
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
