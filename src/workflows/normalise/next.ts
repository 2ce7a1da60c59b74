/** `next`, and the empty spellings of transitions. */
import { isRecord, under } from "../validate/pointer.ts";
import type { Border, Fields, Place } from "./border.ts";

/** Turns `next` of a copied step into `transitions`, and takes out what says nothing. */
export function normaliseTransitions(step: Fields, place: Place, border: Border): void {
  normaliseNext(step, place, border);
  for (const name of ["transitions", "onFailure"]) {
    const choice = step[name];
    if (choice === null) delete step[name];
    else if (isRecord(choice) && (choice.default === "" || choice.default === null)) {
      const { default: _none, ...rest } = choice;
      step[name] = rest;
    }
  }
  // Nothing follows the end, and tools write that down as well.
  const { type, transitions } = step;
  if (type === "TERMINATE" && isRecord(transitions) && Object.keys(transitions).length === 0) delete step.transitions;
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
      const message = "A second entry has no condition; one step follows, not several";
      border.errors.push({ pointer: at, message, expected: "a condition, or a PARALLEL step with a branch for each" });
    }
  }
  step.transitions = conditions.length > 0 ? { ...transitions, conditions } : transitions;
}
