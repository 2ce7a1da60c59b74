/** What a sound step must satisfy beyond its shape. */
import type { CompensationStep, DelayStep, EventWaitStep, Json, Step } from "../../engine/index.ts";
import type { ExpressionChecks, Standing } from "./expressions.ts";
import { checkDuration, checkEventPattern, checkRetryPolicy } from "./fields.ts";
import type { Findings } from "./findings.ts";
import type { Graph } from "./graph.ts";
import { createSuggest, oneOf } from "./nearest.ts";
import { isRecord, kindOf, shown, under } from "./pointer.ts";
import type { Located } from "./shape.ts";

export interface StepContext {
  checks: ExpressionChecks;
  findings: Findings;
}

export function checkStep({ pointer, value: step }: Located<Step>, context: StepContext): void {
  checkTransitions(step, pointer, context);
  checkMapping(step.outputMapping, under(pointer, "outputMapping"), {
    ...context,
    standing: "outcome",
    stepId: step.stepId,
  });
  if (step.type === "TASK") checkWork(step, pointer, { ...context, standing: "step", stepId: step.stepId });
  else if (step.type === "EVENT_WAIT") checkWait(step, pointer, context);
  else if (step.type === "DELAY") checkDelay(step, pointer, context);
}

function checkTransitions(step: Step, pointer: string, { checks, findings }: StepContext): void {
  const conditions = step.transitions?.conditions ?? [];
  const at = under(pointer, "transitions", "conditions");
  const seen = new Set<string>();
  for (const [index, { condition }] of conditions.entries()) {
    const place = under(at, index, "condition");
    checks.condition(condition, { pointer: place, standing: "outcome", stepId: step.stepId });
    if (seen.has(condition)) findings.warn(place, "The condition stands here a second time and never decides");
    seen.add(condition);
  }
  if (conditions.length > 0 && step.transitions?.default === undefined) {
    const message = "When no condition holds, the workflow fails with NO_TRANSITION, for there is no default";
    findings.warn(under(pointer, "transitions"), message, "a default step");
  }
}

type Place = StepContext & { standing: Standing; stepId?: string };
type Work = Pick<CompensationStep, "taskId" | "input" | "retryPolicy" | "timeout">;

function checkWork(work: Work, pointer: string, place: Place): void {
  checkDuration(work.timeout, under(pointer, "timeout"), place.findings);
  checkRetryPolicy(work.retryPolicy, under(pointer, "retryPolicy"), place.findings);
  const input = under(pointer, "input");
  if (work.taskId === "transform") checkTransform(work.input, input, place);
  else if (work.input !== undefined) place.checks.input(work.input, { ...place, pointer: input });
}

/** The built-in `transform` takes one expression as it stands; nothing in it is interpolated. */
function checkTransform(input: Json | undefined, pointer: string, place: Place): void {
  const expected = '{ "expression": "…" }';
  if (isRecord(input) && typeof input.expression === "string") {
    place.checks.expression(input.expression, { ...place, pointer: under(pointer, "expression") });
  } else if (isRecord(input)) {
    place.findings.error(under(pointer, "expression"), "The task transform has no expression to evaluate", expected);
  } else {
    const found = input === undefined ? "missing" : kindOf(input);
    place.findings.error(pointer, `The input of the task transform is ${found}`, expected);
  }
}

function checkWait(step: EventWaitStep, pointer: string, context: StepContext): void {
  const { checks, findings } = context;
  const { stepId } = step;
  checkEventPattern(step.eventPattern, under(pointer, "eventPattern"), findings);
  checkDuration(step.eventTimeout?.duration, under(pointer, "eventTimeout", "duration"), findings);
  if (step.eventCondition !== undefined) {
    checks.condition(step.eventCondition, { pointer: under(pointer, "eventCondition"), standing: "event", stepId });
  }
  checkMapping(step.eventPayloadMapping, under(pointer, "eventPayloadMapping"), {
    ...context,
    standing: "payload",
    stepId,
  });
}

const looksLikeDuration = /^(P[\dWDTHMS.,]+|\d+)$/i;
const looksLikeInstant = /^\d{4}-/;
const instant = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;

function checkDelay({ delay, until, stepId }: DelayStep, pointer: string, { checks, findings }: StepContext): void {
  if ((delay === undefined) === (until === undefined)) {
    const message =
      delay === undefined ? "A DELAY step says neither how long nor until when" : "Both delay and until are given";
    findings.error(pointer, message, 'either "delay" or "until"');
  }
  if (typeof delay === "number" || (delay !== undefined && looksLikeDuration.test(delay))) {
    checkDuration(delay, under(pointer, "delay"), findings, { zeroAllowed: true });
  } else if (delay !== undefined) {
    checks.expression(delay, { pointer: under(pointer, "delay"), standing: "step", stepId });
  }
  if (until === undefined) return;
  if (!looksLikeInstant.test(until)) {
    checks.expression(until, { pointer: under(pointer, "until"), standing: "step", stepId });
  } else if (!instant.test(until) || Number.isNaN(Date.parse(until))) {
    const expected = 'an instant with a zone, such as "2030-01-31T08:00:00Z"';
    findings.error(under(pointer, "until"), `${shown(until)} is not an instant`, expected);
  }
}

function checkMapping(mapping: Record<string, string> | undefined, pointer: string, place: Place): void {
  for (const [name, source] of Object.entries(mapping ?? {})) {
    place.checks.expression(source, { ...place, pointer: under(pointer, name) });
  }
}

/** Compensation steps: a step of their own kind each, run after the workflow has ended in a failure or been cancelled. */
export function checkCompensations(
  steps: readonly Located<CompensationStep>[],
  typeOf: ReadonlyMap<string, string>,
  graph: Graph,
  context: StepContext,
): void {
  const { checks, findings } = context;
  const suggest = createSuggest(graph.steps.keys());
  const seen = new Map<string, string>();
  for (const { pointer, value: step } of steps) {
    const taken = graph.steps.get(step.stepId)?.pointer ?? seen.get(step.stepId);
    if (taken !== undefined) {
      findings.error(under(pointer, "stepId"), `${shown(step.stepId)} is already the id of ${taken}`, "another id");
    }
    seen.set(step.stepId, pointer);
    const undone = step.compensationFor;
    const type = typeOf.get(undone);
    if (!graph.steps.has(undone)) {
      const expected = oneOf([...graph.steps.keys()], suggest(undone));
      findings.error(under(pointer, "compensationFor"), `There is no step ${shown(undone)}`, expected);
    } else if (type === "DECISION" || type === "DELAY") {
      const message = `The step ${shown(undone)} is a ${type}, which leaves nothing to undo`;
      findings.error(under(pointer, "compensationFor"), message, "the stepId of a TASK or an EVENT_WAIT");
    }
    checkWork(step, pointer, { ...context, standing: "undoing" });
    if (step.condition !== undefined) {
      checks.condition(step.condition, { pointer: under(pointer, "condition"), standing: "undo" });
    }
  }
}
