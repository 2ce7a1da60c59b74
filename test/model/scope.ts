/** What the model's steps stand in, and the rules of the documents that need no more than that. */

import type { Definition, Json, RetryPolicy } from "../../src/engine/index.ts";
import { compileInput, ExpressionError } from "../../src/foundation/expressions/index.ts";
import { compileSchema } from "../../src/foundation/json_schema/index.ts";
import { type Clock, nothing } from "./coroutines.ts";
import type { Row } from "./history.ts";
import type { Failure, Mail, Oracle } from "./oracle.ts";

/** How a step or a list of steps ends. `leaves`: scopes that go on by themselves. `isLast`: and the workflow with it. */
export type End = { output: Json; leaves?: Frame[] } | { error: Failure; handler?: string | undefined; isLast?: true };

/** The run of one list: the workflow itself, a branch, an item. A branch shares the `steps` of what is around it. */
export interface Frame {
  prefix: string;
  visits: Record<string, number>;
  steps: Record<string, object>;
  around?: Frame;
  caught?: Failure | undefined;
  item?: { item: Json; index: number };
}

/** A wait that is open; `sinceMs` tells which events are not for it. */
export interface Wait {
  sinceMs: number;
  fits(mail: Mail): boolean;
  wake(mail: Mail): void;
}

export interface Event extends Mail {
  atMs: number;
}

/** One instance. */
export interface World {
  clock: Clock;
  definition: Definition;
  input: Json;
  oracle: Oracle;
  variables: Record<string, Json>;
  rows: Row[];
  phase: "running" | "undoing" | "pausing";
  waits: Set<Wait>;
  mailbox: Mail[];
  /** All that have come since the start, and those that have ended a wait. */
  events: Event[];
  consumed: Set<Event>;
  /** Scopes that a PARALLEL left to themselves, by their prefixes. */
  left: string[];
  /** What can be undone, in order of completion. */
  done: { stepId: string; originalInput: Json; originalOutput: Json }[];
  /** When places last began together, and whether what happened at such an instant depends on their order. */
  lastBegan: number;
  isOpen: boolean;
  /** Ends the run, by the definition's output when nothing is given. */
  finish(end: End | undefined): void;
}

/** The event ends the wait, and no other. */
export function take({ waits, consumed }: World, wait: Wait, event: Event): void {
  consumed.add(event);
  waits.delete(wait);
  wait.wake(event);
}

/** Looks for events that came before the wait, once all that happens at this instant has happened. */
export function lookBack(world: World, wait: Wait): () => void {
  if (world.events.length === 0) return nothing;
  return world.clock.after(0, () => {
    if (!world.waits.has(wait)) return;
    const { events, consumed, clock } = world;
    const found = events.find((event) => event.atMs >= wait.sinceMs && !consumed.has(event) && wait.fits(event));
    if (found === undefined) return;
    world.isOpen ||= world.lastBegan === clock.now;
    take(world, wait, found);
  });
}

export const bag = <T>(...from: Record<string, T>[]): Record<string, T> => Object.assign(Object.create(null), ...from);

export function failed(code: string, category: Failure["category"] = "VALIDATION"): { error: Failure } {
  return { error: { code, category } };
}

/** What expressions about an event see. */
export const seen = (mail: Mail) => ({ event: mail, payload: mail.payload });

export function matches(pattern: string, type: string): boolean {
  const expression = pattern.replaceAll(".", "\\.").replace(/>$/, ".+").replaceAll("*", "[^.]+");
  return new RegExp(`^${expression}$`).test(type);
}

/** After how long a failure is tried again; undefined for never. */
export function backoff(policy: RetryPolicy, error: Failure, attempt: number): number | undefined {
  const named = (list: string[]) => list.includes(error.code) || list.includes(error.category);
  const retried = named(policy.retryableErrors ?? ["TRANSIENT", "TIMEOUT", "SYSTEM", "UNKNOWN"]);
  if (attempt >= (policy.maxAttempts ?? 3) || named(policy.nonRetryableErrors ?? []) || !retried) return undefined;
  const ms = Number(policy.initialInterval ?? 1_000) * (policy.backoffMultiplier ?? 2) ** (attempt - 1);
  return Math.max(1, Math.ceil(Math.min(ms, Number(policy.maxInterval ?? 60_000))));
}

/** The failure that a scope sees: its own, or that of the next scope around it that has one. */
export function caughtAround(frame: Frame | undefined): Failure | undefined {
  return frame && (frame.caught ?? caughtAround(frame.around));
}

export function evaluate({ input, variables }: World, source: Json, frame: Frame, more: object = {}): End {
  const chain: Frame[] = [];
  for (let each: Frame | undefined = frame; each !== undefined; each = each.around) chain.unshift(each);
  const error = caughtAround(frame) ?? null;
  const steps = bag(...chain.map((each) => each.steps));
  const scope = { input, variables, steps, error, ...chain.findLast(({ item }) => item)?.item, ...more };
  try {
    return { output: structuredClone(compileInput(source).evaluate(scope) as Json) };
  } catch (thrown) {
    if (thrown instanceof ExpressionError) return failed("EXPRESSION_ERROR");
    throw thrown;
  }
}

export function holds(world: World, condition: string | undefined, frame: Frame, more?: object): boolean {
  const value = condition === undefined ? { output: true } : evaluate(world, condition, frame, more);
  return "output" in value && value.output === true;
}

/** The end after a mapping, which puts what it sets into `set`. */
export function mapped(
  world: World,
  mapping: Record<string, string> | undefined,
  on: { frame: Frame; end: End; set: Record<string, Json>; more: object },
): End {
  for (const [name, expression] of Object.entries(mapping ?? {})) {
    const variables = bag(world.variables, on.set);
    const value = evaluate(world, expression, on.frame, { ...on.more, variables });
    if ("error" in value) return value;
    on.set[name] = value.output;
  }
  const declared = new Map(Object.entries(world.definition.variables ?? {}));
  const misfits = ([name, value]: [string, Json]) => {
    const type = declared.get(name)?.type ?? "any";
    return type !== "any" && compileSchema({ type }).validate(value).length > 0;
  };
  return Object.entries(on.set).some(misfits) ? failed("VARIABLE_TYPE") : on.end;
}

/** The path of the next visit of a step. */
export function pathOf(stepId: string, { prefix, visits }: Frame): string {
  visits[stepId] = (visits[stepId] ?? 0) + 1;
  return `${prefix}${stepId}${visits[stepId] === 1 ? "" : `#${visits[stepId]}`}`;
}
