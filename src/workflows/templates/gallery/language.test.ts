import { setImmediate } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openWorkshop, type Workshop } from "../../../../test/support/workshop.ts";
import { TaskError } from "../../../tasks/index.ts";

let workshop: Workshop;
/** Handlers that are open at once: now, and at most. */
const open = { now: 0, most: 0 };
const attempts = new Map<string, number>();
let aborted = 0;

beforeAll(async () => {
  workshop = await openWorkshop({
    double: async (input) => {
      open.most = Math.max(open.most, ++open.now);
      await setImmediate();
      open.now--;
      if (typeof input !== "number") {
        throw new TaskError({
          code: "NOT_A_NUMBER",
          category: "VALIDATION",
          message: `${JSON.stringify(input)} is none`,
        });
      }
      return input * 2;
    },
    echo: (input) => input,
    shaky: (input) => {
      const { key, failures, category } = input as { key: string; failures: number; category?: "BUSINESS" };
      const attempt = (attempts.get(key) ?? 0) + 1;
      attempts.set(key, attempt);
      if (attempt > failures) return { attempt };
      throw new TaskError({ code: "SHAKY", category: category ?? "TRANSIENT", message: `Attempt ${attempt} failed` });
    },
    hang: (_input, { signal }) =>
      new Promise((_resolve, reject) => {
        const end = () => {
          aborted++;
          reject(signal.reason);
        };
        if (signal.aborted) end();
        else signal.addEventListener("abort", end);
      }),
  });
});
afterAll(() => workshop?.stop());

describe("fan-out-and-join", () => {
  test("gives the outputs of all branches by name", async () => {
    const workflowId = await workshop.use("fan-out-and-join", {
      branches: [
        { name: "left", task: "double", input: "input.n" },
        { name: "right-hand", task: "double", input: "input.n + 1" },
        { name: "whole", task: "echo" },
      ],
    });
    const { status, output } = await workshop.run(workflowId, { n: 3 });
    expect({ status, output }).toEqual({ status: "COMPLETED", output: { left: 6, "right-hand": 8, whole: { n: 3 } } });
  });

  test("goes on when enough have completed, and cancels the rest", async () => {
    const workflowId = await workshop.use("fan-out-and-join", {
      branches: [
        { name: "fast", task: "echo", input: "'first'" },
        { name: "slow", task: "hang" },
      ],
      join: "any",
    });
    const { status, output, state } = await workshop.run(workflowId);
    expect({ status, output }).toEqual({ status: "COMPLETED", output: { fast: "first" } });
    expect(state.steps).toMatchObject({ fast: { status: "COMPLETED" }, slow: { status: "CANCELLED" } });
  });

  test("fails with the branch's error when all are needed", async () => {
    const workflowId = await workshop.use("fan-out-and-join", {
      branches: [
        { name: "good", task: "double", input: "1" },
        { name: "bad", task: "double", input: "'x'" },
      ],
      timeout: "PT20S",
    });
    const { status, error } = await workshop.run(workflowId);
    expect(status).toBe("FAILED");
    expect(error).toMatchObject({ code: "NOT_A_NUMBER" });
  });
});

describe("batch-over-list", () => {
  test("gives the results in the order of the items, so many at a time", async () => {
    open.most = 0;
    const workflowId = await workshop.use("batch-over-list", { task: "double", maxConcurrency: 3 });
    const items = Array.from({ length: 20 }, (_, n) => n);
    const { status, output } = await workshop.run(workflowId, { items });
    expect({ status, output }).toEqual({ status: "COMPLETED", output: items.map((n) => n * 2) });
    expect(open.most).toBeLessThanOrEqual(3);
  });

  test("leaves null for items that may fail, and fails when more do", async () => {
    const workflowId = await workshop.use("batch-over-list", {
      task: "double",
      items: "input.list",
      itemInput: "item.n",
      toleratedFailures: "25%",
      maxAttempts: 1,
    });
    const list = (...values: unknown[]) => ({ list: values.map((n) => ({ n })) });
    const { status, output } = await workshop.run(workflowId, list(1, "x", 3, 4));
    expect({ status, output }).toEqual({ status: "COMPLETED", output: [2, null, 6, 8] });
    const failed = await workshop.run(workflowId, list(1, "x", "y", 4));
    expect(failed.status).toBe("FAILED");
    expect(failed.error).toMatchObject({ code: "TOLERANCE_EXCEEDED" });
  });

  test("fails for what is no list", async () => {
    const workflowId = await workshop.use("batch-over-list", { task: "double" });
    const { status, error } = await workshop.run(workflowId, { items: "none" });
    expect(status).toBe("FAILED");
    expect(error).toMatchObject({ code: "ITEMS_NOT_A_LIST" });
  });
});

describe("child-per-item", () => {
  beforeAll(async () => {
    const steps = [{ stepId: "twice", type: "TASK", taskId: "double", input: "input.n" }];
    await workshop.define({ workflowId: "doubler", name: "Doubler", version: "1.0.0", steps });
  });

  test("runs the other workflow for each item and gives the children's outputs in order", async () => {
    const workflowId = await workshop.use("child-per-item", {
      childWorkflowId: "doubler",
      childVersion: "1.0.0",
      childInput: "{'n': item + index}",
      maxConcurrency: 2,
    });
    const { status, output } = await workshop.run(workflowId, { items: [10, 20, 30] });
    expect({ status, output }).toEqual({ status: "COMPLETED", output: [20, 42, 64] });
  });

  test("fails with a child's error, unless that is tolerated", async () => {
    const parameters = { childWorkflowId: "doubler" };
    const input = { items: [{ n: 1 }, { n: "x" }] };
    const { status, error } = await workshop.run(await workshop.use("child-per-item", parameters), input);
    expect(status).toBe("FAILED");
    expect(error).toMatchObject({ code: "NOT_A_NUMBER" });
    const tolerant = await workshop.use("child-per-item", { ...parameters, toleratedFailures: 1 });
    expect((await workshop.run(tolerant, input)).output).toEqual([2, null]);
  });
});

describe("retry-with-fallback", () => {
  const parameters = { task: "shaky", fallbackTask: "echo", maxAttempts: 3, initialInterval: 1, maxInterval: 1 };

  test("gives the result of the task when one of its attempts succeeds", async () => {
    const workflowId = await workshop.use("retry-with-fallback", parameters);
    const { status, output } = await workshop.run(workflowId, { key: "a", failures: 2 });
    expect({ status, output }).toEqual({ status: "COMPLETED", output: { result: { attempt: 3 }, fallback: false } });
  });

  test("lets the fallback take over after the last attempt, and shows it the error", async () => {
    const workflowId = await workshop.use("retry-with-fallback", {
      ...parameters,
      fallbackInput: "{'code': error.code, 'key': input.key}",
    });
    const { status, output } = await workshop.run(workflowId, { key: "b", failures: 9 });
    expect({ status, output }).toEqual({
      status: "COMPLETED",
      output: { result: { code: "SHAKY", key: "b" }, fallback: true },
    });
    expect(attempts.get("b")).toBe(3);
  });

  test("fails with errors for which there is no fallback", async () => {
    const workflowId = await workshop.use("retry-with-fallback", {
      ...parameters,
      fallbackFor: ["OTHER", "TRANSIENT"],
    });
    const caught = await workshop.run(workflowId, { key: "c", failures: 9 });
    expect(caught.output).toMatchObject({ fallback: true });
    const failed = await workshop.run(workflowId, { key: "d", failures: 9, category: "BUSINESS" });
    expect(failed.status).toBe("FAILED");
    expect(failed.error).toMatchObject({ code: "SHAKY", category: "BUSINESS" });
  });
});

describe("call-with-deadline", () => {
  test("gives the call's output when it ends in time", async () => {
    const workflowId = await workshop.use("call-with-deadline", { task: "echo", taskInput: "input.n" });
    const { status, output } = await workshop.run(workflowId, { n: 4 });
    expect({ status, output }).toEqual({ status: "COMPLETED", output: 4 });
  });

  test("fails when the deadline passes, and cancels the call", async () => {
    const before = aborted;
    const workflowId = await workshop.use("call-with-deadline", { task: "hang", deadline: "PT0.05S" });
    const { status, error } = await workshop.run(workflowId);
    expect(status).toBe("FAILED");
    expect(error).toMatchObject({ code: "DEADLINE_EXCEEDED", category: "TIMEOUT" });
    await expect.poll(() => aborted).toBe(before + 1);
  });

  test("fails at once with the error of a call that fails for good", async () => {
    const workflowId = await workshop.use("call-with-deadline", { task: "shaky", deadline: "PT1H" });
    const { status, error } = await workshop.run(workflowId, { key: "e", failures: 1, category: "BUSINESS" });
    expect(status).toBe("FAILED");
    expect(error).toMatchObject({ code: "SHAKY", category: "BUSINESS", message: "Attempt 1 failed" });
  });
});
