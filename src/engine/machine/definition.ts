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

export type Step = TaskStep | DecisionStep | EventWaitStep | DelayStep;
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

/** Accepted and stored; acted on by the events work. */
export interface CancellationTrigger {
  eventPattern: string;
  eventCondition?: string;
  reason?: string;
  shouldCompensate?: boolean;
}

export interface VariableDeclaration {
  type?: string;
  default?: Json;
  required?: boolean;
  description?: string;
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
  uiComponents?: Json;
  executionLog?: { level?: "debug" | "info" | "error"; retention?: string; metadata?: string[] };
}
