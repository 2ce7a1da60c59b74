/** Steps as short as they can be, and one instance driven by hand, for the tests of the machine. */

import { expect } from "vitest";
import type { Definition, Json, Step } from "../../src/engine/index.ts";
import { Single } from "../../src/engine/simulation/single.ts";

export const task = (stepId: string, more: object = {}): Step =>
  ({ stepId, type: "TASK", taskId: "t", ...more }) as Step;
export const transform = (stepId: string, expression: string, more: object = {}): Step =>
  task(stepId, { taskId: "transform", input: { expression }, ...more });
export const decision = (stepId: string, more: object = {}): Step => ({ stepId, type: "DECISION", ...more }) as Step;
export const wait = (stepId: string, more: object = {}): Step =>
  ({ stepId, type: "EVENT_WAIT", eventPattern: "go", ...more }) as Step;
export const delay = (stepId: string, ms: number | string, more: object = {}): Step =>
  ({ stepId, type: "DELAY", delay: ms, ...more }) as Step;
export const child = (stepId: string, more: object = {}): Step =>
  ({ stepId, type: "WORKFLOW", workflowId: "child", ...more }) as Step;
export const end = (stepId: string, status: "COMPLETED" | "FAILED", more: object = {}): Step =>
  ({ stepId, type: "TERMINATE", status, ...more }) as Step;
/** A PARALLEL; branches are pairs where their ids are names that objects have. */
export const fan = (stepId: string, branches: Record<string, Step[]> | [string, Step[]][], more: object = {}): Step => {
  const pairs = Array.isArray(branches) ? branches : Object.entries(branches);
  return {
    stepId,
    type: "PARALLEL",
    branches: pairs.map(([branchId, steps]) => ({ branchId, steps })),
    ...more,
  } as Step;
};
export const each = (stepId: string, items: Json, steps: Step[], more: object = {}): Step =>
  ({ stepId, type: "MAP", items, steps, ...more }) as Step;

export const to = (stepId: string) => ({ transitions: { default: stepId } });
export const caughtBy = (stepId: string) => ({ onFailure: { default: stepId } });
/** One attempt. */
export const once = { retryPolicy: { maxAttempts: 1 } };
/** A failure that is not tried again. */
export const final = { code: "NO", category: "BUSINESS" } as const;

export interface Beginning {
  definition?: Partial<Definition>;
  input?: Json;
}

export function begun(steps: Step[], { definition, input = {} }: Beginning = {}): Single {
  const single = new Single({ steps, ...(definition === undefined ? {} : { definition }), input });
  single.start();
  return single;
}

/** The attempts that have ended, in order: `path status`, with the number of all but the first attempt. */
export function ended(single: Single): string[] {
  return single.rows
    .filter(({ status }) => status !== "RUNNING" && status !== "PENDING")
    .map(({ path, status, attempt }) => `${path}${attempt === 1 ? "" : `(${attempt})`} ${status}`);
}

/**
 * Does the same once more for each place between two actions, with a death of the owner there, with a hand-over, and with
 * the state written and read again: it must come to the same end by the same rows. Gives the instance of the plain run.
 */
export function survives(begin: () => Single, actions: readonly ((single: Single) => unknown)[]): Single {
  const told = ({ state, ...single }: Single) => ({
    ...{ status: state.status, output: state.output, code: state.error?.code, variables: { ...state.variables } },
    rows: ended({ state, ...single } as Single).sort(),
  });
  const run = (upset?: (single: Single) => unknown, at?: number): Single => {
    const single = begin();
    for (const [index, action] of actions.entries()) {
      if (index === at) upset?.(single);
      action(single);
    }
    return single;
  };
  const plain = run();
  const upsets = {
    crash: (single: Single) => single.crash(),
    handOver: (single: Single) => single.handOver(),
    freeze(single: Single) {
      single.freeze();
      single.crash();
    },
  };
  for (const [name, upset] of Object.entries(upsets)) {
    for (const at of actions.keys()) expect(told(run(upset, at)), `${name} before action ${at}`).toEqual(told(plain));
  }
  return plain;
}
