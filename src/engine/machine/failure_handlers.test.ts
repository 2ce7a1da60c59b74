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
import type { Step } from "./definition.ts";

const tasksOf = (single: Single) => [...single.tasks.keys()];

test("a failure goes where onFailure says after the last attempt, and not before", () => {
  const steps = [
    task("a", { retryPolicy: { maxAttempts: 2 }, ...to("next"), ...caughtBy("sorry") }),
    task("next"),
    task("sorry"),
  ];
  const single = survives(
    () => begun(steps),
    [
      (one) => one.fail("a"),
      (one) => one.fire("a"),
      (one) => one.fail("a"),
      (one) => {
        expect(tasksOf(one)).toEqual(["sorry"]);
        one.complete("sorry", "handled");
      },
    ],
  );
  expect(single.state).toMatchObject({ status: "COMPLETED", output: "handled" });
  expect(single.state.error).toBeUndefined();
  expect(ended(single)).toEqual(["a FAILED", "a(2) FAILED", "sorry COMPLETED"]);
});

test("the first condition that holds decides, then the default; with neither nobody handles it", () => {
  const conditions = [
    { condition: 'error.code == "E1"', nextStep: "x" },
    { condition: "error.nothing.at.all", nextStep: "y" },
    { condition: 'error.category == "BUSINESS" && error.details.n > 1 && error.stepId == "a"', nextStep: "y" },
  ];
  const caught = (error: Parameters<Single["fail"]>[1], onFailure: object) => {
    const single = begun([task("a", { ...once, onFailure }), task("x"), task("y"), task("z")]);
    single.fail("a", error);
    return single.state.status === "FAILED" ? single.state.error?.code : tasksOf(single)[0];
  };
  expect(caught({ code: "E1" }, { conditions })).toBe("x");
  expect(caught({ code: "E2", category: "BUSINESS", details: { n: 2 } }, { conditions })).toBe("y");
  expect(caught({ code: "E2", category: "BUSINESS", details: { n: 1 } }, { conditions, default: "z" })).toBe("z");
  expect(caught({ code: "E2" }, { conditions })).toBe("E2");
  expect(caught({ code: "E2" }, { conditions: [] })).toBe("E2");
  expect(caught({ code: "E2" }, {})).toBe("E2");
});

test("a condition that errs counts as false and leaves a warning in the row of the failure", () => {
  const single = begun([task("a", { ...once, onFailure: { conditions: [{ condition: "no.such", nextStep: "x" }], default: "x" } }), task("x")]); // biome-ignore format: one line
  single.fail("a");
  expect(single.rows[0]).toMatchObject({ status: "FAILED", outcome: { next: ["x"], warnings: [expect.any(String)] } });
});

test("conditions see the step as failed, and not what an earlier visit of it gave", () => {
  const again = { transitions: { conditions: [{ condition: "steps.a.output.ok", nextStep: "a" }], default: "x" } };
  const onFailure = { conditions: [{ condition: "has(steps.a.output) && steps.a.output.ok", nextStep: "x" }, { condition: 'steps.a.status == "FAILED"', nextStep: "y" }] }; // biome-ignore format: one line
  const single = begun([task("a", { ...again, onFailure }), task("x"), task("y")]);
  single.complete("a", { ok: true });
  single.fail("a#2", final);
  expect(tasksOf(single)).toEqual(["y"]);
});

test("the handler and all that follow in the list see the failure, until another one is caught", () => {
  const seen = { input: "error.code" };
  const steps = [
    task("a", { ...once, ...caughtBy("b"), input: "error == null" }),
    task("b", { ...seen, ...to("c") }),
    task("c", { ...once, ...seen, ...caughtBy("d") }),
    task("d", { input: "[error.code, error.stepId, error.category]" }),
  ];
  const single = survives(
    () => begun(steps),
    [
      (one) => {
        expect(one.tasks.get("a")?.input).toBe(true);
        one.fail("a", { code: "FIRST" });
      },
      (one) => one.complete("b"),
      (one) => {
        expect(one.tasks.get("c")?.input).toBe("FIRST");
        one.fail("c", { code: "SECOND", category: "BUSINESS" });
      },
      (one) => one.complete("d"),
    ],
  );
  expect(single.state.steps.d?.input).toEqual(["SECOND", "c", "BUSINESS"]);
});

test("a timeout handler sees TIMEOUT; without one onFailure catches it, and with both the handler comes first", () => {
  const late = { duration: 5_000, timeoutHandlerStepId: "late" };
  const followers = [task("late", { input: "error.code" }), task("sorry", { input: "error.code" })];
  const table: [more: object, follows: string][] = [
    [{ eventTimeout: late }, "late"],
    [{ eventTimeout: { duration: 5_000 }, ...caughtBy("sorry") }, "sorry"],
    [{ eventTimeout: late, ...caughtBy("sorry") }, "late"],
  ];
  for (const [more, follows] of table) {
    const single = survives(() => begun([wait("w", more), ...followers]), [(one) => one.fire("w")]);
    expect([...single.tasks.values()].map(({ path, input }) => [path, input])).toEqual([[follows, "TIMEOUT"]]);
  }
});

test("every kind of step is caught: an input, a mapping, a duration, a list that errs, a child, a container", () => {
  const fails: [step: Step, code: string, act?: (single: Single) => unknown][] = [
    [task("a", { input: "input.nothing" }), "EXPRESSION_ERROR"],
    [transform("a", "input.nothing"), "EXPRESSION_ERROR"],
    [transform("a", "1", { outputMapping: { v: "output.nothing" } }), "EXPRESSION_ERROR"],
    [transform("a", "'text'", { outputMapping: { n: "output" } }), "VARIABLE_TYPE"],
    [delay("a", "'soon'"), "EXPRESSION_ERROR"],
    [each("a", "input", [task("i")]), "ITEMS_NOT_A_LIST"],
    [wait("a", { eventPayloadMapping: { v: "payload.nothing" } }), "EXPRESSION_ERROR", (one) => one.signal("go")],
    [child("a"), "CHILD_REFUSED", (one) => one.fail("a", { code: "CHILD_REFUSED", category: "VALIDATION" })],
    [fan("a", { p: [transform("i", "input.nothing")] }), "EXPRESSION_ERROR"],
    [fan("a", { p: [end("i", "COMPLETED", { output: "input.nothing" })] }), "EXPRESSION_ERROR"],
  ];
  const definition = { variables: { n: { type: "integer" as const } } };
  for (const [step, code, act] of fails) {
    const single = begun([{ ...step, ...caughtBy("sorry") } as Step, task("sorry", { input: "error.code" })], {
      definition,
    });
    act?.(single);
    expect(single.tasks.get("sorry")?.input, JSON.stringify(step)).toBe(code);
  }
});

test("a step that is done is not caught when no way leads on: the scope fails", () => {
  const stuck = { transitions: { conditions: [{ condition: "false", nextStep: "sorry" }] }, ...caughtBy("sorry") };
  const single = begun([transform("a", "1", stuck), task("sorry")]);
  expect(single.state).toMatchObject({ status: "FAILED", error: { code: "NO_TRANSITION" } });
  const inner = begun([fan("f", { p: [transform("a", "1", stuck), task("sorry")] }, caughtBy("late")), task("late")]);
  expect(tasksOf(inner)).toEqual(["late"]);
});

describe("containers inside each other", () => {
  /** A MAP in a branch of a PARALLEL in an item of a MAP; `at` is where the failure of the innermost step is handled. */
  const nested = (at: "step" | "map" | "branch" | "item" | "workflow" | "nowhere") => {
    const here = (place: typeof at, handler: string) => (at === place ? caughtBy(handler) : {});
    return [
      each(
        "outer",
        "[1, 2]",
        [
          fan(
            "f",
            {
              p: [
                each(
                  "inner",
                  "[1, 2]",
                  [task("i", { ...once, ...here("step", "i2") }), task("i2")],
                  here("map", "after"),
                ),
                task("after"),
              ],
              q: [task("beside")],
            },
            here("branch", "g"),
          ),
          task("g"),
        ],
        here("workflow", "end"),
      ),
      task("end"),
    ];
  };
  const table: [at: Parameters<typeof nested>[0], begins: string[], status: string][] = [
    ["step", ["outer/0/f/p/inner/0/i2"], "RUNNING"],
    ["map", ["outer/0/f/p/after"], "RUNNING"],
    ["branch", ["outer/0/g"], "RUNNING"],
    ["workflow", ["end"], "RUNNING"],
    ["nowhere", [], "FAILED"],
  ];
  test.each(table)("a failure goes outward until somebody handles it: %s", (at, begins, status) => {
    const single = survives(() => begun(nested(at)), [(one) => one.fail("outer/0/f/p/inner/0/i", final)]);
    expect(single.state.status).toBe(status);
    const under = (prefix: string) => tasksOf(single).filter((path) => path.startsWith(prefix));
    for (const path of begins) expect(tasksOf(single)).toContain(path);
    // What stands beside is cancelled with the container that failed, and only with that.
    expect(under("outer/0/f/p/inner/1/")).toHaveLength(at === "step" ? 1 : 0);
    expect(under("outer/0/f/q/")).toHaveLength(at === "step" || at === "map" ? 1 : 0);
    expect(under("outer/1/")).toHaveLength(at === "workflow" || at === "nowhere" ? 0 : 3);
    for (const [path, frame] of Object.entries(single.state.frames))
      expect(
        Object.values(single.state.live).some((live) => live.path.startsWith(`${path}/`)),
        `${path} ${frame}`,
      ).toBe(true);
  });

  test("each scope has its own failure, and one that has none sees that of the scope around it", () => {
    const steps = [
      task("a", { ...once, ...caughtBy("f") }),
      fan("f", {
        p: [task("x", { ...once, input: "error.code", ...caughtBy("x2") }), task("x2", { input: "error.code" })],
        q: [task("y", to("y2")), task("y2", { input: "error.code" })],
      }),
    ];
    const single = begun(steps);
    single.fail("a", { code: "OUTER" });
    expect(single.tasks.get("f/p/x")?.input).toBe("OUTER");
    single.fail("f/p/x", { code: "INNER" });
    expect(single.tasks.get("f/p/x2")?.input).toBe("INNER");
    single.complete("f/q/y");
    expect(single.tasks.get("f/q/y2")?.input).toBe("OUTER");
  });

  test("a branch that was left keeps what it sees of the failures around it", () => {
    const rest = fan("g", { l: [task("x")], r: [task("y", to("y2")), task("y2", { input: "error.code" })] }, { join: "any", rest: "leave" }); // biome-ignore format: one line
    const branch = [task("a", { ...once, ...caughtBy("g") }), rest];
    const single = survives(
      () => begun([fan("f", { p: branch }, to("end")), task("end")]),
      [
        (one) => one.fail("f/p/a", { code: "OUTER" }),
        (one) => one.complete("f/p/g/l/x"),
        (one) => one.complete("f/p/g/r/y"),
        (one) => {
          expect(one.tasks.get("f/p/g/r/y2")?.input).toBe("OUTER");
          one.complete("f/p/g/r/y2");
        },
        (one) => one.complete("end"),
      ],
    );
    expect(single.state.status).toBe("COMPLETED");
  });
});

test("a loop through a handler counts visits, and the failure of the last one is seen", () => {
  const steps = [task("a", { ...once, input: "error == null ? 'none' : error.code", ...caughtBy("pause"), ...to("z") }), delay("pause", 100, to("a")), task("z")]; // biome-ignore format: one line
  const single = survives(
    () => begun(steps),
    [
      (one) => one.fail("a", { code: "E1" }),
      (one) => one.fire("pause"),
      (one) => {
        expect(one.tasks.get("a#2")?.input).toBe("E1");
        one.fail("a#2", { code: "E2" });
      },
      (one) => one.fire("pause#2"),
      (one) => one.complete("a#3"),
      (one) => one.complete("z"),
    ],
  );
  expect(single.state.steps.a?.input).toBe("E2");
});

test("a failure that was caught is no reason to undo anything", () => {
  const undo = [{ stepId: "undo", compensationFor: "a", type: "TASK" as const, taskId: "u" }];
  const single = begun([task("a", to("b")), task("b", { ...once, ...caughtBy("c") }), task("c")], { definition: { compensationSteps: undo } }); // biome-ignore format: one line
  single.complete("a");
  single.fail("b");
  single.complete("c");
  expect(single.state.status).toBe("COMPLETED");
  expect(single.state.compensation).toBeUndefined();
});
