import { describe, expect, test } from "vitest";
import {
  begun,
  child,
  decision,
  delay,
  each,
  end,
  ended,
  fan,
  final,
  survives,
  task,
  to,
  transform,
  wait,
} from "../../../test/support/machine.ts";
import { Single } from "../simulation/single.ts";
import type { Step } from "./definition.ts";

const skip = (stepId: string) => (single: Single) => single.give({ kind: "skip", stepId });
const tasksOf = (single: Single) => [...single.tasks.keys()];

describe("a step under way is passed over, and what it has asked for is taken back", () => {
  const table: [what: string, step: Step, prepare: (single: Single) => unknown][] = [
    ["a running task", task("x", to("next")), () => {}],
    ["a task that waits for its next attempt", task("x", to("next")), (one) => one.fail("x")],
    ["a wait", wait("x", { eventTimeout: { duration: 5_000 }, ...to("next") }), () => {}],
    ["a delay", delay("x", 5_000, to("next")), () => {}],
    ["a child that is being made", child("x", to("next")), () => {}],
    ["a child", child("x", { timeout: 5_000, ...to("next") }), (one) => one.spawn("x", "K")],
    ["a PARALLEL", fan("x", { a: [task("i")], b: [wait("w")] }, { timeout: 5_000, ...to("next") }), () => {}],
    [
      "a MAP",
      each("x", "[1, 2, 3]", [task("i")], { maxConcurrency: 2, ...to("next") }),
      (one) => one.complete("x/1/i"),
    ],
  ];
  test.each(table)("%s", (_, step, prepare) => {
    const single = survives(
      () => begun([step, task("next")]),
      [
        prepare,
        skip("x"),
        (one) => {
          expect(tasksOf(one)).toEqual(["next"]);
          expect([one.timers.size, one.waits.size, Object.keys(one.state.frames).length]).toEqual([0, 0, 0]);
          one.complete("next", "end");
        },
      ],
    );
    expect(single.state).toMatchObject({ status: "COMPLETED", output: "end" });
    expect(single.state.steps.x).toMatchObject({ status: "SKIPPED" });
    expect(single.state.steps.x?.output).toBeUndefined();
  });
});

test("a child under way is cancelled, a handler is told to stop, and what they still say comes too late", () => {
  const made = begun([child("x", to("next")), task("next")]);
  made.spawn("x", "K");
  skip("x")(made);
  expect(made.messages).toMatchObject([{ kind: "CANCEL", to: "K" }]);
  expect(made.give({ kind: "child_ended", path: "x", childId: "K", status: "CANCELLED" }).ignored).toBeDefined();
  const running = begun([task("x", to("next")), task("next")]);
  expect(skip("x")(running).aborted).toEqual(["x"]);
  const late = { kind: "completed", path: "x", attempt: 1, output: 1, startedAt: 0, completedAt: 0 } as const;
  expect(running.give(late).ignored).toBeDefined();
});

test("one that has not begun is passed over when it is reached, once", () => {
  const loop = { transitions: { conditions: [{ condition: "steps.a.output < 2", nextStep: "b" }], default: "z" } };
  const steps = [task("a", loop), decision("b", to("c")), task("c", to("a")), task("z")];
  const single = survives(
    () => begun(steps),
    [
      skip("c"),
      (one) => {
        expect(one.state.skips).toEqual(["c"]);
        expect(skip("c")(one).ignored).toBeDefined();
        one.complete("a", 0);
      },
      (one) => {
        expect(tasksOf(one)).toEqual(["a#2"]);
        expect(one.state.skips).toBeUndefined();
        one.complete("a#2", 1);
      },
      (one) => one.complete("c#2"),
      (one) => one.complete("a#3", 2),
      (one) => one.complete("z"),
    ],
  );
  expect(ended(single).filter((row) => row.startsWith("c"))).toEqual(["c SKIPPED", "c#2 COMPLETED"]);
});

test("steps of any kind are passed over when they are reached, and do nothing", () => {
  const kinds: Step[] = [
    transform("x", "1", { outputMapping: { v: "output" }, ...to("next") }),
    decision("x", { outputMapping: { v: "1" }, ...to("next") }),
    wait("x", to("next")),
    delay("x", 5_000, to("next")),
    child("x", to("next")),
    fan("x", { a: [task("i")] }, to("next")),
    each("x", "input.nothing", [task("i")], to("next")),
  ];
  for (const step of kinds) {
    const single = begun([task("a", to("x")), step, task("next")]);
    skip("x")(single);
    single.complete("a");
    expect(ended(single), step.type).toEqual(["a COMPLETED", "x SKIPPED"]);
    expect(tasksOf(single), step.type).toEqual(["next"]);
    expect({ ...single.state.variables }, step.type).toEqual({});
  }
});

test("its default follows, else what its conditions say of a null output; without a way its list is done", () => {
  const conditions = [
    { condition: "steps.x.output.ok == true", nextStep: "yes" },
    { condition: "output == null", nextStep: "no" },
  ];
  const follows = (transitions: object | undefined) => {
    const single = begun([
      task("x", transitions === undefined ? {} : { transitions }),
      task("yes"),
      task("no"),
      task("other"),
    ]);
    skip("x")(single);
    return tasksOf(single)[0] ?? single.state.status;
  };
  expect(follows({ conditions, default: "other" })).toBe("other");
  expect(follows({ conditions })).toBe("no");
  expect(follows({ conditions: conditions.slice(0, 1) })).toBe("COMPLETED");
  expect(follows(undefined)).toBe("COMPLETED");
});

test("an earlier visit's output stays readable", () => {
  const loop = { transitions: { conditions: [{ condition: "true", nextStep: "d" }] } };
  const single = begun([task("x", { ...loop, transitions: { default: "d" } }), delay("d", 100, to("x"))]);
  single.complete("x", { kept: 1 });
  single.fire("d");
  skip("x")(single);
  expect(single.state.steps.x).toMatchObject({ status: "SKIPPED", output: { kept: 1 } });
});

test("of a step in items every visit under way is passed over, and none that begins later", () => {
  const single = survives(
    () => begun([each("m", "[1, 2, 3, 4]", [task("i", to("j")), task("j")], { maxConcurrency: 2 })]),
    [
      (one) => one.complete("m/0/i"),
      (one) => one.complete("m/1/i"),
      skip("j"),
      (one) => {
        expect(tasksOf(one)).toEqual(["m/2/i", "m/3/i"]);
        one.complete("m/3/i");
      },
      (one) => one.complete("m/3/j", 3),
      (one) => one.complete("m/2/i"),
      (one) => one.complete("m/2/j", 2),
    ],
  );
  expect(single.state.output).toEqual([null, null, 2, 3]);
});

test("a branch or an item whose last step is passed over has completed", () => {
  const single = begun([fan("f", { a: [task("x")], b: [task("y")] }, { join: 2 })]);
  skip("x")(single);
  single.complete("f/b/y", "B");
  expect(single.state).toMatchObject({ status: "COMPLETED", output: { a: null, b: "B" } });
});

test("a container that is passed over takes along what stands in it, but for what was left to itself", () => {
  const rest = fan("g", { l: [task("x")], r: [task("y")] }, { join: "any", rest: "leave", ...to("z") });
  const single = survives(
    () => begun([fan("f", { a: [rest, task("z")], b: [task("beside")] }, to("end")), task("end")]),
    [
      (one) => one.complete("f/a/g/l/x"),
      skip("f"),
      (one) => {
        expect(tasksOf(one)).toEqual(["f/a/g/r/y", "end"]);
        one.complete("end", "end");
      },
      (one) => one.complete("f/a/g/r/y"),
    ],
  );
  expect(single.state).toMatchObject({ status: "COMPLETED", output: "end" });
  expect(ended(single).slice(1, 5)).toEqual([
    "f/a/g COMPLETED",
    "f/a/z CANCELLED",
    "f/b/beside CANCELLED",
    "f SKIPPED",
  ]);
});

test("while it is paused the step is passed over, and what follows waits", () => {
  const single = begun([task("x", to("next")), task("next")]);
  single.give({ kind: "pause" });
  skip("x")(single);
  expect(single.state.steps.x?.status).toBe("SKIPPED");
  expect(tasksOf(single)).toEqual([]);
  single.give({ kind: "resume" });
  expect(tasksOf(single)).toEqual(["next"]);
});

test("a TERMINATE that is passed over ends its list like any other step", () => {
  const single = begun([task("a", to("t")), end("t", "FAILED")]);
  skip("t")(single);
  single.complete("a", 1);
  expect(single.state.status).toBe("COMPLETED");
  expect(ended(single)).toEqual(["a COMPLETED", "t SKIPPED"]);
});

test("what was skipped is not undone", () => {
  const undo = [{ stepId: "undo", compensationFor: "a", type: "TASK" as const, taskId: "u" }];
  const single = begun([task("a", to("b")), task("b")], { definition: { compensationSteps: undo } });
  skip("a")(single);
  single.fail("b", final);
  expect(single.state).toMatchObject({ status: "FAILED" });
  expect(single.state.compensation).toBeUndefined();
});

test("a step may be named before the instance has begun", () => {
  const single = new Single({ steps: [task("a", to("b")), task("b")], created: true });
  skip("a")(single);
  single.crash();
  single.give({ kind: "started", born: true });
  expect(tasksOf(single)).toEqual(["b"]);
});

test("an unknown step, an instance that has ended or is ending: refused", () => {
  const single = begun([task("a", to("b")), task("b")], {
    definition: { compensationSteps: [{ stepId: "undo", compensationFor: "a", type: "TASK", taskId: "u" }] },
  });
  expect(skip("nobody")(single).ignored).toContain("nobody");
  expect(skip("undo")(single).ignored).toContain("undo");
  single.complete("a");
  single.fail("b", final);
  expect(skip("b")(single).ignored).toContain("FAILED");
  single.complete("~/undo");
  expect(skip("b")(single).ignored).toContain("FAILED");
});
