/** What a shape is, and the words in which shapes are written. */

import type { CompensationStep, Definition, Json, Step } from "../../src/engine/index.ts";
import type { Random } from "../../src/engine/simulation/random.ts";

/** What a caller does to an instance after its start. Times are after the start's answer. */
export interface FollowUp {
  afterMs: number;
  act: { kind: "signal"; type: string; payload: Json; key?: string } | { kind: "cancel"; compensate: boolean };
  /** Sent twice, to two nodes. */
  twice?: boolean;
}

export interface Case {
  input: Json;
  followUps: FollowUp[];
  /** Statuses that the instance may end with. */
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
  return {
    stepId,
    type: "TASK",
    taskId: "work",
    input,
    retryPolicy,
    ...(next === undefined ? {} : { transitions: { default: next } }),
    ...more,
  };
}

export function undo(stepId: string, compensationFor: string, input: Json = { value: 0, ms: 5 }): CompensationStep {
  return { stepId, compensationFor, type: "TASK", taskId: "work", input, retryPolicy: { maxAttempts: 1 } };
}

/** The input of a step that takes its value from the instance. */
export const taken = { value: "${input.n}", ms: "${input.ms}" };
/** The input of a step that takes its value from another. */
export const from = (stepId: string) => ({ value: `\${steps.${stepId}.output.value}`, ms: "${input.ms}" });
export const resultOf = (stepId: string) => ({ value: `\${steps.${stepId}.output.value}` });

export function shape(
  workflowId: string,
  weight: number,
  rest: Omit<Definition, "workflowId" | "name" | "version">,
  draw: Shape["draw"],
): Shape {
  return { weight, definition: { workflowId, name: workflowId, version: "1.0.0", ...rest }, draw };
}
