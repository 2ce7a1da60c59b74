/**
 * The canonical workflow definition: document 002's JSON, after the border has normalised other dialects.
 *
 * `steps[0]` is where an instance begins. Durations are milliseconds or ISO 8601 text; expressions are CEL text in its
 * normal form. The validator in `workflows/` admits only definitions that `compile` accepts.
 */

export type Duration = number | string;
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Transitions {
  /** The step that follows when no condition holds. Absent with no conditions: the workflow ends here. */
  default?: string;
  /** Tried in order; the first that holds decides. */
  conditions?: { condition: string; nextStep: string }[];
}

/** Defaults: 3 attempts, 1000 ms, 60000 ms, factor 2, jitter 0.1; `jitter` is a share of the interval, 0 to 1. */
export interface RetryPolicy {
  maxAttempts?: number;
  initialInterval?: Duration;
  maxInterval?: Duration;
  backoffMultiplier?: number;
  jitter?: number;
  /** Codes or categories; when given, only these are retried. */
  retryableErrors?: string[];
  /** Codes or categories that are never retried; wins over `retryableErrors`. */
  nonRetryableErrors?: string[];
}

interface StepBase {
  stepId: string;
  name?: string;
  transitions?: Transitions;
  /** Variable name → expression over `output`, evaluated when the step completes. */
  outputMapping?: Record<string, string>;
  /**
   * Where it goes when it has failed for good; conditions see `error`. When none holds and there is no default, the
   * failure is the scope's: the branch's, the item's, the workflow's.
   */
  onFailure?: Transitions;
}

export interface TaskStep extends StepBase {
  type: "TASK";
  taskId: string;
  /** A string is an expression; an object is a template whose strings may hold `${…}`. Absent: the instance's input. */
  input?: Json;
  retryPolicy?: RetryPolicy;
  /** Default 30 s. */
  timeout?: Duration;
}

export interface DecisionStep extends StepBase {
  type: "DECISION";
}

export interface EventWaitStep extends StepBase {
  type: "EVENT_WAIT";
  eventPattern: string;
  eventCondition?: string;
  /**
   * How long before the wait opened an event may have been accepted. Absent: since the instance's start. Signals count
   * whenever they came.
   */
  lookBack?: Duration;
  eventTimeout?: { duration: Duration; timeoutHandlerStepId?: string };
  /** Variable name → expression over `event` and `payload`. */
  eventPayloadMapping?: Record<string, string>;
}

/** Exactly one of `delay` (a duration or an expression giving one) and `until` (an instant or an expression giving one). */
export interface DelayStep extends StepBase {
  type: "DELAY";
  delay?: Duration;
  until?: string;
}

/**
 * Runs its branches side by side. Its output is an object of the last outputs of the branches that completed, by
 * branchId. Steps of a branch go to steps of the same branch only; their ids are unique in the whole definition.
 */
export interface ParallelStep extends StepBase {
  type: "PARALLEL";
  branches: { branchId: string; name?: string; steps: Step[] }[];
  /** How many branches must complete: `all` (the default), `any` (1), or a number. */
  join?: "all" | "any" | number;
  /**
   * What becomes of the other branches once enough have completed: they are cancelled (the default), or left to go on by
   * themselves; the workflow ends when they have.
   */
  rest?: "cancel" | "leave";
  /** Default: none. */
  timeout?: Duration;
}

/**
 * Runs its steps once for each item; they see `item` and `index`. Its output is the list of the items' last outputs, in
 * the order of the items; null where an item failed and that was tolerated.
 */
export interface MapStep extends StepBase {
  type: "MAP";
  /** An expression, or a template, that gives the list. */
  items: Json;
  /** Items under way at once: 1 to 1,000, default 100. */
  maxConcurrency?: number;
  /** How many items may fail: a count, or a share of all such as "10%". Default 0. */
  toleratedFailures?: number | string;
  steps: Step[];
  /** Default: none. */
  timeout?: Duration;
}

/** Runs another workflow as a child. Its output is the child's; of a detached one `{ instanceId }`, at once. */
export interface WorkflowStep extends StepBase {
  type: "WORKFLOW";
  workflowId: string;
  /** Absent: the latest active version when the child begins. */
  version?: string;
  /** As a TASK's. */
  input?: Json;
  /** The parent does not wait, and its cancellation does not reach the child. */
  detach?: boolean;
  /** Absent: one attempt. Each attempt is a child of its own. */
  retryPolicy?: RetryPolicy;
  /** Default: none. The child is cancelled when it is over. */
  timeout?: Duration;
}

/** Ends the whole workflow, wherever it stands; what else is under way is cancelled. */
export interface TerminateStep {
  stepId: string;
  name?: string;
  type: "TERMINATE";
  status: "COMPLETED" | "FAILED";
  /** With COMPLETED. An expression or a template; absent: as at any other end. */
  output?: Json;
  /** With FAILED. Its texts may hold `${…}`. */
  error?: { code?: string; message?: string; category?: string; details?: Json };
  transitions?: undefined;
  outputMapping?: undefined;
  onFailure?: undefined;
}

export type Step =
  | TaskStep
  | DecisionStep
  | EventWaitStep
  | DelayStep
  | ParallelStep
  | MapStep
  | WorkflowStep
  | TerminateStep;
export type StepType = Step["type"];

export interface CompensationStep {
  stepId: string;
  name?: string;
  compensationFor: string;
  type: "TASK";
  taskId: string;
  input?: Json;
  condition?: string;
  retryPolicy?: RetryPolicy;
  timeout?: Duration;
}

/** An event or a signal that cancels an instance, whatever it is doing: a wait with look-back to the instance's start. */
export interface CancellationTrigger {
  eventPattern: string;
  eventCondition?: string;
  reason?: string;
  shouldCompensate?: boolean;
}

/**
 * A variable that every instance has. Whoever sets it (a start, a mapping) must give a value of its type; one that is
 * required must have a value when the workflow completes.
 */
export interface VariableDeclaration {
  type?: "string" | "number" | "integer" | "boolean" | "object" | "array" | "any";
  default?: Json;
  required?: boolean;
  description?: string;
}

/** At most `limit` instances at once: of the workflow in its namespace, or of those whose `key` gives the same text. */
export interface ConcurrencyLimit {
  limit: number;
  /** An expression over `input` and `instance`. */
  key?: string;
}

export interface Definition {
  workflowId: string;
  name: string;
  version: string;
  description?: string;
  createdBy?: string;
  templateId?: string;
  steps: Step[];
  inputSchema?: Json;
  outputSchema?: Json;
  /** An expression, or a template object; absent: the last step's output. */
  output?: Json;
  variables?: Record<string, VariableDeclaration>;
  compensationSteps?: CompensationStep[];
  compensateOnFailure?: boolean;
  cancellationTriggers?: CancellationTrigger[];
  /** Of the whole workflow. */
  timeout?: Duration;
  /**
   * The workflow's own retry: after a failure, and after its compensation, the instance begins again with its first step
   * and the variables' defaults. Absent: it does not.
   */
  retryPolicy?: RetryPolicy;
  /** All of them hold at once. An instance that has no permit yet is CREATED. */
  concurrency?: ConcurrencyLimit[];
  /** How long instances are kept after their end. Absent: as the node's setting says. */
  retention?: Duration;
  uiComponents?: Json;
  executionLog?: { level?: "debug" | "info" | "error"; retention?: string; metadata?: string[] };
}
