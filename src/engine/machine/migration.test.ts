import { describe, expect, test } from "vitest";
import { begun, child, delay, each, fan, final, once, survives, task, to, transform, wait } from "../../../test/support/machine.ts"; // biome-ignore format: one line
import type { Single } from "../simulation/single.ts";
import { compile } from "./compile.ts";
import type { Definition, Step } from "./definition.ts";
import { migrationProblems } from "./migration.ts";
import type { Program } from "./program.ts";

const version = (steps: Step[], more: Partial<Definition> = {}): Program =>
  compile(
    { workflowId: "w", name: "w", version: "2.0.0", steps, ...more },
    { definitionId: "d2", namespace: "default" },
  );
const migrate = (single: Single, program: Program) => single.give({ kind: "migrate", definitionId: "d2", to: program });
const problemsOf = (single: Single, program: Program) =>
  migrationProblems({ from: single.program, to: program, state: single.state });
const tasksOf = (single: Single) => [...single.tasks.keys()];

test("an instance goes on with another version: what follows, its mappings and its output are the new ones", () => {
  const single = survives(
    () => begun([task("a", to("b")), task("b")]),
    [
      (one) => {
        const next = version([task("a", { ...to("c"), outputMapping: { v: "output" } }), task("c")], {
          output: "variables",
        });
        expect(migrate(one, next)).toMatchObject({ ignored: undefined, full: true, program: next });
      },
      (one) => one.complete("a", 7),
      (one) => one.complete("c"),
    ],
  );
  expect(single.state).toMatchObject({ status: "COMPLETED", output: { v: 7 } });
});

test("variables that it does not have yet get the new version's defaults; those that it has stay", () => {
  const single = begun([task("a")], { definition: { variables: { v: { default: 1 } } } });
  migrate(single, version([task("a")], { variables: { v: { default: 2 }, w: { default: 3 } } }));
  expect({ ...single.state.variables }).toEqual({ v: 1, w: 3 });
});

test("a step that waits for its next attempt makes it by the new policy", () => {
  const single = begun([task("a", { retryPolicy: { maxAttempts: 2, initialInterval: 100 } })]);
  single.fail("a");
  migrate(single, version([task("a", { retryPolicy: { maxAttempts: 3, initialInterval: 7_000 } })]));
  single.fire("a");
  single.fail("a");
  expect(single.timers.get("a")).toBe(single.now + 14_000);
});

test("what is under way in branches and items goes on in them", () => {
  const inside = (last: Step) => [
    fan("f", { a: [each("m", "[1, 2]", [task("i", to("j")), last])], b: [task("x")] }, to("end")),
    task("end"),
  ];
  const single = survives(
    () => begun(inside(task("j"))),
    [
      (one) => one.complete("f/a/m/0/i", 1),
      (one) =>
        expect(migrate(one, version(inside(task("j", { input: "[item, steps.i.output]" })))).ignored).toBeUndefined(),
      (one) => one.complete("f/a/m/1/i", 2),
      (one) => {
        expect(one.tasks.get("f/a/m/1/j")?.input).toEqual([2, 2]);
        one.complete("f/a/m/1/j");
      },
      (one) => one.complete("f/a/m/0/j"),
      (one) => one.complete("f/b/x"),
      (one) => one.complete("end", "end"),
    ],
  );
  expect(single.state.output).toBe("end");
});

test("while it is paused, and between two runs, it may migrate too", () => {
  const paused = begun([task("a", to("b")), task("b")]);
  paused.give({ kind: "pause" });
  migrate(paused, version([task("a", to("c")), task("c")]));
  paused.complete("a");
  paused.give({ kind: "resume" });
  expect(tasksOf(paused)).toEqual(["c"]);

  const between = begun([task("a", once)], { definition: { retryPolicy: {} } });
  between.fail("a");
  migrate(between, version([task("first"), task("a")], { retryPolicy: {} }));
  between.fire("~retry");
  expect(tasksOf(between)).toEqual(["first"]);
});

describe("what stands in the way is told, all of it, and nothing happens", () => {
  const inBranch = fan("f", { a: [task("x"), task("y")], b: [task("z")] });
  const cases: [
    name: string,
    from: Step[],
    prepare: (single: Single) => unknown,
    to: Step[],
    problems: [string?, string?][],
  ][] = [
    ["a step that is gone", [task("a")], () => {}, [task("b")], [["a", "does not have it"]]],
    ["a step of another type", [task("a")], () => {}, [wait("a")], [["a", "is a EVENT_WAIT"]]],
    [
      "a step that stands elsewhere",
      [inBranch],
      () => {},
      [fan("f", { b: [task("x")], a: [task("z")] })],
      [
        ["x", "another branch"],
        ["z", "another branch"],
      ],
    ],
    [
      "a step that went into a branch",
      [task("x"), inBranch].slice(0, 1),
      () => {},
      [fan("f", { a: [task("x")] })],
      [["x", "another branch"]],
    ],
    ["another event", [wait("w")], () => {}, [wait("w", { eventPattern: "stop" })], [["w", 'waits for "go"']]],
    [
      "another condition",
      [wait("w", { eventCondition: "payload.a" })],
      () => {},
      [wait("w")],
      [["w", "would be lost"]],
    ],
    [
      "other branches",
      [inBranch],
      () => {},
      [fan("f", { a: [task("x")], b: [task("z")], c: [task("q")] })],
      [["f", "other branches"]],
    ],
    ["a child", [child("k")], (one) => one.spawn("k"), [task("k")], [["k", "is a TASK"]]],
    [
      "a delay that is gone, in an item",
      [each("m", "[1, 2]", [delay("d", 100)])],
      () => {},
      [each("m", "[1]", [task("i")])],
      [
        ["d", "does not have it"],
        ["d", "does not have it"],
      ],
    ],
  ];
  test.each(cases)("%s", (_, from, prepare, steps, problems) => {
    const single = begun(from);
    prepare(single);
    const next = version(steps);
    expect(problemsOf(single, next).map(({ stepId, message }) => [stepId, message])).toEqual(
      problems.map(([stepId, message]) => [stepId, expect.stringContaining(message!)]),
    );
    for (const { expected } of problemsOf(single, next)) expect(expected).not.toBe("");
    const before = single.program;
    expect(migrate(single, next).ignored).toContain(problems[0]![1]);
    expect(single.program).toBe(before);
  });

  test("other cancellation triggers", () => {
    const single = begun([task("a")], { definition: { cancellationTriggers: [{ eventPattern: "stop" }] } });
    const next = version([task("a")], {
      cancellationTriggers: [{ eventPattern: "stop", eventCondition: "payload.a" }],
    });
    expect(problemsOf(single, next)).toMatchObject([{ message: expect.stringContaining("triggers differ") }]);
  });

  test("another workflow", () => {
    const single = begun([task("a")]);
    expect(problemsOf(single, version([task("a")], { workflowId: "v" }))).toMatchObject([
      { message: expect.stringContaining("another workflow") },
    ]);
  });

  test("an end, or being about to end", () => {
    const undo = [{ stepId: "undo", compensationFor: "a", type: "TASK" as const, taskId: "u" }];
    const single = begun([task("a", to("b")), task("b")], { definition: { compensationSteps: undo } });
    single.complete("a");
    single.fail("b", final);
    expect(problemsOf(single, version([task("a")]))).toMatchObject([{ message: expect.stringContaining("ending") }]);
    single.complete("~/undo");
    expect(problemsOf(single, version([task("a")]))).toMatchObject([{ message: expect.stringContaining("FAILED") }]);
    expect(migrate(single, version([task("a")])).ignored).toBeDefined();
  });
});

test("what is not under way may change at will", () => {
  const from = [transform("a", "1", to("w")), wait("w", to("f")), fan("f", { a: [task("x")] })];
  const next = version([task("a", to("w")), wait("w", { eventTimeout: { duration: 5 }, ...to("y") }), task("y")]);
  const single = begun(from);
  expect(problemsOf(single, next)).toEqual([]);
  migrate(single, next);
  single.signal("go");
  expect(tasksOf(single)).toEqual(["y"]);
});

test("the version that it has, and one that is not at hand, are refused", () => {
  const single = begun([task("a")]);
  expect(single.give({ kind: "migrate", definitionId: "d2" }).ignored).toContain("not at hand");
  const same = compile({ workflowId: "w", name: "w", version: "1.0.0", steps: [task("a")] }, { definitionId: "d", namespace: "default" }); // biome-ignore format: one line
  expect(migrate(single, same).ignored).toContain("already");
});

test("a step that was to be passed over and is gone is not missed", () => {
  const single = begun([task("a", to("b")), task("b")]);
  single.give({ kind: "skip", stepId: "b" });
  migrate(single, version([task("a", to("c")), task("c")]));
  single.complete("a");
  single.complete("c");
  expect(single.state.status).toBe("COMPLETED");
});

test("a failed instance may migrate no more, but is tried again by its own version", () => {
  const single = begun([task("a", once)]);
  single.fail("a");
  expect(migrate(single, version([task("a")])).ignored).toContain("FAILED");
  expect(single.give({ kind: "retry" }).ignored).toBeUndefined();
});
