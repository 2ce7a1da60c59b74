import { expect, test } from "vitest";
import { type ChangeRow, mergeChanges } from "./rows.ts";

const change: ChangeRow = {
  shard: 1,
  id: "i",
  status: "RUNNING",
  ready: true,
  currentStepId: "a",
  awaitingTaskId: null,
};
const failed: ChangeRow = { ...change, status: "FAILED", error: '"e"', completedAt: 1, compensationState: "{}" };

test("of two changes in one flush the later one counts, and what only the earlier one has is kept", () => {
  expect(mergeChanges({ ...change, priority: 9, error: '"e"' }, { ...change, status: "PAUSED" })).toEqual({
    ...change,
    priority: 9,
    error: '"e"',
    status: "PAUSED",
  });
});

test("an end that is taken back in the flush that it is written in leaves nothing behind", () => {
  expect(mergeChanges({ ...failed, priority: 9 }, { ...change, reopened: true })).toEqual({
    ...change,
    priority: 9,
    reopened: true,
  });
  // Nor does one that another end follows.
  const again = mergeChanges(mergeChanges(failed, { ...change, reopened: true }), { ...change, output: "1" });
  expect(again).toEqual({ ...change, reopened: true, output: "1" });
});
