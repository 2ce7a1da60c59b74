import { describe, expect, test } from "vitest";
import { begun, child, delay, each, ended, fan, final, once, survives, task, to, wait } from "../../../test/support/machine.ts"; // biome-ignore format: one line
import type { Single } from "../simulation/single.ts";
import type { CompensationStep, Definition, RetryPolicy } from "./definition.ts";

const undo: CompensationStep = { stepId: "undo", compensationFor: "a", type: "TASK", taskId: "u" };
const retried = (retryPolicy: RetryPolicy = {}, definition: Partial<Definition> = {}) =>
  begun([task("a", { ...once, ...to("b") }), task("b", once)], { definition: { retryPolicy, ...definition } });
const tasksOf = (single: Single) => [...single.tasks.keys()];

test("an instance that failed begins again with its first step after the pause, and visits go on counting", () => {
  const single = survives(
    () => retried({ initialInterval: 500 }),
    [
      (one) => one.complete("a", 1),
      (one) => one.fail("b"),
      (one) => {
        expect(one.state.status).toBe("RUNNING");
        expect(one.timers.get("~retry")).toBe(one.now + 500);
        one.fire();
      },
      (one) => {
        expect(tasksOf(one)).toEqual(["a#2"]);
        one.complete("a#2", 2);
      },
      (one) => one.complete("b#2", "end"),
    ],
  );
  expect(single.state).toMatchObject({ status: "COMPLETED", output: "end" });
  expect(single.state.error).toBeUndefined();
  expect(ended(single)).toEqual(["a COMPLETED", "b FAILED", "a#2 COMPLETED", "b#2 COMPLETED"]);
});

test("without a policy, after the last run, or where it names others, it stays failed", () => {
  const failing = (policy: RetryPolicy | undefined, error: Parameters<Single["fail"]>[1], runs: number) => {
    const single = begun([task("a", once)], { definition: policy === undefined ? {} : { retryPolicy: policy } });
    for (let run = 1; run <= runs; run++) {
      single.fail(run === 1 ? "a" : `a#${run}`, error);
      if (run < runs) single.fire("~retry");
    }
    return single.state;
  };
  expect(failing(undefined, {}, 1).status).toBe("FAILED");
  expect(failing({}, {}, 3).status).toBe("FAILED");
  expect(failing({ maxAttempts: 1 }, {}, 1).status).toBe("FAILED");
  expect(failing({}, final, 1).status).toBe("FAILED");
  expect(failing({ retryableErrors: ["NO"] }, final, 3)).toMatchObject({ status: "FAILED", error: { code: "NO" } });
  expect(failing({ nonRetryableErrors: ["BOOM"] }, {}, 1).status).toBe("FAILED");
});

test("the pauses grow by the policy", () => {
  const single = begun([task("a", once)], { definition: { retryPolicy: { maxAttempts: 4, initialInterval: 100, maxInterval: 300 } } }); // biome-ignore format: one line
  const pauses: number[] = [];
  for (const path of ["a", "a#2", "a#3"]) {
    single.fail(path);
    pauses.push(single.timers.get("~retry")! - single.now);
    single.fire("~retry");
  }
  expect(pauses).toEqual([100, 200, 300]);
});

test("variables begin as they did, and nothing of the earlier run is read", () => {
  const steps = [
    task("a", { ...once, outputMapping: { v: "output", free: "1" }, ...to("b"), input: "[variables.v, has(variables.free), has(steps.a), has(steps.b), error == null]" }), // biome-ignore format: one line
    task("b", once),
  ];
  const single = survives(
    () => begun(steps, { definition: { retryPolicy: { initialInterval: 10 }, variables: { v: { default: 0 } } } }),
    [
      (one) => one.complete("a", 5),
      (one) => one.fail("b"),
      (one) => one.fire("~retry"),
      (one) => one.complete("a#2", 6),
    ],
  );
  expect(single.rows.filter(({ stepId }) => stepId === "a").at(-1)?.input).toEqual([0, false, false, false, true]);
  expect({ ...single.state.variables }).toEqual({ v: 6, free: 1 });
});

test("signals that came before are kept for the next run", () => {
  const single = begun([wait("w", { eventPattern: "first", ...to("b") }), task("b", { ...once, ...to("w2") }), wait("w2", { eventPattern: "second" })], { definition: { retryPolicy: {} } }); // biome-ignore format: one line
  single.signal("second", 2, { signalId: "2" });
  single.signal("first", 1, { signalId: "1" });
  single.fail("b");
  single.signal("first", 3, { signalId: "3" });
  single.fire("~retry");
  expect(tasksOf(single)).toEqual(["b#2"]);
  single.complete("b#2");
  expect(single.state).toMatchObject({ status: "COMPLETED", output: 2 });
});

describe("compensation", () => {
  test("comes first, and each run is undone by itself", () => {
    const single = survives(
      () => retried({ maxAttempts: 2, initialInterval: 10 }, { compensationSteps: [undo] }),
      [
        (one) => one.complete("a"),
        (one) => one.fail("b"),
        (one) => {
          expect(one.timers.has("~retry")).toBe(false);
          one.complete("~/undo");
        },
        (one) => one.fire("~retry"),
        (one) => one.complete("a#2"),
        (one) => one.fail("b#2"),
        (one) => one.complete("~/undo#2"),
      ],
    );
    expect(single.state).toMatchObject({ status: "FAILED", compensation: { status: "COMPLETED", done: 1 } });
  });

  test("of a run that failed and was not undone is never made up for later", () => {
    const single = retried({ initialInterval: 10 }, { compensationSteps: [undo], compensateOnFailure: false });
    single.complete("a", "first");
    single.fail("b");
    single.fire("~retry");
    single.complete("a#2", "second");
    single.cancel();
    expect(tasksOf(single)).toEqual(["~/undo"]);
    expect(single.tasks.get("~/undo")?.input).toMatchObject({ originalOutput: "second" });
  });
});

describe("the workflow's own timeout", () => {
  test("is retried only where the policy names it, and each run has all of its time", () => {
    const late = (retryPolicy: RetryPolicy) => {
      const single = retried(retryPolicy, { timeout: 5_000 });
      single.fire("");
      return single;
    };
    expect(late({}).state).toMatchObject({ status: "FAILED", error: { code: "WORKFLOW_TIMEOUT" } });
    for (const name of ["WORKFLOW_TIMEOUT", "TIMEOUT"]) {
      const single = late({ retryableErrors: [name], initialInterval: 1_000 });
      single.fire("~retry");
      expect(single.timers.get("")).toBe(single.now + 5_000);
      expect(tasksOf(single)).toEqual(["a#2"]);
    }
  });

  test("does not run between two runs", () => {
    const single = retried({ initialInterval: 60_000 }, { timeout: 5_000 });
    single.fail("a");
    expect([...single.timers.keys()]).toEqual(["~retry"]);
  });
});

describe("a cancellation", () => {
  test("between two runs ends it: no other follows", () => {
    const single = survives(() => retried({ initialInterval: 500 }), [(one) => one.fail("a"), (one) => one.cancel()]);
    expect(single.state).toMatchObject({ status: "CANCELLED", cancelation: { reason: "enough" } });
    expect(single.timers.size).toBe(0);
    expect(single.give({ kind: "timer", key: "~retry", dueAt: single.now + 500 }).ignored).toBeDefined();
    expect(tasksOf(single)).toEqual([]);
  });

  test("between two runs undoes what a failure was not to undo, unless told not to", () => {
    for (const compensate of [true, false]) {
      const single = retried({}, { compensationSteps: [undo], compensateOnFailure: false });
      single.complete("a");
      single.fail("b");
      single.cancel({ compensate });
      expect(tasksOf(single)).toEqual(compensate ? ["~/undo"] : []);
      if (compensate) single.complete("~/undo");
      expect(single.state.status).toBe("CANCELLED");
    }
  });

  test("while a run is undone lets that go on, and no other run follows", () => {
    const single = survives(
      () => retried({}, { compensationSteps: [undo] }),
      [
        (one) => one.complete("a"),
        (one) => one.fail("b"),
        (one) => expect(one.cancel().ignored).toBeUndefined(),
        (one) => {
          expect(one.state.status).toBe("RUNNING");
          expect(one.cancel().ignored).toContain("CANCELLED");
          one.complete("~/undo");
        },
      ],
    );
    expect(single.state).toMatchObject({ status: "CANCELLED", compensation: { status: "COMPLETED" } });
    expect(single.timers.size).toBe(0);
    expect(single.transitions.at(-1)).toBe("RUNNING>CANCELLED workflow_cancelled");
  });

  test("while the last run is undone comes too late", () => {
    const single = retried({ maxAttempts: 1 }, { compensationSteps: [undo] });
    single.complete("a");
    single.fail("b");
    expect(single.cancel().ignored).toContain("FAILED");
  });

  test("by an event works between runs and while one is undone, and not after the last", () => {
    const cancellationTriggers = [{ eventPattern: "stop" }];
    const between = survives(
      () => retried({}, { cancellationTriggers }),
      [(one) => one.fail("a"), (one) => one.signal("stop")],
    );
    expect(between.state.status).toBe("CANCELLED");
    const undone = retried({}, { cancellationTriggers, compensationSteps: [undo] });
    undone.complete("a");
    undone.fail("b");
    undone.signal("stop");
    undone.complete("~/undo");
    expect(undone.state).toMatchObject({ status: "CANCELLED", cancelation: { source: "EVENT" } });
    const last = retried({ maxAttempts: 1 }, { cancellationTriggers, compensationSteps: [undo] });
    last.complete("a");
    last.fail("b");
    last.signal("stop");
    last.complete("~/undo");
    expect(last.state.status).toBe("FAILED");
  });
});

test("each run has its own wait for a cancellation trigger", () => {
  const single = retried({}, { cancellationTriggers: [{ eventPattern: "stop" }] });
  expect([...single.waits.keys()]).toEqual(["~cancel/0"]);
  single.fail("a");
  expect([...single.waits.keys()]).toEqual([]);
  single.fire("~retry");
  expect([...single.waits.keys()]).toEqual(["~cancel/0#2"]);
});

test("what was under way in containers is cancelled, and the containers begin anew", () => {
  const steps = [fan("f", { a: [each("m", "[1, 2]", [task("i", once)])], b: [child("k")], c: [delay("d", 60_000)] })];
  const single = survives(
    () => begun(steps, { definition: { retryPolicy: { initialInterval: 10 } } }),
    [
      (one) => one.spawn("f/b/k", "K"),
      (one) => one.complete("f/a/m/0/i"),
      (one) => one.fail("f/a/m/1/i"),
      (one) => one.fire("~retry"),
      (one) => one.complete("f#2/a/m/0/i", 0),
      (one) => one.complete("f#2/a/m/1/i", 1),
      (one) => one.spawn("f#2/b/k", "K2"),
      (one) => one.endChild("f#2/b/k", { output: "child" }),
      (one) => one.fire("f#2/c/d"),
    ],
  );
  expect(single.state.output).toEqual({ a: [0, 1], b: "child", c: null });
  expect(single.messages.filter(({ kind }) => kind === "CANCEL")).toMatchObject([{ to: "K" }]);
});
