/**
 * A definition made ready to run: expressions compiled, durations parsed, defaults applied, steps by id.
 *
 * Compiled once per definition id and shared by all its instances; a published definition never changes.
 */

import { parseDuration } from "../../foundation/duration.ts";
import {
  compileCondition,
  compileExpression,
  compileInput,
  type Expression,
  type Template,
} from "../../foundation/expressions/index.ts";
import type { CompensationStep, Definition, Duration, Json, RetryPolicy, Step, StepType } from "./definition.ts";
import { compilePattern, type PatternMatcher } from "./pattern.ts";
import { bag } from "./state.ts";

export interface RetryRules {
  maxAttempts: number;
  initialMs: number;
  maxMs: number;
  multiplier: number;
  jitter: number;
  retryable: ReadonlySet<string> | undefined;
  nonRetryable: ReadonlySet<string> | undefined;
}

export interface ProgramStep {
  stepId: string;
  type: StepType;
  /** Where it goes when it ends; `undefined` with no conditions: the workflow ends. */
  next: string | undefined;
  conditions: { when: Expression; next: string }[];
  mapping: [variable: string, value: Expression][];
  /** TASK */
  taskId: string;
  input: Template | undefined;
  retry: RetryRules;
  timeoutMs: number;
  /** The built-in `transform`: an expression that the engine evaluates itself, with no commit of its own. */
  transform: Expression | undefined;
  /** EVENT_WAIT */
  wait: ProgramWait | undefined;
  /** DELAY */
  delay: ProgramDelay | undefined;
}

export interface ProgramWait {
  pattern: string;
  matches: PatternMatcher;
  condition: Expression | undefined;
  conditionText: string | undefined;
  timeoutMs: number | undefined;
  timeoutHandler: string | undefined;
  mapping: [variable: string, value: Expression][];
}

export type ProgramDelay =
  | { kind: "for"; ms: number }
  | { kind: "until"; at: number }
  | { kind: "for_expression" | "until_expression"; expression: Expression };

export interface ProgramCompensation extends ProgramStep {
  condition: Expression | undefined;
}

export interface Program {
  definitionId: string;
  namespace: string;
  workflowId: string;
  version: string;
  entry: string;
  steps: ReadonlyMap<string, ProgramStep>;
  /** Compensations by the step they undo, and by their own id. */
  compensationsFor: ReadonlyMap<string, ProgramCompensation[]>;
  compensations: ReadonlyMap<string, ProgramCompensation>;
  compensateOnFailure: boolean;
  output: Template | undefined;
  variables: Readonly<Record<string, Json>>;
  timeoutMs: number | undefined;
}

export const defaultStepTimeoutMs = 30_000;

/** Throws ExpressionError or RangeError where the definition is not valid; the validator tells users before. */
export function compile(definition: Definition, identity: { definitionId: string; namespace: string }): Program {
  const steps = new Map<string, ProgramStep>();
  for (const step of definition.steps) steps.set(step.stepId, compileStep(step));
  const compensations = new Map<string, ProgramCompensation>();
  const compensationsFor = new Map<string, ProgramCompensation[]>();
  for (const step of definition.compensationSteps ?? []) {
    const compiled = compileCompensation(step);
    compensations.set(step.stepId, compiled);
    const others = compensationsFor.get(step.compensationFor);
    if (others) others.push(compiled);
    else compensationsFor.set(step.compensationFor, [compiled]);
  }
  const variables = bag<Json>();
  for (const [name, declaration] of Object.entries(definition.variables ?? {})) {
    if (declaration.default !== undefined) variables[name] = declaration.default;
  }
  const first = definition.steps[0];
  if (first === undefined) throw new RangeError("A definition has at least one step");
  return {
    ...identity,
    workflowId: definition.workflowId,
    version: definition.version,
    entry: first.stepId,
    steps,
    compensations,
    compensationsFor,
    compensateOnFailure: definition.compensateOnFailure ?? true,
    output: definition.output === undefined ? undefined : compileInput(definition.output),
    variables,
    timeoutMs: optionalMs(definition.timeout),
  };
}

function compileStep(step: Step): ProgramStep {
  const compiled: ProgramStep = {
    stepId: step.stepId,
    type: step.type,
    next: step.transitions?.default || undefined,
    conditions: (step.transitions?.conditions ?? []).map(({ condition, nextStep }) => ({
      when: compileCondition(condition),
      next: nextStep,
    })),
    mapping: compileMapping(step.outputMapping),
    ...noTask,
    wait: undefined,
    delay: undefined,
  };
  switch (step.type) {
    case "TASK":
      return { ...compiled, ...compileTask(step) };
    case "EVENT_WAIT":
      return {
        ...compiled,
        wait: {
          pattern: step.eventPattern,
          matches: compilePattern(step.eventPattern),
          condition: step.eventCondition === undefined ? undefined : compileCondition(step.eventCondition),
          conditionText: step.eventCondition,
          timeoutMs: optionalMs(step.eventTimeout?.duration),
          timeoutHandler: step.eventTimeout?.timeoutHandlerStepId,
          mapping: compileMapping(step.eventPayloadMapping, "payload"),
        },
      };
    case "DELAY":
      return { ...compiled, delay: compileDelay(step) };
    case "DECISION":
      return compiled;
  }
}

function compileCompensation(step: CompensationStep): ProgramCompensation {
  return {
    stepId: step.stepId,
    type: "TASK",
    next: undefined,
    conditions: [],
    mapping: [],
    ...noTask,
    ...compileTask(step),
    wait: undefined,
    delay: undefined,
    condition: step.condition === undefined ? undefined : compileCondition(step.condition),
  };
}

const noTask = {
  taskId: "",
  input: undefined,
  retry: compileRetry(undefined),
  timeoutMs: defaultStepTimeoutMs,
  transform: undefined,
};

type TaskFields = Pick<ProgramStep, "taskId" | "input" | "retry" | "timeoutMs" | "transform">;

function compileTask(
  step: Pick<CompensationStep, "taskId" | "retryPolicy" | "timeout"> & { input?: Json },
): TaskFields {
  const transform = step.taskId === "transform" ? transformExpression(step.input) : undefined;
  return {
    taskId: step.taskId,
    input: step.input === undefined || transform ? undefined : compileInput(step.input),
    retry: compileRetry(step.retryPolicy),
    timeoutMs: optionalMs(step.timeout) ?? defaultStepTimeoutMs,
    transform,
  };
}

/** `{ expression: "…" }` is never interpolated; any other shape is left to the handler, which refuses it. */
function transformExpression(input: Json | undefined): Expression | undefined {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return undefined;
  return typeof input.expression === "string" ? compileExpression(input.expression) : undefined;
}

function compileRetry(policy: RetryPolicy | undefined): RetryRules {
  return {
    maxAttempts: policy?.maxAttempts ?? 3,
    initialMs: optionalMs(policy?.initialInterval) ?? 1_000,
    maxMs: optionalMs(policy?.maxInterval) ?? 60_000,
    multiplier: policy?.backoffMultiplier ?? 2,
    jitter: policy?.jitter ?? 0.1,
    retryable: policy?.retryableErrors === undefined ? undefined : new Set(policy.retryableErrors),
    nonRetryable: policy?.nonRetryableErrors === undefined ? undefined : new Set(policy.nonRetryableErrors),
  };
}

function compileMapping(
  mapping: Record<string, string> | undefined,
  pathRoot?: string,
): [variable: string, value: Expression][] {
  const options = pathRoot === undefined ? {} : { pathRoot };
  return Object.entries(mapping ?? {}).map(([name, source]) => [name, compileExpression(source, options)]);
}

const durationShape = /^P(?!$)[\dWDTHMS.,]+$/i;

function compileDelay(step: { delay?: Duration; until?: string }): ProgramDelay {
  if (step.delay !== undefined) {
    if (typeof step.delay === "number" || durationShape.test(step.delay)) {
      return { kind: "for", ms: parseDuration(step.delay) };
    }
    return { kind: "for_expression", expression: compileExpression(step.delay) };
  }
  const until = step.until ?? "";
  const at = parseInstant(until);
  if (at !== undefined) return { kind: "until", at };
  return { kind: "until_expression", expression: compileExpression(until) };
}

const instantShape = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;

/** Milliseconds of an ISO 8601 instant with a zone; undefined when the text is none. */
export function parseInstant(text: string): number | undefined {
  if (!instantShape.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

function optionalMs(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : parseDuration(duration);
}
