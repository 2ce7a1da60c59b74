import { describe, expect, test } from "vitest";
import {
  begun,
  caughtBy,
  child,
  decision,
  delay,
  each,
  ended,
  fan,
  final,
  once,
  survives,
  task,
  to,
  wait,
} from "../../../test/support/machine.ts";
import { Single } from "../simulation/single.ts";
import type { Step } from "./definition.ts";

const pause = (single: Single) => single.give({ kind: "pause" });
const resume = (single: Single) => single.give({ kind: "resume" });
const tasksOf = (single: Single) => [...single.tasks.keys()];
/** Gives every timer that is due, as the node does. */
const passTime = (single: Single, ms: number) => {
  single.now += ms;
  for (const [key, dueAt] of [...single.timers]) if (dueAt <= single.now) single.give({ kind: "timer", key, dueAt });
};

test("what runs ends and is recorded, and what follows begins at the resume", () => {
  const single = survives(
    () => begun([task("a", to("b")), decision("b", to("c")), task("c")]),
    [
      pause,
      (one) => {
        // An owner that takes over a paused instance holds what may have run: it runs again at the resume.
        if (!one.tasks.has("a")) {
          resume(one);
          pause(one);
        }
        one.complete("a", 1);
      },
      (one) => {
        expect(one.state.status).toBe("PAUSED");
        expect(one.state.steps.a?.status).toBe("COMPLETED");
        expect(one.state.live.b?.phase).toBe("ready");
        expect(tasksOf(one)).toEqual([]);
        resume(one);
      },
      (one) => one.complete("c", "end"),
    ],
  );
  expect(single.state).toMatchObject({ status: "COMPLETED", output: "end" });
  expect(single.transitions.slice(0, 2)).toEqual(["RUNNING>PAUSED workflow_paused", "PAUSED>RUNNING workflow_resumed"]);
});

test("branches and items that end are joined, and the next items wait", () => {
  const steps = [
    fan("f", { a: [task("x")], b: [each("m", "[1, 2]", [task("i")], { maxConcurrency: 1 })] }, to("end")),
    task("end"),
  ];
  const single = begun(steps);
  pause(single);
  single.complete("f/a/x");
  single.complete("f/b/m/0/i");
  expect(tasksOf(single)).toEqual([]);
  resume(single);
  expect(tasksOf(single)).toEqual(["f/b/m/1/i"]);
  pause(single);
  single.complete("f/b/m/1/i");
  expect(single.state.steps.f?.status).toBe("COMPLETED");
  expect(tasksOf(single)).toEqual([]);
  resume(single);
  expect(tasksOf(single)).toEqual(["end"]);
});

test("an event fulfils a wait, and what follows waits", () => {
  const single = survives(
    () => begun([wait("w", { eventTimeout: { duration: 5_000 }, ...to("a") }), task("a")]),
    [
      pause,
      (one) => one.signal("go", { n: 1 }),
      (one) => {
        expect(one.state).toMatchObject({ status: "PAUSED", steps: { w: { status: "COMPLETED", output: { n: 1 } } } });
        resume(one);
      },
      (one) => one.complete("a"),
    ],
  );
  expect(single.state.status).toBe("COMPLETED");
});

describe("timers that come due", () => {
  const held: [what: string, step: Step, prepare: (single: Single) => unknown, after: string[]][] = [
    ["of a delay", delay("d", 5_000, to("next")), () => {}, ["next"]],
    ["of a wait", wait("w", { eventTimeout: { duration: 5_000, timeoutHandlerStepId: "next" } }), () => {}, ["next"]],
    ["of a container", fan("f", { a: [task("x")] }, { timeout: 5_000, ...caughtBy("next") }), () => {}, ["next"]],
    ["of a child", child("k", { timeout: 5_000, ...caughtBy("next") }), (one) => one.spawn("k"), ["next"]],
    ["of a retry", task("a", { retryPolicy: { initialInterval: 5_000 } }), (one) => one.fail("a"), ["a"]],
  ];
  test.each(held)("%s are held, and take effect at the resume", (_, step, prepare, after) => {
    const single = survives(
      () => begun([step, task("next")]),
      [
        prepare,
        pause,
        (one) => {
          const before = tasksOf(one);
          passTime(one, 9_000);
          expect([one.state.status, ...tasksOf(one)]).toEqual(["PAUSED", ...before]);
          expect(one.timers.size).toBe(1);
        },
        (one) => resume(one),
      ],
    );
    expect(tasksOf(single)).toEqual(after);
  });

  test.each(held)("%s and are not due by the resume go on running", (_, step, prepare, after) => {
    const single = begun([step, task("next")]);
    prepare(single);
    const dueAt = [...single.timers.values()][0]!;
    pause(single);
    passTime(single, 1_000);
    resume(single);
    expect([...single.timers.values()]).toEqual([dueAt]);
    single.fire();
    expect(tasksOf(single)).toEqual(after);
  });

  test("take effect in the order in which they came due", () => {
    const steps = (waitMs: number, allMs: number) => [
      fan("f", { a: [wait("w", { eventTimeout: { duration: waitMs, timeoutHandlerStepId: "late" } }), task("late")] }, { timeout: allMs, ...caughtBy("next") }), // biome-ignore format: one line
      task("next"),
    ];
    const rows = (waitMs: number, allMs: number) => {
      const single = begun(steps(waitMs, allMs));
      pause(single);
      passTime(single, 9_000);
      resume(single);
      expect(tasksOf(single)).toEqual(["next"]);
      return ended(single);
    };
    expect(rows(2_000, 1_000)).toEqual(["f/a/w CANCELLED", "f FAILED"]);
    expect(rows(1_000, 2_000)).toEqual(["f/a/w FAILED", "f/a/late CANCELLED", "f FAILED"]);
  });

  test("of which the first fails the branch leave its container to that failure", () => {
    const steps = [fan("f", { a: [wait("w", { eventTimeout: { duration: 1_000 } })] }, { timeout: 2_000 })];
    const single = begun(steps);
    pause(single);
    passTime(single, 9_000);
    resume(single);
    expect(ended(single)).toEqual(["f/a/w FAILED", "f FAILED"]);
    expect(single.state.error?.message).toContain("No event");
  });

  test("of the whole workflow are held too", () => {
    const single = begun([wait("w")], { definition: { timeout: 5_000 } });
    pause(single);
    passTime(single, 9_000);
    expect(single.state.status).toBe("PAUSED");
    resume(single);
    expect(single.state).toMatchObject({ status: "FAILED", error: { code: "WORKFLOW_TIMEOUT" } });
  });

  test("of the workflow before those of its steps leave nothing to these", () => {
    const single = begun([delay("d", 7_000, to("a")), task("a")], { definition: { timeout: 5_000 } });
    pause(single);
    passTime(single, 9_000);
    resume(single);
    expect(ended(single)).toEqual(["d CANCELLED"]);
  });

  test("of the workflow's own retry are held too", () => {
    const single = survives(
      () => begun([task("a", once)], { definition: { retryPolicy: { initialInterval: 500 } } }),
      [(one) => one.fail("a"), pause, (one) => passTime(one, 9_000), resume],
    );
    expect(tasksOf(single)).toEqual(["a#2"]);
  });
});

test("an attempt that a timer began and that still runs is let run on at the resume", () => {
  const single = begun([task("a", { retryPolicy: { initialInterval: 500 }, ...to("b") }), task("b")]);
  single.fail("a");
  single.fire("a");
  pause(single);
  passTime(single, 9_000);
  resume(single);
  expect(ended(single)).toEqual(["a FAILED"]);
  single.complete("a", "late");
  expect(single.state.steps.a?.output).toBe("late");
});

test("a step without a handler is looked at again at the resume, and not before", () => {
  const single = begun([task("a")]);
  single.tasks.clear();
  single.give({ kind: "unassigned", path: "a" });
  pause(single);
  expect(single.give({ kind: "assigned", path: "a" }).ignored).toBeDefined();
  resume(single);
  expect(tasksOf(single)).toEqual(["a"]);
});

test("a failure while it is paused fails it, and what was done is undone at once", () => {
  const undo = [{ stepId: "undo", compensationFor: "a", type: "TASK" as const, taskId: "u" }];
  const single = begun([task("a", to("b")), task("b")], { definition: { compensationSteps: undo } });
  single.complete("a");
  pause(single);
  single.fail("b", final);
  expect(tasksOf(single)).toEqual(["~/undo"]);
  expect(pause(single).ignored).toBeDefined();
  single.complete("~/undo");
  expect(single.state.status).toBe("FAILED");
});

test("a cancellation ends a paused instance", () => {
  const single = survives(() => begun([task("a"), decision("b")]), [pause, (one) => one.cancel()]);
  expect(single.state.status).toBe("CANCELLED");
  expect(single.transitions.at(-1)).toBe("PAUSED>CANCELLED workflow_cancelled");
});

test("a child that ends is recorded, and one that was asked for is made", () => {
  const single = begun([fan("f", { a: [child("x", to("x2")), task("x2")], b: [child("y")] })]);
  single.spawn("f/a/x");
  pause(single);
  single.endChild("f/a/x", { output: 1 });
  single.spawn("f/b/y");
  expect(single.state.live["f/b/y"]?.phase).toBe("child");
  expect(tasksOf(single)).toEqual([]);
  resume(single);
  expect(tasksOf(single)).toEqual(["f/a/x2"]);
});

test("what has not begun, has ended, is ending or is paused already is not paused; what is not paused does not resume", () => {
  const created = new Single({ steps: [task("a")], created: true });
  expect(pause(created).ignored).toContain("not begun");
  const done = begun([task("a")]);
  expect(resume(done).ignored).toBeDefined();
  pause(done);
  expect(pause(done).ignored).toBeDefined();
  // Nothing is left to wait for.
  done.complete("a");
  expect(done.state.status).toBe("COMPLETED");
  expect(pause(done).ignored).toContain("COMPLETED");
});
