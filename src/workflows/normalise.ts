/**
 * The border between the dialects: turns the other spelling of steps into the canonical one before anything is checked.
 *
 * | other                                                        | canonical                                      |
 * |--------------------------------------------------------------|------------------------------------------------|
 * | `next: [{ nextStepId, condition? }]`                         | `transitions`; the entry without one: `default` |
 * | `retryPolicy { maxAttempts, delay, strategy }`               | `initialInterval`, `backoffMultiplier`         |
 * | `retryPolicy { maxRetries, retryInterval, maxRetryInterval }` | `maxAttempts` (one more), the intervals        |
 * | type `DELAYED_TASK` with `delay`                             | type `DELAY`; with a `taskId` also a TASK after it |
 * | empty `transitions` or an empty `default`                    | none: the workflow ends there                  |
 *
 * The input is any guarded JSON value and is not changed. What cannot be a definition is passed on as it is, for the
 * validator to say so.
 */
import { parseDuration } from "../foundation/duration.ts";
import type { InputError } from "../foundation/errors.ts";
import { isRecord, parsePointer, shown, under, valueAt } from "./validate/pointer.ts";

export interface Normalised {
  document: unknown;
  /** What the dialects have but this program does not, or what says two things at once. */
  errors: InputError[];
  /** Where in the given document a place of the normalised one came from. */
  originOf(pointer: string): string;
}

type Fields = Record<string, unknown>;

interface Border {
  errors: InputError[];
  /** Canonical pointer → pointer in the given document, where they differ. */
  origins: Map<string, string>;
}

export function normaliseDocument(given: unknown): Normalised {
  const border: Border = { errors: [], origins: new Map() };
  const document = isRecord(given) ? normaliseFields(given, border) : given;
  return { document, errors: border.errors, originOf: (pointer) => originOf(pointer, border.origins, given) };
}

/** The longest prefix that moved leads; a place that the given document lacks becomes the nearest one around it. */
function originOf(pointer: string, origins: ReadonlyMap<string, string>, given: unknown): string {
  let prefix = pointer;
  while (prefix !== "" && !origins.has(prefix)) prefix = prefix.slice(0, prefix.lastIndexOf("/"));
  let origin = (origins.get(prefix) ?? prefix) + pointer.slice(prefix.length);
  while (origin !== "" && !valueAt(given, parsePointer(origin).slice(0, -1)).found) {
    origin = origin.slice(0, origin.lastIndexOf("/"));
  }
  return origin;
}

function normaliseFields(given: Fields, border: Border): Fields {
  const document: Fields = { ...given };
  if (Array.isArray(given.steps)) document.steps = normaliseSteps(given.steps, border);
  if (Array.isArray(given.compensationSteps)) {
    document.compensationSteps = given.compensationSteps.map((step: unknown, index) => {
      const pointer = under("/compensationSteps", index);
      return isRecord(step) ? normaliseRetry(step, { from: pointer, to: pointer }, border) : step;
    });
  }
  return document;
}

interface Place {
  /** The step in the given document. */
  from: string;
  /** The step in the normalised one. */
  to: string;
}

function normaliseSteps(steps: readonly unknown[], border: Border): unknown[] {
  const result: unknown[] = [];
  /** stepIds of delayed tasks → the stepId of the delay before them, where whoever meant the task must go. */
  const delayed = new Map<string, string>();
  for (const [index, step] of steps.entries()) {
    const place = { from: under("/steps", index), to: under("/steps", result.length) };
    if (place.from !== place.to) border.origins.set(place.to, place.from);
    if (!isRecord(step)) {
      result.push(step);
    } else if (step.type === "DELAYED_TASK") {
      result.push(...splitDelayedTask(step, place, { border, delayed }));
    } else {
      result.push(normaliseStep(step, place, border));
    }
  }
  return delayed.size === 0 ? result : result.map((step) => redirect(step, delayed));
}

const laterFields: Readonly<Record<string, string>> = {
  parallelBranches: "transitions to one step after the other",
  onFailure: "retryPolicy, and compensationSteps for what has to be undone",
};

function normaliseStep(given: Fields, place: Place, border: Border): Fields {
  const step: Fields = { ...given };
  for (const [name, expected] of Object.entries(laterFields)) {
    if (!Object.hasOwn(step, name)) continue;
    border.errors.push({ pointer: under(place.from, name), message: `${shown(name)} is not supported`, expected });
    delete step[name];
  }
  normaliseNext(step, place, border);
  if (step.transitions === null) delete step.transitions;
  if (isRecord(step.transitions) && (step.transitions.default === "" || step.transitions.default === null)) {
    const { default: _none, ...rest } = step.transitions;
    step.transitions = rest;
  }
  return normaliseRetry(step, place, border);
}

function normaliseNext(step: Fields, place: Place, border: Border): void {
  const { next } = step;
  if (next === undefined) return;
  const pointer = under(place.from, "next");
  delete step.next;
  if (Object.hasOwn(step, "transitions")) {
    border.errors.push({ pointer, message: "Both next and transitions are given", expected: "one of them" });
    return;
  }
  if (!Array.isArray(next)) {
    const expected = 'a list such as [{ "nextStepId": "ship" }], or transitions';
    border.errors.push({ pointer, message: '"next" is not a list', expected });
    return;
  }
  const transitions: Fields = {};
  const conditions: Fields[] = [];
  const to = under(place.to, "transitions");
  border.origins.set(to, pointer);
  for (const [index, entry] of next.entries()) {
    const at = under(pointer, index);
    if (!isRecord(entry) || typeof entry.nextStepId !== "string") {
      border.errors.push({ pointer: at, message: "The entry names no next step", expected: '{ "nextStepId": "…" }' });
    } else if (entry.condition !== undefined && entry.condition !== null) {
      const target = under(to, "conditions", conditions.length);
      border.origins.set(target, at).set(under(target, "nextStep"), under(at, "nextStepId"));
      conditions.push({ condition: entry.condition, nextStep: entry.nextStepId });
    } else if (transitions.default === undefined) {
      border.origins.set(under(to, "default"), under(at, "nextStepId"));
      transitions.default = entry.nextStepId;
    } else {
      const message = "A second entry has no condition; steps do not run side by side";
      border.errors.push({ pointer: at, message, expected: "a condition" });
    }
  }
  step.transitions = conditions.length > 0 ? { ...transitions, conditions } : transitions;
}

/** The other names of a retry policy; a name whose canonical field is given too is left for the validator to refuse. */
function normaliseRetry(step: Fields, place: Place, border: Border): Fields {
  if (!isRecord(step.retryPolicy)) return step;
  const policy: Fields = { ...step.retryPolicy };
  const from = under(place.from, "retryPolicy");
  const to = under(place.to, "retryPolicy");
  const rename = (name: string, canonical: string, change = (value: unknown) => value) => {
    if (!Object.hasOwn(policy, name) || Object.hasOwn(policy, canonical)) return;
    border.origins.set(under(to, canonical), under(from, name));
    policy[canonical] = change(policy[name]);
    delete policy[name];
  };
  rename("maxRetries", "maxAttempts", (value) => (typeof value === "number" ? value + 1 : value));
  rename("retryInterval", "initialInterval");
  rename("maxRetryInterval", "maxInterval");
  rename("delay", "initialInterval");
  if (Object.hasOwn(step.retryPolicy, "delay")) keepLongDelay(policy, { from, to }, border);
  if (policy.strategy === "exponential") delete policy.strategy;
  else if (policy.strategy === "fixed") makeFixed(policy, { from, to }, border);
  else if (Object.hasOwn(policy, "strategy")) {
    const pointer = under(from, "strategy");
    border.errors.push({
      pointer,
      message: `The strategy is ${shown(policy.strategy)}`,
      expected: '"exponential" or "fixed"',
    });
    delete policy.strategy;
  }
  return { ...step, retryPolicy: policy };
}

/** Every pause the same: no growth, no chance, and a bound that does not cut it. */
function makeFixed(policy: Fields, { from, to }: Place, border: Border): void {
  delete policy.strategy;
  for (const name of ["backoffMultiplier", "jitter", "maxInterval"])
    border.origins.set(under(to, name), under(from, "strategy"));
  policy.backoffMultiplier ??= 1;
  policy.jitter ??= 0;
  if (policy.initialInterval !== undefined) policy.maxInterval ??= policy.initialInterval;
}

const defaultMaxMs = 60_000;

/** The other dialect has no longest pause, so the default one must not cut its `delay`. */
function keepLongDelay(policy: Fields, { from, to }: Place, border: Border): void {
  const { initialInterval: delay, maxInterval } = policy;
  if (maxInterval !== undefined || (typeof delay !== "string" && typeof delay !== "number")) return;
  try {
    if (parseDuration(delay) <= defaultMaxMs) return;
  } catch {
    return; // The validator says what is wrong with it.
  }
  border.origins.set(under(to, "maxInterval"), under(from, "delay"));
  policy.maxInterval = delay;
}

/**
 * A delayed task without a task is a delay. With one it becomes two steps: a delay named `<stepId>.delay`, which takes
 * over all that leads to the step, and the task, which keeps the name that expressions read.
 */
function splitDelayedTask(
  given: Fields,
  place: Place,
  { border, delayed }: { border: Border; delayed: Map<string, string> },
): Fields[] {
  const { delay, ...rest } = given;
  if (rest.taskId === undefined || typeof rest.stepId !== "string") {
    return [normaliseStep({ ...given, type: "DELAY" }, place, border)];
  }
  const second = place.to.replace(/\d+$/, (index) => String(Number(index) + 1));
  border.origins.set(place.to, place.from).set(second, place.from);
  border.origins.set(under(place.to, "transitions"), place.from);
  const delayId = `${rest.stepId}.delay`;
  delayed.set(rest.stepId, delayId);
  const before: Fields = { stepId: delayId, type: "DELAY", transitions: { default: rest.stepId } };
  if (delay !== undefined) before.delay = delay;
  return [before, normaliseStep({ ...rest, type: "TASK" }, { from: place.from, to: second }, border)];
}

/** Lets what leads to a delayed task lead to the delay before it. */
function redirect(step: unknown, delayed: ReadonlyMap<string, string>): unknown {
  if (!isRecord(step)) return step;
  const to = (target: unknown) => {
    const delayId = typeof target === "string" ? delayed.get(target) : undefined;
    return delayId === undefined || delayId === step.stepId ? target : delayId;
  };
  const result: Fields = { ...step };
  if (isRecord(step.transitions)) {
    const { conditions } = step.transitions;
    const transitions: Fields = { ...step.transitions };
    if (transitions.default !== undefined) transitions.default = to(transitions.default);
    if (Array.isArray(conditions)) {
      transitions.conditions = conditions.map((item: unknown) =>
        isRecord(item) && item.nextStep !== undefined ? { ...item, nextStep: to(item.nextStep) } : item,
      );
    }
    result.transitions = transitions;
  }
  if (isRecord(step.eventTimeout) && step.eventTimeout.timeoutHandlerStepId !== undefined) {
    result.eventTimeout = { ...step.eventTimeout, timeoutHandlerStepId: to(step.eventTimeout.timeoutHandlerStepId) };
  }
  return result;
}
