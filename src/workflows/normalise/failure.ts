/**
 * The other spellings of `onFailure`, each of which becomes `{ default?, conditions? }`:
 *
 * | written                                            | meaning                                                    |
 * |----------------------------------------------------|------------------------------------------------------------|
 * | `"cleanup"`, `{ handlerStepId: "cleanup" }`        | the step that handles every failure                         |
 * | `{ action: "continue", nextStepId? }`              | that step, or the one that follows a success                |
 * | `{ action: "stop" }`, `{ action: "retry" }`        | nobody handles it; the retry policy says how often it is tried |
 * | `{ errorHandler: { conditions: [{ errorType?, errorCode?, nextStepId }] } }` | tried first, whatever the action |
 */
import { nearest, oneOf } from "../validate/nearest.ts";
import { isRecord, kindOf, shown, under } from "../validate/pointer.ts";
import { type Border, type Fields, type Place, refuseOthers } from "./border.ts";

const actions = ["continue", "stop", "retry"];
const otherFields = ["action", "nextStepId", "errorHandler", "handlerStepId"];

/** Rewrites `onFailure` of a copied step whose transitions are canonical already. */
export function normaliseFailure(step: Fields, place: Place, border: Border): void {
  const given = step.onFailure;
  const pointer = under(place.from, "onFailure");
  const to = under(place.to, "onFailure");
  if (typeof given === "string") {
    border.origins.set(under(to, "default"), pointer);
    step.onFailure = { default: given };
  } else if (
    isRecord(given) &&
    Object.keys(given).some((name) => otherFields.includes(name) || name === "inputMapping")
  ) {
    const choice = choiceOf(given, step, { pointer, to, place, border });
    if (Object.keys(choice).length > 0) step.onFailure = choice;
    else delete step.onFailure;
  }
}

interface Reading {
  /** Of `onFailure` in the given document. */
  pointer: string;
  /** Of `onFailure` in the normalised one. */
  to: string;
  /** The step. */
  place: Place;
  border: Border;
}

function choiceOf(given: Fields, step: Fields, reading: Reading): Fields {
  const { pointer, border } = reading;
  const { inputMapping, ...rest } = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  if (inputMapping !== undefined) {
    border.errors.push({
      pointer: under(pointer, "inputMapping"),
      message: "A handler takes its own input",
      expected: "the input of the handler step, which sees error",
    });
  }
  refuseOthers(rest, pointer, { known: otherFields, border });
  const target = defaultOf(rest, step, reading);
  const conditions = conditionsOf(rest.errorHandler, reading);
  return { ...(target === undefined ? {} : { default: target }), ...(conditions.length > 0 ? { conditions } : {}) };
}

/** The step that handles what no condition fits, whatever it is: the validator judges it. */
function defaultOf(given: Fields, step: Fields, { pointer, to, place, border }: Reading): unknown {
  const { action, nextStepId, handlerStepId } = given;
  const fail = (name: string, message: string, expected: string) => {
    border.errors.push({ pointer: under(pointer, name), message, expected });
    return undefined;
  };
  if (action !== undefined && !actions.some((known) => known === action)) {
    const meant = typeof action === "string" ? nearest(action, actions) : undefined;
    return fail("action", `The action is ${shown(action)}`, oneOf(actions, meant));
  }
  if (nextStepId !== undefined && handlerStepId !== undefined) {
    return fail("handlerStepId", "Both nextStepId and handlerStepId are given", "one of them");
  }
  const name = handlerStepId === undefined ? "nextStepId" : "handlerStepId";
  const named = nextStepId ?? handlerStepId;
  if (action === "stop" || action === "retry") {
    if (named === undefined) return undefined;
    return fail(name, `The action ${shown(action)} goes to no step`, 'the action "continue"');
  }
  if (named !== undefined) {
    border.origins.set(under(to, "default"), under(pointer, name));
    return named;
  }
  if (action === undefined) return undefined;
  const follows = isRecord(step.transitions) ? step.transitions.default : undefined;
  if (follows === undefined) {
    return fail("action", "Nothing follows this step by default, so it cannot continue there", "a nextStepId");
  }
  const default_ = under(place.to, "transitions", "default");
  border.origins.set(under(to, "default"), border.origins.get(default_) ?? under(place.from, "transitions", "default"));
  return follows;
}

function conditionsOf(handler: unknown, { pointer, to, border }: Reading): Fields[] {
  if (handler === undefined || handler === null) return [];
  const at = under(pointer, "errorHandler");
  const expected = '{ "conditions": [{ "errorCode": "…", "nextStepId": "…" }] }';
  if (!isRecord(handler) || !Array.isArray(handler.conditions)) {
    const found = isRecord(handler) ? "has no list of conditions" : `is ${kindOf(handler)}`;
    border.errors.push({ pointer: at, message: `The errorHandler ${found}`, expected });
    return [];
  }
  refuseOthers(handler, at, { known: ["conditions"], border });
  const conditions: Fields[] = [];
  for (const [index, entry] of handler.conditions.entries()) {
    const from = under(at, "conditions", index);
    const condition = isRecord(entry) ? conditionOf(entry, from, border) : undefined;
    if (!isRecord(entry) || typeof entry.nextStepId !== "string") {
      border.errors.push({ pointer: from, message: "The entry names no next step", expected: '{ "nextStepId": "…" }' });
    } else if (condition !== undefined) {
      const target = under(to, "conditions", conditions.length);
      border.origins.set(target, from).set(under(target, "nextStep"), under(from, "nextStepId"));
      conditions.push({ condition, nextStep: entry.nextStepId });
    }
  }
  return conditions;
}

/** An entry that names neither a type nor a code fits every error. Undefined after a fault. */
function conditionOf(entry: Fields, pointer: string, border: Border): string | undefined {
  refuseOthers(entry, pointer, { known: ["errorType", "errorCode", "nextStepId"], border });
  const parts: string[] = [];
  let sound = true;
  for (const [name, path] of [
    ["errorType", "error.category"],
    ["errorCode", "error.code"],
  ] as const) {
    const value = entry[name];
    if (value === undefined || value === null) continue;
    if (typeof value === "string" && value !== "") {
      parts.push(`${path} == ${JSON.stringify(value)}`);
    } else {
      border.errors.push({
        pointer: under(pointer, name),
        message: `${shown(name)} is ${shown(value)}`,
        expected: "a name",
      });
      sound = false;
    }
  }
  if (!sound) return undefined;
  return parts.length === 0 ? "true" : parts.join(" && ");
}
