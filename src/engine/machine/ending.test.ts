import { describe, expect, test } from "vitest";
import { Single } from "../simulation/single.ts";
import type { CompensationStep, Definition, Step } from "./definition.ts";

const task = (stepId: string, next?: string, more: object = {}): Step =>
  ({ stepId, type: "TASK", taskId: "t", transitions: { default: next }, ...more }) as Step;
const undo = (stepId: string, compensationFor: string, more: Partial<CompensationStep> = {}): CompensationStep => ({
  stepId,
  compensationFor,
  type: "TASK",
  taskId: "u",
  ...more,
});
const once = { retryPolicy: { maxAttempts: 1 } };

function begun(steps: Step[], definition: Partial<Definition> = {}): Single {
  const single = new Single({ steps, definition, input: { n: 1 } });
  single.start();
  return single;
}

describe("a cancellation ends whatever is live, whatever it is at", () => {
  const cases: [string, () => Single][] = [
    ["a running task", () => begun([task("a")])],
    [
      "a task that is shown",
      () => {
        const single = begun([task("a")]);
        single.give({ kind: "running", path: "a", attempt: 1 });
        return single;
      },
    ],
    [
      "a backoff",
      () => {
        const single = begun([task("a")]);
        single.fail("a");
        return single;
      },
    ],
    [
      "a second attempt",
      () => {
        const single = begun([task("a")]);
        single.fail("a");
        single.fire();
        return single;
      },
    ],
    [
      "a step without handler",
      () => {
        const single = begun([task("a")]);
        single.tasks.clear();
        single.give({ kind: "unassigned", path: "a" });
        return single;
      },
    ],
    [
      "a wait",
      () => begun([{ stepId: "a", type: "EVENT_WAIT", eventPattern: "x", eventTimeout: { duration: 5_000 } }]),
    ],
    ["a delay", () => begun([{ stepId: "a", type: "DELAY", delay: 5_000 }])],
    [
      "a step that runs elsewhere",
      () => {
        const single = begun([task("a")]);
        single.handOver();
        return single;
      },
    ],
  ];
  test.each(cases)("%s", (_name, make) => {
    const single = make();
    single.cancel();
    expect(single.state).toMatchObject({
      status: "CANCELLED",
      cancelation: { reason: "enough", requestedBy: "someone", source: "USER", shouldCompensate: true },
    });
    expect(single.rows.at(-1)).toMatchObject({ path: "a", status: "CANCELLED" });
    expect(single.tasks.size + single.timers.size + single.waits.size).toBe(0);
    expect(single.cancel().ignored).toContain("CANCELLED");
  });
});

test("a running handler is told to stop, and what it still gives back is ignored", () => {
  const single = begun([task("a")]);
  const decision = single.cancel();
  expect(decision.aborted).toEqual(["a"]);
  const late = single.give({ kind: "completed", path: "a", attempt: 1, output: 1, startedAt: 0, completedAt: 0 });
  expect(late.ignored).toBeDefined();
});

test("the workflow's timeout ends it from wherever it is", () => {
  const single = begun([task("a"), task("b")], { timeout: "PT1H" });
  expect(single.timers.get("")).toBe(single.now + 3_600_000);
  single.crash();
  single.fire("");
  expect(single.state).toMatchObject({ status: "FAILED", error: { code: "WORKFLOW_TIMEOUT", category: "TIMEOUT" } });
});

test("a workflow that ends in time takes its deadline back", () => {
  const single = begun([task("a")], { timeout: 1_000 });
  single.complete("a");
  expect(single.timers.size).toBe(0);
});

describe("compensation", () => {
  const steps = [task("a", "b"), task("b", "c"), task("c", undefined, once)];
  const plan = { compensationSteps: [undo("ua", "a"), undo("ub", "b"), undo("uc", "c")] };

  function failed(definition: Partial<Definition> = {}): Single {
    const single = begun(steps, { ...plan, ...definition });
    single.complete("a", { id: "A" });
    single.complete("b", { id: "B" });
    single.fail("c", { code: "NO", category: "BUSINESS" });
    return single;
  }

  test("undoes what was completed in reverse order, one after the other, and then the instance ends", () => {
    const single = failed();
    expect(single.state.status).toBe("RUNNING");
    expect([...single.tasks.keys()]).toEqual(["~/ub"]);
    single.complete("~/ub");
    expect([...single.tasks.keys()]).toEqual(["~/ua"]);
    single.crash();
    single.complete("~/ua");
    expect(single.state).toMatchObject({
      status: "FAILED",
      error: { code: "NO" },
      compensation: { status: "COMPLETED", done: 2, failed: [] },
    });
    expect(single.state.completedAt).toBeDefined();
  });

  test("tells each what the step that it undoes was given and gave, and why", () => {
    const single = failed({
      compensationSteps: [
        undo("ub", "b"),
        undo("ua", "a", { input: "{'id': originalOutput.id, 'given': originalInput.n, 'why': error.code}" }),
      ],
    });
    expect(single.tasks.get("~/ub")?.input).toMatchObject({
      originalOutput: { id: "B" },
      workflowInput: { n: 1 },
      workflowState: { steps: { a: { output: { id: "A" } } } },
      cancellation: null,
    });
    single.complete("~/ub");
    expect(single.tasks.get("~/ua")?.input).toEqual({ id: "A", given: 1, why: "NO" });
  });

  test("does not tell one of those before it, whose inputs hold the whole state: they would double with each", () => {
    const many = Array.from({ length: 25 }, (_, i) => `s${i}`);
    const chain = many.map((id, i) => task(id, many[i + 1], i === 24 ? once : {}));
    const single = begun(chain, { compensationSteps: many.map((id) => undo(`u${id}`, id)) });
    for (const id of many.slice(0, -1)) single.complete(id);
    single.fail("s24");
    for (const id of many.slice(0, -1).reverse()) {
      const { workflowState } = single.tasks.get(`~/u${id}`)!.input as { workflowState: { steps: object } };
      expect(Object.keys(workflowState.steps)).toEqual(many);
      single.complete(`~/u${id}`);
    }
    expect(single.state.status).toBe("FAILED");
  });

  test("leaves out one whose condition does not hold or errs", () => {
    const single = failed({
      compensationSteps: [
        undo("ua", "a", { condition: "originalOutput.id == 'A'" }),
        undo("ub", "b", { condition: "originalOutput.id == 'A'" }),
        undo("ub2", "b", { condition: "no.such" }),
      ],
    });
    expect(single.state.compensation?.items.map((item) => item.stepId)).toEqual(["ua"]);
  });

  test("retries one that fails, records it when it fails for good, and goes on with the rest", () => {
    const single = failed();
    single.fail("~/ub");
    single.fire("~/ub");
    single.fail("~/ub");
    single.fire("~/ub");
    single.fail("~/ub");
    single.complete("~/ua");
    expect(single.state).toMatchObject({
      status: "FAILED",
      compensation: { status: "COMPLETED_WITH_ERRORS", done: 2, failed: [{ stepId: "ub", error: "it broke" }] },
    });
  });

  test("follows a cancellation too, unless it is told not to", () => {
    for (const compensate of [true, false]) {
      const single = begun(steps, plan);
      single.complete("a");
      single.cancel({ compensate });
      expect([...single.tasks.keys()]).toEqual(compensate ? ["~/ua"] : []);
      if (compensate) single.complete("~/ua");
      expect(single.state.status).toBe("CANCELLED");
    }
  });

  test("does not follow a failure when the definition says so", () => {
    expect(failed({ compensateOnFailure: false }).state).toMatchObject({ status: "FAILED" });
  });

  test("undoes each visit of a step, the last one first", () => {
    const loop = task("a", undefined, {
      transitions: { conditions: [{ condition: "output < 2", nextStep: "a" }], default: "c" },
    });
    const single = begun([loop, task("c", undefined, once)], {
      compensationSteps: [undo("u", "a", { input: "originalOutput" })],
    });
    single.complete("a", 1);
    single.complete("a#2", 2);
    single.fail("c");
    expect(single.tasks.get("~/u")?.input).toBe(2);
    single.complete("~/u");
    expect(single.tasks.get("~/u#2")?.input).toBe(1);
    single.complete("~/u#2");
    expect(single.state.status).toBe("FAILED");
  });

  test("is not stopped by a cancellation or by the workflow's timeout", () => {
    const single = failed({ timeout: "PT1H" });
    expect(single.timers.size).toBe(0);
    expect(single.cancel().ignored).toContain("FAILED");
    expect([...single.tasks.keys()]).toEqual(["~/ub"]);
  });

  test("signals that come meanwhile start nothing", () => {
    const single = failed();
    single.signal("go");
    expect([...single.tasks.keys()]).toEqual(["~/ub"]);
  });
});
