/** What a shape is, and the words in which shapes are written. */

import type { CompensationStep, Definition, Json, Step } from "../../src/engine/index.ts";
import type { Random } from "../../src/engine/simulation/random.ts";

export type Act =
  | { kind: "signal"; type: string; payload: Json; key?: string }
  /** An event for whoever waits for it; with its id it is one, however often it is sent. */
  | { kind: "publish"; pattern: string; eventId: string; payload: Json }
  | { kind: "cancel"; compensate: boolean }
  /** Sent until it is accepted, or the instance is found to have ended or to be in no state for it. */
  | { kind: "pause" | "resume" | "retry" }
  | { kind: "skip"; stepId: string }
  | { kind: "priority"; priority: number }
  /** To the shape's second version. */
  | { kind: "migrate" }
  | { kind: "restart"; fromStepId: string };

/** What a caller does to an instance after its start. Times are after the start's answer. */
export interface FollowUp {
  afterMs: number;
  act: Act;
  /** Sent twice, to two nodes. */
  twice?: boolean;
}

export interface Case {
  input: Json;
  followUps: FollowUp[];
  /** Statuses that the instance may end with; a restart of it, too. */
  ends: ("COMPLETED" | "FAILED" | "CANCELLED")[];
  /** One of these is the output of an instance that ended as COMPLETED. Compared as JSON. */
  outputs?: Json[];
  /** The code of the error of an instance that ended as FAILED. */
  errorCode?: string;
  /** Sent with an idempotency key, twice, to two nodes at once. */
  keyed?: boolean;
}

export interface Shape {
  definition: Definition;
  /** A second version, to which instances of the first may be migrated. */
  next?: Definition;
  /** How often it is chosen, beside the others. */
  weight: number;
  /** Draws one case. Draws the same numbers in the same order for the same seed. */
  draw(random: Random): Case;
}

const retryPolicy = { maxAttempts: 4, initialInterval: 150, backoffMultiplier: 2, maxInterval: 1_000 };

export function work(
  stepId: string,
  next: string | undefined,
  input: Json,
  more: Partial<Extract<Step, { type: "TASK" }>> = {},
): Step {
  return { stepId, type: "TASK", taskId: "work", input, retryPolicy, ...to(next), ...more };
}

export function child(
  stepId: string,
  next: string | undefined,
  more: Pick<Extract<Step, { type: "WORKFLOW" }>, "workflowId"> & Partial<Extract<Step, { type: "WORKFLOW" }>>,
): Step {
  return { stepId, type: "WORKFLOW", ...to(next), ...more };
}

/** A result that the engine gives itself. */
export function value(stepId: string, next: string | undefined, expression: string): Step {
  return { stepId, type: "TASK", taskId: "transform", input: { expression }, ...to(next) };
}

const to = (next: string | undefined) => (next === undefined ? {} : { transitions: { default: next } });

export function undo(stepId: string, compensationFor: string, input: Json = { value: 0, ms: 5 }): CompensationStep {
  return { stepId, compensationFor, type: "TASK", taskId: "work", input, retryPolicy: { maxAttempts: 1 } };
}

/** The input of a step that takes its value from the instance. */
export const taken = { value: "${input.n}", ms: "${input.ms}" };
/** The input of a step that takes its value from another. */
export const from = (stepId: string) => ({ value: `\${steps.${stepId}.output.value}`, ms: "${input.ms}" });
export const resultOf = (stepId: string) => ({ value: `\${steps.${stepId}.output.value}` });

export type Rest = Omit<Definition, "workflowId" | "name" | "version">;

export function shape(workflowId: string, weight: number, rest: Rest & { next?: Rest }, draw: Shape["draw"]): Shape {
  const { next, ...first } = rest;
  const version = (number: string, what: Rest): Definition => ({
    workflowId,
    name: workflowId,
    version: number,
    ...what,
  });
  return {
    weight,
    definition: version("1.0.0", first),
    ...(next === undefined ? {} : { next: version("2.0.0", next) }),
    draw,
  };
}
