/** The other names of a retry policy. */
import { parseDuration } from "../../foundation/duration.ts";
import { isRecord, shown, under } from "../validate/pointer.ts";
import { type Border, type Fields, inside, type Place } from "./border.ts";

/**
 * Gives the fields of a retry policy their canonical names, in a copy of the step or document that has it. A name whose
 * canonical field is given too is left for the validator to refuse.
 */
export function normaliseRetry(owner: Fields, place: Place, border: Border): Fields {
  if (!isRecord(owner.retryPolicy)) return owner;
  const policy: Fields = { ...owner.retryPolicy };
  const { from, to } = inside(place, "retryPolicy");
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
  if (Object.hasOwn(owner.retryPolicy, "delay")) keepLongDelay(policy, { from, to }, border);
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
  return { ...owner, retryPolicy: policy };
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
