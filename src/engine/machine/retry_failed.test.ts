import { describe, expect, test } from "vitest";
import {
  begun,
  caughtBy,
  child,
  delay,
  each,
  end,
  ended,
  fan,
  final,
  once,
  survives,
  task,
  to,
  transform,
  wait,
} from "../../../test/support/machine.ts";
import type { Single } from "../simulation/single.ts";
import { maxOutputBytes } from "./joins.ts";
import { keptOutputs } from "./state.ts";

const retry = (single: Single) => single.give({ kind: "retry" });
const tasksOf = (single: Single) => [...single.tasks.keys()];

test("a failed instance goes on with the step that failed, as a new visit; what was done is not done again", () => {
  const single = survives(
    () =>
      begun([
        task("a", { outputMapping: { v: "output" }, ...to("b") }),
        task("b", { ...once, input: "variables.v", ...to("c") }),
        task("c"),
      ]),
    [
      // biome-ignore format: one line
      (one) => one.complete("a", 7),
      (one) => one.fail("b"),
      (one) => {
        const decision = retry(one);
        expect(decision).toMatchObject({ ignored: undefined, reopened: true });
        expect(one.state.status).toBe("RUNNING");
      },
      (one) => {
        expect(one.tasks.get("b#2")).toMatchObject({ attempt: 1, input: 7 });
        one.complete("b#2", 8);
      },
      (one) => one.complete("c", "end"),
    ],
  );
  expect(single.state).toMatchObject({ status: "COMPLETED", output: "end" });
  expect(single.state.error).toBeUndefined();
  expect(single.state.completedAt).toBe(single.now);
  expect(ended(single)).toEqual(["a COMPLETED", "b FAILED", "b#2 COMPLETED", "c COMPLETED"]);
  expect(single.transitions).toContain("FAILED>RUNNING workflow_retried");
});

test("it may fail and be tried again as often as one likes", () => {
  const single = begun([task("a", once)]);
  single.fail("a");
  for (const path of ["a#2", "a#3", "a#4"]) {
    retry(single);
    single.fail(path, final);
    expect(single.state).toMatchObject({ status: "FAILED", error: { code: "NO" } });
  }
});

test("whatever kind of step failed begins again", () => {
  const kinds: [step: Parameters<typeof begun>[0][number], fails: (single: Single) => unknown][] = [
    [wait("x", { eventTimeout: { duration: 500 } }), (one) => one.fire()],
    [child("x"), (one) => one.fail(tasksOf(one)[0]!, { code: "CHILD_REFUSED", category: "VALIDATION" })],
    [transform("x", "variables.missing"), () => {}],
    [delay("x", "variables.missing"), () => {}],
    [end("x", "FAILED"), () => {}],
    [each("x", "variables.missing", [task("i")]), () => {}],
  ];
  for (const [step, fails] of kinds) {
    const single = begun([step]);
    fails(single);
    expect(single.state.status, step.type).toBe("FAILED");
    expect(retry(single).ignored, step.type).toBeUndefined();
    fails(single);
    expect(single.state.steps.x?.status, step.type).toBe("FAILED");
    expect(single.rows.at(-1)?.path, step.type).toBe("x#2");
  }
});

describe("of a PARALLEL only the branches that had not completed begin again", () => {
  const steps = [
    fan("f", { a: [task("x")], b: [task("y", once)], c: [task("z", to("z2")), task("z2")] }, to("next")),
    task("next", { input: "steps.f.output" }),
  ];

  test("and the outputs are put together", () => {
    const single = survives(
      () => begun(steps),
      [
        (one) => one.complete("f/a/x", "A"),
        (one) => one.complete("f/c/z"),
        (one) => one.fail("f/b/y"),
        retry,
        (one) => {
          expect(tasksOf(one)).toEqual(["f#2/b/y", "f#2/c/z"]);
          one.complete("f#2/b/y", "B");
        },
        (one) => one.complete("f#2/c/z"),
        (one) => one.complete("f#2/c/z2", "C"),
      ],
    );
    expect(single.tasks.get("next")?.input).toEqual({ a: "A", b: "B", c: "C" });
  });

  test("over several retries", () => {
    const single = survives(
      () => begun(steps),
      [
        (one) => one.complete("f/a/x", "A"),
        (one) => one.fail("f/b/y"),
        retry,
        (one) => one.complete("f#2/c/z"),
        (one) => one.complete("f#2/c/z2", "C"),
        (one) => one.fail("f#2/b/y"),
        retry,
        (one) => {
          expect(tasksOf(one)).toEqual(["f#3/b/y"]);
          one.complete("f#3/b/y", "B");
        },
      ],
    );
    expect(single.tasks.get("next")?.input).toEqual({ a: "A", b: "B", c: "C" });
  });

  test("with a join of a number those count that had completed", () => {
    const some = [fan("f", { a: [task("x")], b: [task("y", once)], c: [task("z", once)] }, { join: 2 })];
    const single = survives(
      () => begun(some),
      [
        (one) => one.complete("f/a/x", "A"),
        (one) => one.fail("f/b/y"),
        (one) => one.fail("f/c/z"),
        retry,
        (one) => {
          expect(tasksOf(one)).toEqual(["f#2/b/y", "f#2/c/z"]);
          one.complete("f#2/c/z", "C");
        },
      ],
    );
    expect(single.state).toMatchObject({ status: "COMPLETED", output: { a: "A", c: "C" } });
    expect(ended(single)).toContain("f#2/b/y CANCELLED");
  });

  test("and a second failure is judged anew", () => {
    const some = [fan("f", { a: [task("x", once)], b: [task("y", once)], c: [task("z", once)] }, { join: 2 })];
    const single = begun(some);
    single.fail("f/a/x");
    single.fail("f/b/y");
    retry(single);
    single.fail("f#2/c/z");
    expect(single.state.status).toBe("RUNNING");
    single.fail("f#2/a/x");
    expect(single.state).toMatchObject({ status: "FAILED", error: { code: "JOIN_NOT_MET" } });
  });

  test("and a PARALLEL that had met its join and failed afterwards is joined at once", () => {
    const mapped = [
      task("a", to("f")),
      fan("f", { l: [task("x")], r: [task("y")] }, { outputMapping: { v: "steps.late.output" } }),
      task("late"),
    ];
    const single = survives(
      () => begun(mapped),
      [
        (one) => one.complete("a"),
        (one) => one.complete("f/l/x", 1),
        (one) => one.complete("f/r/y", 2),
        (one) => expect(retry(one).ignored).toBeUndefined(),
      ],
    );
    // Nothing has changed, so it fails again; but it does not hang.
    expect(single.state).toMatchObject({ status: "FAILED", error: { code: "EXPRESSION_ERROR" } });
    expect(ended(single).slice(-1)).toEqual(["f#2 FAILED"]);
  });
});

describe("of a MAP only the items that had not completed begin again", () => {
  const steps = (more: object = {}) => [
    each("m", "input.items", [task("i", { ...once, input: "[item, index]" })], { ...to("next"), ...more }),
    task("next", { input: "steps.m.output" }),
  ];
  const over = (items: unknown[], more: object = {}) => begun(steps(more), { input: { items } as never });

  test("with the items that they had, and the outputs are put together in order", () => {
    const single = survives(
      () => over(["p", "q", "r", "s"], { maxConcurrency: 2 }),
      [
        (one) => one.complete("m/1/i", "Q"),
        (one) => one.complete("m/0/i", "P"),
        (one) => one.fail("m/2/i"),
        retry,
        (one) => {
          expect([...one.tasks.values()].map(({ path, input }) => [path, input])).toEqual([
            ["m#2/2/i", ["r", 2]],
            ["m#2/3/i", ["s", 3]],
          ]);
          one.complete("m#2/3/i", "S");
        },
        (one) => one.complete("m#2/2/i", "R"),
      ],
    );
    expect(single.tasks.get("next")?.input).toEqual(["P", "Q", "R", "S"]);
  });

  test("those too that had not begun, as many at once as may", () => {
    const single = survives(
      () => over([0, 1, 2, 3, 4], { maxConcurrency: 2 }),
      [
        (one) => one.complete("m/0/i", 0),
        (one) => one.fail("m/1/i"),
        retry,
        (one) => {
          expect(tasksOf(one)).toEqual(["m#2/1/i", "m#2/2/i"]);
          one.complete("m#2/2/i", 2);
        },
        (one) => {
          expect(tasksOf(one)).toEqual(["m#2/1/i", "m#2/3/i"]);
          one.fail("m#2/3/i");
        },
        retry,
        (one) => {
          expect(tasksOf(one)).toEqual(["m#3/3/i", "m#3/1/i"]);
          one.complete("m#3/1/i", 1);
        },
        (one) => one.complete("m#3/3/i", 3),
        (one) => one.complete("m#3/4/i", 4),
      ],
    );
    expect(single.tasks.get("next")?.input).toEqual([0, 1, 2, 3, 4]);
  });

  test("and those that failed and were tolerated get another chance", () => {
    const single = survives(
      () => over([0, 1, 2, 3], { toleratedFailures: 1 }),
      [
        (one) => one.fail("m/0/i"),
        (one) => one.complete("m/1/i", 1),
        (one) => one.fail("m/2/i"),
        retry,
        (one) => one.complete("m#2/0/i", 0),
        (one) => one.fail("m#2/2/i"),
        (one) => one.complete("m#2/3/i", 3),
      ],
    );
    expect(single.tasks.get("next")?.input).toEqual([0, 1, null, 3]);
  });

  test("of large outputs, gathered from both visits", () => {
    const large = (text: string) => text.repeat(40_000);
    const single = survives(
      () => over(["p", "q", "r"]),
      [
        (one) => one.complete("m/0/i", large("P")),
        (one) => one.complete("m/2/i", large("R")),
        (one) => one.fail("m/1/i"),
        retry,
        (one) => one.complete("m#2/1/i", "Q"),
        (one) => {
          expect(one.tasks.get("m#2")).toMatchObject({ kind: "gather", input: { containers: ["m", "m#2"] } });
          one.gather("m#2");
        },
      ],
    );
    expect(single.tasks.get("next")?.input).toEqual([large("P"), "Q", large("R")]);
  });

  test("of many items, gathered from all visits", () => {
    const total = keptOutputs + 200;
    const items = Array.from({ length: total }, (_, i) => i);
    const single = over(items, { maxConcurrency: 10 });
    single.checks = false;
    const finish = (visit: string, index: number) => single.complete(`m${visit}/${index}/i`, `${visit}${index}`);
    for (const index of items.slice(0, 600)) finish("", index);
    single.fail("m/600/i");
    single.checks = true;
    expect(single.state.status).toBe("FAILED");
    retry(single);
    expect(tasksOf(single)).toEqual(items.slice(600, 610).map((index) => `m#2/${index}/i`));
    single.checks = false;
    for (const index of items.slice(601, 900)) finish("#2", index);
    single.crash();
    single.fail("m#2/600/i");
    single.checks = true;
    retry(single);
    single.checks = false;
    finish("#3", 600);
    for (const index of items.slice(900)) finish("#3", index);
    single.checks = true;
    single.crash();
    single.gather("m#3");
    const expected = items.map((index) => `${index === 600 || index >= 900 ? "#3" : index < 600 ? "" : "#2"}${index}`);
    expect(single.tasks.get("next")?.input).toEqual(expected);
  }, 60_000);

  test("and one whose outputs could not be joined has them gathered again", () => {
    const half = "x".repeat(maxOutputBytes / 2);
    const single = over([0, 1]);
    single.complete("m/0/i", half);
    single.complete("m/1/i", half);
    single.fail("m", { code: "OUTPUT_TOO_LARGE", category: "VALIDATION" });
    retry(single);
    expect(single.tasks.get("m#2")).toMatchObject({ kind: "gather" });
  });
});

test("a container inside of another begins anew: only those of the workflow's own list keep what was done", () => {
  const steps = [fan("f", { a: [each("m", "[1, 2]", [task("i", once)])], b: [task("y")] })];
  const single = survives(
    () => begun(steps),
    [
      (one) => one.complete("f/b/y", "B"),
      (one) => one.complete("f/a/m/0/i", 0),
      (one) => one.fail("f/a/m/1/i"),
      retry,
      (one) => {
        expect(tasksOf(one)).toEqual(["f#2/a/m/0/i", "f#2/a/m/1/i"]);
        one.complete("f#2/a/m/1/i", 1);
      },
      (one) => one.complete("f#2/a/m/0/i", 0),
    ],
  );
  expect(single.state.output).toEqual({ a: [0, 1], b: "B" });
});

test("TERMINATE inside a branch leaves the other branches that had completed as they were", () => {
  const steps = [fan("f", { a: [task("x")], b: [task("y", to("t")), end("t", "FAILED")], c: [task("z")] })];
  const single = begun(steps);
  single.complete("f/a/x", "A");
  single.complete("f/b/y");
  retry(single);
  expect(tasksOf(single)).toEqual(["f#2/b/y", "f#2/c/z"]);
});

test("a branch that was left to itself and cancelled with the failure does not begin again", () => {
  const steps = [
    fan("f", { a: [task("x")], b: [task("y")] }, { join: "any", rest: "leave", ...to("next") }),
    task("next", once),
  ];
  const single = survives(
    () => begun(steps),
    [
      (one) => one.complete("f/a/x"),
      (one) => one.fail("next"),
      retry,
      (one) => {
        expect(tasksOf(one)).toEqual(["next#2"]);
        expect(Object.keys(one.state.frames)).toEqual([]);
        one.complete("next#2", "end");
      },
    ],
  );
  expect(single.state).toMatchObject({ status: "COMPLETED", output: "end" });
});

test("the time of the workflow begins anew, and what was under way beside the failure begins too", () => {
  const steps = [task("a", to("f")), fan("f", { l: [task("x", once)], r: [wait("w")] })];
  const single = begun(steps, { definition: { timeout: 5_000, cancellationTriggers: [{ eventPattern: "stop" }] } });
  single.complete("a");
  single.fire("");
  expect(single.state.error?.code).toBe("WORKFLOW_TIMEOUT");
  single.now += 60_000;
  retry(single);
  expect(single.timers.get("")).toBe(single.now + 5_000);
  expect([...single.waits.keys()].sort()).toEqual(["f#2/r/w", "~cancel/0#2"]);
  expect(tasksOf(single)).toEqual(["f#2/l/x"]);
  single.signal("stop");
  expect(single.state.status).toBe("CANCELLED");
});

test("a failure that was caught once is caught again", () => {
  const single = begun([task("a", { ...once, ...caughtBy("b") }), task("b", { ...once, input: "error.code" })]);
  single.fail("a", { code: "E1" });
  single.fail("b");
  retry(single);
  expect(single.tasks.get("b#2")?.input).toBe("E1");
});

test("one that needs permits asks for them again before it goes on", () => {
  const single = begun([task("a", once)], { definition: { concurrency: [{ limit: 1 }] } });
  const key = single.state.permits![0]!.key;
  single.give({ kind: "permitted", key });
  single.fail("a");
  retry(single);
  expect(single.state.status).toBe("CREATED");
  expect(single.messages.map(({ kind }) => kind)).toEqual(["PERMIT_ASK", "PERMIT_RELEASE", "PERMIT_ASK"]);
  single.crash();
  expect(tasksOf(single)).toEqual([]);
  single.give({ kind: "permitted", key });
  expect(tasksOf(single)).toEqual(["a#2"]);
});

describe("it is refused", () => {
  test("for what has not failed", () => {
    const running = begun([task("a")]);
    expect(retry(running).ignored).toContain("RUNNING");
    running.cancel();
    expect(retry(running).ignored).toContain("CANCELLED");
    const done = begun([transform("a", "1")]);
    expect(retry(done).ignored).toContain("COMPLETED");
  });

  test("when its compensation has run", () => {
    const undo = [{ stepId: "undo", compensationFor: "a", type: "TASK" as const, taskId: "u" }];
    const single = begun([task("a", to("b")), task("b", once)], { definition: { compensationSteps: undo } });
    single.complete("a");
    single.fail("b");
    expect(retry(single).ignored).toContain("RUNNING");
    single.complete("~/undo");
    expect(retry(single).ignored).toContain("compensation");
  });

  test("when no step failed, but the end of the workflow", () => {
    const output = begun([transform("a", "1")], { definition: { outputSchema: false } });
    const stuck = begun([
      transform("a", "1", { transitions: { conditions: [{ condition: "false", nextStep: "a" }] } }),
    ]);
    const missing = begun([transform("a", "1")], { definition: { variables: { v: { required: true } } } });
    for (const single of [output, stuck, missing]) expect(retry(single).ignored).toContain("restart it instead");
  });

  test("and possible again when nothing had been undone", () => {
    const undo = [{ stepId: "undo", compensationFor: "a", type: "TASK" as const, taskId: "u" }];
    const definition = { compensationSteps: undo, compensateOnFailure: false };
    const single = begun([task("a", to("b")), task("b", once)], { definition });
    single.complete("a", "A");
    single.fail("b");
    expect(retry(single).ignored).toBeUndefined();
    single.cancel();
    expect(single.tasks.get("~/undo")?.input).toMatchObject({ originalOutput: "A" });
  });
});
