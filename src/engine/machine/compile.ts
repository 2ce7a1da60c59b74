/**
 * Makes definitions ready to run. A program is compiled once per definition id and shared by all its instances; a published
 * definition never changes.
 */

import { parseDuration } from "../../foundation/duration.ts";
import {
  compileCondition,
  compileExpression,
  compileInput,
  type Expression,
} from "../../foundation/expressions/index.ts";
import { compileKeys, shapesOf } from "./correlation.ts";
import type {
  CancellationTrigger,
  CompensationStep,
  Definition,
  Duration,
  EventWaitStep,
  Json,
  MapStep,
  ParallelStep,
  RetryPolicy,
  Step,
  TerminateStep,
  Transitions,
} from "./definition.ts";
import { compilePattern } from "./pattern.ts";
import type {
  Program,
  ProgramCompensation,
  ProgramDelay,
  ProgramEnd,
  ProgramJoin,
  ProgramStep,
  ProgramTrigger,
  ProgramWait,
  RetryRules,
} from "./program.ts";
import { bag } from "./state.ts";

export const defaultStepTimeoutMs = 30_000;

/** Throws ExpressionError or RangeError where the definition is not valid; the validator tells users before. */
export function compile(definition: Definition, identity: { definitionId: string; namespace: string }): Program {
  const steps = new Map<string, ProgramStep>();
  const homes = new Map<string, string>();
  compileAll(definition.steps, "", { steps, homes });
  const compensations = new Map<string, ProgramCompensation>();
  const compensationsFor = new Map<string, ProgramCompensation[]>();
  for (const step of definition.compensationSteps ?? []) {
    const compiled = compileCompensation(step);
    compensations.set(step.stepId, compiled);
    const others = compensationsFor.get(step.compensationFor);
    if (others) others.push(compiled);
    else compensationsFor.set(step.compensationFor, [compiled]);
  }
  const cancelOn = (definition.cancellationTriggers ?? []).map(compileTrigger);
  const waits = [...steps.values()].flatMap(({ wait }) => wait ?? []);
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
    homes,
    compensations,
    compensationsFor,
    compensateOnFailure: definition.compensateOnFailure ?? true,
    output: definition.output === undefined ? undefined : compileInput(definition.output),
    outputSchema: definition.outputSchema,
    variables,
    declared: new Map(Object.entries(definition.variables ?? {})),
    timeoutMs: optionalMs(definition.timeout),
    retry: definition.retryPolicy === undefined ? undefined : compileRetry(definition.retryPolicy),
    cancelOn,
    shapes: shapesOf([...waits, ...cancelOn]),
    retentionMs: optionalMs(definition.retention),
    executionLog: {
      level: definition.executionLog?.level ?? "info",
      retentionMs: optionalMs(definition.executionLog?.retention),
      fields: (definition.executionLog?.metadata ?? []).map((name) => ({ name, path: name.split(".") })),
    },
    limits: (definition.concurrency ?? []).map(({ limit, key }) => ({
      limit,
      key: key === undefined ? undefined : compileExpression(key),
    })),
  };
}

interface Compiled {
  steps: Map<string, ProgramStep>;
  homes: Map<string, string>;
}

/** Steps of branches and items stand beside those around them: ids are unique in the whole definition. */
function compileAll(steps: readonly Step[], home: string, into: Compiled): void {
  for (const step of steps) {
    into.steps.set(step.stepId, compileStep(step));
    into.homes.set(step.stepId, home);
    if (step.type === "PARALLEL") {
      for (const { branchId, steps: inner } of step.branches) compileAll(inner, `${step.stepId}/${branchId}`, into);
    } else if (step.type === "MAP") compileAll(step.steps, `${step.stepId}/*`, into);
  }
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
    onFailure: step.onFailure && compileHandlers(step.onFailure),
    ...noTask,
    ...noKind,
  };
  switch (step.type) {
    case "TASK":
      return { ...compiled, ...compileTask(step) };
    case "EVENT_WAIT":
      return { ...compiled, wait: compileWait(step) };
    case "DELAY":
      return { ...compiled, delay: compileDelay(step) };
    case "DECISION":
      return compiled;
    case "PARALLEL":
      return { ...compiled, join: compileBranches(step), limitMs: optionalMs(step.timeout) };
    case "MAP":
      return { ...compiled, join: compileItems(step), limitMs: optionalMs(step.timeout) };
    case "WORKFLOW":
      return {
        ...compiled,
        input: step.input === undefined ? undefined : compileInput(step.input),
        retry: compileRetry(step.retryPolicy ?? { maxAttempts: 1 }),
        child: { workflowId: step.workflowId, version: step.version, detach: step.detach ?? false },
        limitMs: optionalMs(step.timeout),
      };
    case "TERMINATE":
      return { ...compiled, end: compileEnd(step) };
  }
}

function compileAwaited(on: Pick<EventWaitStep, "eventPattern" | "eventCondition">) {
  return {
    pattern: on.eventPattern,
    matches: compilePattern(on.eventPattern),
    condition: on.eventCondition === undefined ? undefined : compileCondition(on.eventCondition),
    conditionText: on.eventCondition,
  };
}

function compileWait(step: EventWaitStep): ProgramWait {
  const awaited = compileAwaited(step);
  return {
    ...awaited,
    keys: compileKeys(awaited.condition),
    lookBackMs: optionalMs(step.lookBack),
    timeoutMs: optionalMs(step.eventTimeout?.duration),
    timeoutHandler: step.eventTimeout?.timeoutHandlerStepId,
    mapping: compileMapping(step.eventPayloadMapping, "payload"),
  };
}

/** Variables and steps change while a trigger stands: what is compared with them cannot be in its key. */
const lasting: ReadonlySet<string> = new Set(["input", "instance"]);

function compileTrigger(trigger: CancellationTrigger): ProgramTrigger {
  const awaited = compileAwaited(trigger);
  return {
    ...awaited,
    keys: compileKeys(awaited.condition, lasting),
    reason: trigger.reason,
    compensate: trigger.shouldCompensate ?? true,
  };
}

const noKind = {
  wait: undefined,
  delay: undefined,
  join: undefined,
  child: undefined,
  end: undefined,
  limitMs: undefined,
};

function compileHandlers(handlers: Transitions): ProgramStep["onFailure"] {
  return {
    next: handlers.default || undefined,
    conditions: (handlers.conditions ?? []).map(({ condition, nextStep }) => ({
      when: compileCondition(condition),
      next: nextStep,
    })),
  };
}

function entryOf(steps: readonly Step[]): string {
  const first = steps[0];
  if (first === undefined) throw new RangeError("A branch or an item has at least one step");
  return first.stepId;
}

function compileBranches({ branches, join = "all", rest }: ParallelStep): ProgramJoin {
  const all = join === "all";
  const need = all ? branches.length : join === "any" ? 1 : (join as number);
  const entries = new Map(branches.map(({ branchId, steps }) => [branchId, entryOf(steps)]));
  return { kind: "branches", entries, need, all, leave: rest === "leave" };
}

export const standardMapConcurrency = 100;

function compileItems({ items, maxConcurrency, toleratedFailures, steps }: MapStep): ProgramJoin {
  return {
    kind: "items",
    items: compileInput(items),
    entry: entryOf(steps),
    maxConcurrency: maxConcurrency ?? standardMapConcurrency,
    tolerated: toleratedOf(toleratedFailures ?? 0),
  };
}

/** A count, or a share such as "10%" of all, rounded down. */
function toleratedOf(given: number | string): (total: number) => number {
  if (typeof given === "number") return () => given;
  const share = given.endsWith("%") ? Number(given.slice(0, -1)) / 100 : Number.NaN;
  if (Number.isNaN(share))
    throw new RangeError(`${JSON.stringify(given)} is neither a count nor a share such as "10%"`);
  return (total) => Math.floor(total * share);
}

function compileEnd({ stepId, status, output, error }: TerminateStep): ProgramEnd {
  if (status === "COMPLETED") return { status, output: output === undefined ? undefined : compileInput(output) };
  const given = {
    code: "TERMINATED",
    message: `The workflow was terminated by step "${stepId}"`,
    category: "BUSINESS",
  };
  return { status, error: compileInput({ ...given, ...error }) };
}

function compileCompensation(step: CompensationStep): ProgramCompensation {
  return {
    stepId: step.stepId,
    type: "TASK",
    next: undefined,
    conditions: [],
    mapping: [],
    onFailure: undefined,
    ...noTask,
    ...noKind,
    ...compileTask(step),
    condition: step.condition === undefined ? undefined : compileCondition(step.condition),
  };
}

const noTask = {
  taskId: "",
  input: undefined,
  retry: compileRetry(undefined),
  timeoutMs: defaultStepTimeoutMs,
  transform: undefined,
  publishes: false,
};

type TaskFields = Pick<ProgramStep, "taskId" | "input" | "retry" | "timeoutMs" | "transform" | "publishes">;

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
    publishes: step.taskId === "event.publish",
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
