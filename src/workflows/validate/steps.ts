/** What a sound step must satisfy beyond its shape. */
import type { DelayStep, EventWaitStep } from "../../engine/index.ts";
import type { StepOutline } from "../schema/steps.ts";
import { checkChild, checkTermination } from "./children.ts";
import { checkMap, checkParallel } from "./containers.ts";
import type { Context } from "./context.ts";
import { checkDuration, checkEventPattern } from "./fields.ts";
import type { Standing } from "./names.ts";
import { oneOf } from "./nearest.ts";
import type { Place } from "./nesting.ts";
import { shown, under } from "./pointer.ts";
import type { Located } from "./shape.ts";
import { checkWork } from "./work.ts";

export function checkStep({ pointer, value: step }: Located<StepOutline>, context: Context): void {
  const place = context.graph.places.get(pointer)!;
  const at: Here = { ...context, place };
  if (step.type === "TERMINATE") {
    checkTermination(step, at);
    return;
  }
  checkTransitions(step, at);
  checkFailureTransitions(step, at);
  checkMapping(step.outputMapping, "outputMapping", { ...at, standing: "outcome" });
  switch (step.type) {
    case "TASK":
      checkWork(step, { ...at, pointer, standing: "step" });
      break;
    case "EVENT_WAIT":
      checkWait(step, at);
      break;
    case "DELAY":
      checkDelay(step, at);
      break;
    case "PARALLEL":
      checkParallel(step, at);
      break;
    case "MAP":
      checkMap(step, at);
      break;
    case "WORKFLOW":
      checkChild(step, at);
      break;
    case "DECISION":
      break;
  }
}

/** A step where it stands, and what checks share. */
type Here = Context & { place: Place };
type Choosing = Exclude<StepOutline, { type: "TERMINATE" }>;

function checkTransitions({ transitions }: Choosing, here: Here): void {
  const conditions = checkConditions(transitions, "transitions", { ...here, standing: "outcome" });
  if (conditions > 0 && transitions?.default === undefined) {
    const { kind } = here.place.list;
    const message = `When no condition holds, the ${kind} fails with NO_TRANSITION, for there is no default`;
    here.findings.warn(under(here.place.pointer, "transitions"), message, "a default step");
  }
}

/** Without a default, what no condition fits goes on failing: that is no fault. */
function checkFailureTransitions({ onFailure }: Choosing, here: Here): void {
  checkConditions(onFailure, "onFailure", { ...here, standing: "failure" });
}

/** How many conditions there are. */
function checkConditions(
  transitions: Choosing["transitions"],
  field: "transitions" | "onFailure",
  { checks, findings, place, standing }: Here & { standing: Standing },
): number {
  const conditions = transitions?.conditions ?? [];
  const seen = new Set<string>();
  for (const [index, { condition }] of conditions.entries()) {
    const pointer = under(place.pointer, field, "conditions", index, "condition");
    checks.condition(condition, { pointer, standing, place });
    if (seen.has(condition)) findings.warn(pointer, "The condition stands here a second time and never decides");
    seen.add(condition);
  }
  return conditions.length;
}

function checkWait(step: EventWaitStep, here: Here): void {
  const { checks, findings, place } = here;
  const at = (...path: string[]) => under(place.pointer, ...path);
  checkEventPattern(step.eventPattern, at("eventPattern"), findings);
  checkDuration(step.lookBack, at("lookBack"), findings, { zeroAllowed: true });
  checkDuration(step.eventTimeout?.duration, at("eventTimeout", "duration"), findings);
  if (step.eventCondition !== undefined) {
    checks.condition(step.eventCondition, { pointer: at("eventCondition"), standing: "event", place });
  }
  checkMapping(step.eventPayloadMapping, "eventPayloadMapping", { ...here, standing: "payload" });
}

const looksLikeDuration = /^(P[\dWDTHMS.,]+|\d+)$/i;
const looksLikeInstant = /^\d{4}-/;
const instant = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;

function checkDelay({ delay, until }: DelayStep, { checks, findings, place }: Here): void {
  const { pointer } = place;
  if ((delay === undefined) === (until === undefined)) {
    const message =
      delay === undefined ? "A DELAY step says neither how long nor until when" : "Both delay and until are given";
    findings.error(pointer, message, 'either "delay" or "until"');
  }
  if (typeof delay === "number" || (delay !== undefined && looksLikeDuration.test(delay))) {
    checkDuration(delay, under(pointer, "delay"), findings, { zeroAllowed: true });
  } else if (delay !== undefined) {
    checks.expression(delay, { pointer: under(pointer, "delay"), standing: "step", place });
  }
  if (until === undefined) return;
  if (!looksLikeInstant.test(until)) {
    checks.expression(until, { pointer: under(pointer, "until"), standing: "step", place });
  } else if (!instant.test(until) || Number.isNaN(Date.parse(until))) {
    const expected = 'an instant with a zone, such as "2030-01-31T08:00:00Z"';
    findings.error(under(pointer, "until"), `${shown(until)} is not an instant`, expected);
  }
}

/** Where some variables are declared, one that is not is probably misspelt. */
function checkMapping(
  mapping: Record<string, string> | undefined,
  field: string,
  { checks, findings, place, standing, variables, suggestVariable }: Here & { standing: Standing },
): void {
  for (const [name, source] of Object.entries(mapping ?? {})) {
    const pointer = under(place.pointer, field, name);
    checks.expression(source, { pointer, standing, place });
    if (variables.size === 0 || variables.has(name)) continue;
    findings.warn(pointer, `The variable ${shown(name)} is not declared`, oneOf([...variables], suggestVariable(name)));
  }
}
