import { describe, expect, test } from "vitest";
import { begun, caughtBy, child, decision, delay, each, end, ended, fan, final, survives, task, to, transform, wait } from "../../../test/support/machine.ts"; // biome-ignore format: one line
import type { Step } from "./definition.ts";
import { maxOutputBytes } from "./joins.ts";

const three = (more: object = {}): Step[] => [
  fan("f", { a: [task("x")], b: [task("y")], c: [task("z")] }, { ...to("next"), ...more }),
  task("next"),
];
const tasksOf = (single: ReturnType<typeof begun>) => [...single.tasks.keys()];

test("branches begin together, and the output has the last output of each by its branchId", () => {
  const steps = [fan("f", { a: [task("x", to("x2")), task("x2")], b: [task("y")] }, to("next")), task("next")];
  const single = begun(steps);
  expect(tasksOf(single)).toEqual(["f/a/x", "f/b/y"]);
  single.complete("f/b/y", "Y");
  single.complete("f/a/x", "X");
  expect(tasksOf(single)).toEqual(["f/a/x2"]);
  single.complete("f/a/x2", "X2");
  expect(single.state.steps.f).toMatchObject({ status: "COMPLETED", output: { a: "X2", b: "Y" } });
  expect(Object.keys(single.state.steps.f!.output as object)).toEqual(["a", "b"]);
  expect(tasksOf(single)).toEqual(["next"]);
  expect(ended(single)).toEqual(["f/b/y COMPLETED", "f/a/x COMPLETED", "f/a/x2 COMPLETED", "f COMPLETED"]);
});

test("a branch may be called as a member of every object", () => {
  const names = ["__proto__", "constructor", "0", "toString"];
  const single = survives(
    () =>
      begun([
        fan(
          "f",
          names.map((name): [string, Step[]] => [name, [task(`in ${name}`)]]),
        ),
      ]),
    names.map((name, index) => (one) => one.complete(`f/${name}/in ${name}`, index)),
  );
  expect(Object.entries(single.state.output as object).sort()).toEqual(names.map((name, i) => [name, i]).sort());
});

test("steps of branches read the steps before and around them, and are read from outside by their ids", () => {
  const single = begun([
    task("before", to("f")),
    fan(
      "f",
      {
        a: [
          task("x", { input: { seen: "${steps.before.output}" }, ...to("x2") }),
          transform("x2", "steps.x.output + 1"),
        ],
      },
      to("after"),
    ),
    transform("after", "[steps.x.output, steps.x2.output, steps.f.output.a]"),
  ]);
  single.complete("before", 7);
  expect(single.tasks.get("f/a/x")?.input).toEqual({ seen: 7 });
  single.complete("f/a/x", 1);
  expect(single.state.output).toEqual([1, 2, 2]);
});

describe("how many must complete", () => {
  type Ends = Record<"x" | "y" | "z", "ok" | "fails" | "open">;
  const table: [join: "all" | "any" | number | undefined, Ends, becomes: string][] = [
    [undefined, { x: "ok", y: "ok", z: "ok" }, "COMPLETED"],
    [undefined, { x: "ok", y: "fails", z: "open" }, "FAILED NO"],
    ["all", { x: "ok", y: "ok", z: "fails" }, "FAILED NO"],
    ["any", { x: "open", y: "ok", z: "open" }, "COMPLETED"],
    ["any", { x: "fails", y: "fails", z: "open" }, "RUNNING"],
    ["any", { x: "fails", y: "fails", z: "fails" }, "FAILED JOIN_NOT_MET"],
    [1, { x: "fails", y: "ok", z: "open" }, "COMPLETED"],
    [2, { x: "ok", y: "fails", z: "open" }, "RUNNING"],
    [2, { x: "ok", y: "fails", z: "ok" }, "COMPLETED"],
    [2, { x: "fails", y: "ok", z: "fails" }, "FAILED JOIN_NOT_MET"],
    [2, { x: "fails", y: "fails", z: "open" }, "FAILED JOIN_NOT_MET"],
    [3, { x: "ok", y: "ok", z: "ok" }, "COMPLETED"],
    // A number is a number, also that of all: the error is the join's.
    [3, { x: "ok", y: "fails", z: "open" }, "FAILED JOIN_NOT_MET"],
  ];
  test.each(table)("join %j of %j: %s", (join, ends, becomes) => {
    const places = { x: "f/a/x", y: "f/b/y", z: "f/c/z" };
    const actions = (["x", "y", "z"] as const).flatMap((step) => {
      if (ends[step] === "open") return [];
      return [
        (single: ReturnType<typeof begun>) => {
          if (ends[step] === "ok") single.complete(places[step], step);
          else single.fail(places[step], final);
        },
      ];
    });
    const single = survives(() => begun(three(join === undefined ? {} : { join })), actions);
    const { status, error } = single.state.steps.f!;
    expect(`${status}${error === undefined ? "" : ` ${error.code}`}`).toBe(becomes);
    if (status === "FAILED") expect(single.state.error?.code).toBe(error?.code);
    if (status === "COMPLETED") expect(tasksOf(single)).toEqual(["next"]);
  });
});

test("a join that is not met tells which branches failed and with what", () => {
  const single = begun(three({ join: 2 }));
  single.fail("f/c/z", final);
  single.fail("f/a/x", { code: "LAST", category: "PERMANENT" });
  expect(single.state.error).toMatchObject({
    code: "JOIN_NOT_MET",
    category: "BUSINESS",
    message: '2 of the 3 branches of step "f" failed, and 2 must complete',
    details: { failed: ["c", "a"], last: { code: "LAST", category: "PERMANENT", message: "it broke" } },
  });
});

test("the rest are cancelled with all that they have asked for", () => {
  const steps = [
    fan(
      "f",
      {
        a: [task("x")],
        b: [task("y")],
        c: [wait("w", { eventTimeout: { duration: 5_000 } })],
        d: [delay("d", 9_000)],
        e: [child("k")],
        g: [each("m", "[1, 2]", [task("i")])],
      },
      { join: "any" },
    ),
  ];
  const single = begun(steps);
  single.spawn("f/e/k", "the child");
  const decision = single.complete("f/a/x", 1);
  expect(single.state).toMatchObject({ status: "COMPLETED", output: { a: 1 } });
  expect([single.tasks.size, single.timers.size, single.waits.size]).toEqual([0, 0, 0]);
  expect(decision.aborted.sort()).toEqual(["f/b/y", "f/g/m/0/i", "f/g/m/1/i"]);
  expect(single.messages).toMatchObject([{ kind: "CANCEL", to: "the child" }]);
  expect(
    ended(single)
      .filter((row) => row.endsWith("CANCELLED"))
      .sort(),
  ).toEqual(["f/b/y", "f/c/w", "f/d/d", "f/e/k", "f/g/m", "f/g/m/0/i", "f/g/m/1/i"].map((path) => `${path} CANCELLED`));
});

describe("a rest that is left", () => {
  const left = { join: "any", rest: "leave" };

  test("goes on by itself, and the workflow ends when it has, with the output of its own last step", () => {
    const single = survives(
      () => begun(three(left)),
      [
        (one) => one.complete("f/a/x", "first"),
        (one) => one.complete("next", "end"),
        (one) => {
          expect(one.state.status).toBe("RUNNING");
          one.complete("f/c/z");
        },
        (one) => one.fail("f/b/y", final),
      ],
    );
    expect(single.state).toMatchObject({ status: "COMPLETED", output: "end" });
    expect(single.state.steps.f?.output).toEqual({ a: "first" });
  });

  test("concerns nobody when it fails, and is not counted when its PARALLEL is visited again", () => {
    const loop = [
      fan("f", { a: [task("x")], b: [task("y")] }, { ...left, transitions: { conditions: [{ condition: "!has(steps.f.output.b)", nextStep: "f" }], default: "next" } }), // biome-ignore format: one line
      task("next"),
    ];
    const single = survives(
      () => begun(loop),
      [
        (one) => one.complete("f/a/x", 1),
        (one) => one.fail("f/b/y", final),
        (one) => one.complete("f#2/b/y", "second"),
        (one) => one.complete("next", 0),
        (one) => one.cancel(),
      ],
    );
    expect(single.state.steps.f?.output).toEqual({ b: "second" });
    // Of the second visit "x" was left and not of the first.
    expect(ended(single)).toEqual([
      "f/a/x COMPLETED",
      "f COMPLETED",
      "f/b/y FAILED",
      "f#2/b/y COMPLETED",
      "f#2 COMPLETED",
      "next COMPLETED",
      "f#2/a/x CANCELLED",
    ]);
  });

  test("still joins what stands inside of it", () => {
    const inner = fan("g", { p: [task("p")], q: [task("q")] }, to("after"));
    const single = survives(
      () =>
        begun([
          fan(
            "f",
            { a: [task("x")], b: [inner, each("after", "[1, 2]", [task("i")], to("last")), task("last")] },
            left,
          ),
        ]),
      [
        (one) => one.complete("f/a/x"),
        (one) => one.complete("f/b/g/p/p"),
        (one) => one.complete("f/b/g/q/q"),
        (one) => one.complete("f/b/after/1/i"),
        (one) => one.complete("f/b/after/0/i"),
        (one) => one.complete("f/b/last"),
      ],
    );
    expect(single.state.status).toBe("COMPLETED");
    expect(ended(single)).toContain("f/b/after COMPLETED");
  });

  test("fails what stands inside of it too, and no more than that", () => {
    const inner = each("m", "[1, 2]", [task("i")], caughtBy("sorry"));
    const single = survives(
      () => begun([fan("f", { a: [task("x")], b: [inner, task("sorry")] }, left)]),
      [(one) => one.complete("f/a/x", 1), (one) => one.fail("f/b/m/1/i", final), (one) => one.complete("f/b/sorry")],
    );
    expect(single.state).toMatchObject({ status: "COMPLETED", output: { a: 1 } });
    expect(ended(single)).toContain("f/b/m/0/i CANCELLED");
  });

  test("in an item goes on with the item when that is over, and ends with the workflow", () => {
    const item = [
      fan(
        "f",
        { a: [task("x")], b: [task("y", to("y2")), task("y2", { input: "[item, index, steps.y.output]" })] },
        left,
      ),
    ];
    const single = survives(
      () => begun([each("m", "['p', 'q']", item, to("next")), task("next")]),
      [
        (one) => one.complete("m/1/f/a/x", "X1"),
        (one) => one.complete("m/0/f/a/x", "X0"),
        (one) => one.complete("m/1/f/b/y", "Y1"),
        (one) => {
          expect(one.state.steps.m?.output).toEqual([{ a: "X0" }, { a: "X1" }]);
          expect(one.tasks.get("m/1/f/b/y2")?.input).toEqual(["q", 1, "Y1"]);
          one.complete("m/1/f/b/y2");
        },
        (one) => one.complete("next", "end"),
        (one) => one.complete("m/0/f/b/y", "Y0"),
        (one) => one.complete("m/0/f/b/y2"),
      ],
    );
    expect(single.state).toMatchObject({ status: "COMPLETED", output: "end" });
    expect(Object.keys(single.state.frames)).toEqual([]);
  });

  test("in an item outlives the failure of the MAP when that is caught", () => {
    const item = [fan("f", { a: [task("x")], b: [task("y")] }, { ...left, ...to("z") }), task("z")];
    const single = survives(
      () => begun([each("m", "[1, 2]", item, caughtBy("sorry")), task("sorry")]),
      [
        (one) => one.complete("m/0/f/a/x"),
        (one) => one.fail("m/0/z", final),
        (one) => one.complete("sorry", "end"),
        (one) => one.complete("m/0/f/b/y"),
      ],
    );
    expect(single.state).toMatchObject({ status: "COMPLETED", output: "end" });
    expect(ended(single).filter((row) => row.endsWith("CANCELLED"))).toEqual([
      "m/1/f/b/y CANCELLED",
      "m/1/f/a/x CANCELLED",
      "m/1/f CANCELLED",
    ]);
  });

  test("is cancelled with the workflow, and cannot be left by a PARALLEL that fails after its join", () => {
    const failing = begun(three(left));
    failing.complete("f/a/x");
    failing.fail("next", final);
    expect(failing.state.status).toBe("FAILED");
    expect(ended(failing)).toContain("f/b/y CANCELLED");

    const mapped = survives(
      () => begun(three({ ...left, outputMapping: { v: "output.nothing" }, ...caughtBy("next") })),
      [(one) => one.complete("f/a/x"), (one) => one.complete("next")],
    );
    expect(ended(mapped)).toEqual([
      "f/a/x COMPLETED",
      "f/c/z CANCELLED",
      "f/b/y CANCELLED",
      "f FAILED",
      "next COMPLETED",
    ]);
  });
});

test("a result that comes for a branch that was cancelled changes nothing", () => {
  const single = begun(three({ join: "any" }));
  single.complete("f/a/x");
  const late = { kind: "completed", path: "f/b/y", attempt: 1, output: 1, startedAt: 0, completedAt: 0 } as const;
  expect(single.give(late).ignored).toBeDefined();
});

test("a PARALLEL whose time is over fails with TIMEOUT, and its branches are cancelled", () => {
  const single = survives(
    () => begun(three({ timeout: "PT5S", ...caughtBy("next") })),
    [(one) => one.complete("f/b/y"), (one) => one.fire("f"), (one) => one.complete("next", "end")],
  );
  expect(single.state).toMatchObject({ status: "COMPLETED", output: "end" });
  expect(single.state.steps.f?.error).toMatchObject({ code: "TIMEOUT", category: "TIMEOUT" });
  expect(ended(single)).toEqual([
    "f/b/y COMPLETED",
    "f/c/z CANCELLED",
    "f/a/x CANCELLED",
    "f FAILED",
    "next COMPLETED",
  ]);
});

test("one that is joined in time takes its timer back", () => {
  const single = begun(three({ timeout: 5_000 }));
  for (const path of ["f/a/x", "f/b/y", "f/c/z"]) single.complete(path);
  expect(single.timers.size).toBe(0);
});

test("a branch that knows no way on fails with NO_TRANSITION, though its step is done", () => {
  const stuck = task("x", { transitions: { conditions: [{ condition: "false", nextStep: "x" }] } });
  const single = begun([fan("f", { a: [stuck], b: [task("y")] })]);
  single.complete("f/a/x", 1);
  expect(single.state).toMatchObject({ status: "FAILED", error: { code: "NO_TRANSITION" } });
  expect(ended(single)).toEqual(["f/a/x COMPLETED", "f/b/y CANCELLED", "f FAILED"]);
});

test("branches of steps without time are joined in the same turn", () => {
  const single = begun([
    fan("f", { a: [transform("x", "1")], b: [decision("y", to("y2")), transform("y2", "2")] }, to("g")),
    fan("g", { a: [end("z", "COMPLETED", { output: "steps.f.output" })], b: [task("never")] }),
  ]);
  expect(single.state).toMatchObject({ status: "COMPLETED", output: { a: 1, b: 2 } });
  expect(single.tasks.size).toBe(0);
});

test("outputs that are too large together fail the step with OUTPUT_TOO_LARGE", () => {
  const half = "x".repeat(maxOutputBytes / 2);
  const single = begun([fan("f", { a: [task("x")], b: [task("y")] })]);
  single.complete("f/a/x", half);
  single.complete("f/b/y", half);
  expect(single.state.error).toMatchObject({ code: "OUTPUT_TOO_LARGE", category: "VALIDATION" });
});

test("variables belong to the workflow: what a branch sets every other sees", () => {
  const single = begun([fan("f", { a: [task("x", { outputMapping: { v: "output" } })], b: [task("y", to("y2")), task("y2", { input: "variables.v" })] })]); // biome-ignore format: one line
  single.complete("f/a/x", 5);
  single.complete("f/b/y");
  expect(single.tasks.get("f/b/y2")?.input).toBe(5);
});
