/** Steps and definitions for tests, as short as they can be. */

export type Fields = Record<string, unknown>;

export const workflow = (...steps: Fields[]): Fields => ({ workflowId: "w", name: "W", steps });
export const task = (stepId: string, more: Fields = {}): Fields => ({ stepId, type: "TASK", taskId: "t", ...more });
export const decision = (stepId: string, next?: string): Fields => ({
  stepId,
  type: "DECISION",
  ...(next === undefined ? {} : { transitions: { default: next } }),
});
export const to = (next: string) => ({ transitions: { default: next } });
export const fan = (stepId: string, branches: Record<string, Fields[]>, more: Fields = {}): Fields => ({
  stepId,
  type: "PARALLEL",
  branches: Object.entries(branches).map(([branchId, steps]) => ({ branchId, steps })),
  ...more,
});
export const each = (stepId: string, steps: Fields[], more: Fields = {}): Fields => ({
  stepId,
  type: "MAP",
  items: "input.lines",
  steps,
  ...more,
});
