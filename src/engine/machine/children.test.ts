import { describe, expect, test } from "vitest";
import { begun, caughtBy, child, each, ended, fan, final, survives, task, to } from "../../../test/support/machine.ts";
import { errorInfo, type Single } from "../simulation/single.ts";

const made = (more: object = {}) => begun([child("k", { ...to("next"), ...more }), task("next")], { input: { n: 1 } });
const tasksOf = (single: Single) => [...single.tasks.keys()];
const failure = errorInfo({ code: "SOLD_OUT", category: "BUSINESS", details: { sku: 7 } }, 0);

test("a child is asked for with its input, waited for, and its output is the step's", () => {
  const single = survives(
    () => made({ input: { of: "${input.n}" } }),
    [
      (one) => {
        expect(one.tasks.get("k")).toMatchObject({ kind: "child", attempt: 1, input: { of: 1 } });
        expect(one.rows).toEqual([]);
        one.spawn("k", "the child");
      },
      (one) => {
        expect(one.state.live.k).toMatchObject({ phase: "child", childId: "the child" });
        one.endChild("k", { output: { ok: true } });
      },
      (one) => one.complete("next", "end"),
    ],
  );
  expect(single.state.steps.k).toMatchObject({ status: "COMPLETED", input: { of: 1 }, output: { ok: true } });
});

test("without an input it gets the instance's", () => {
  expect(made().tasks.get("k")?.input).toEqual({ n: 1 });
});

test("a child that fails fails the step with its error, and says which it was", () => {
  const single = survives(
    () => made(caughtBy("next")),
    [(one) => one.spawn("k", "the child"), (one) => one.endChild("k", { status: "FAILED", error: failure })],
  );
  expect(single.state.steps.k).toMatchObject({
    status: "FAILED",
    attempt: 1,
    error: { code: "SOLD_OUT", category: "BUSINESS", message: "it broke", details: { instanceId: "the child" } },
  });
  expect(tasksOf(single)).toEqual(["next"]);
});

test("a child that was cancelled is CHILD_CANCELLED; one that is refused fails the step at once", () => {
  const cancelled = made();
  cancelled.spawn("k", "the child");
  cancelled.endChild("k", { status: "CANCELLED" });
  expect(cancelled.state.error).toMatchObject({
    code: "CHILD_CANCELLED",
    category: "BUSINESS",
    details: { instanceId: "the child" },
  });
  const refused = made({ retryPolicy: {} });
  refused.fail("k", { code: "CHILD_REFUSED", category: "VALIDATION" });
  expect(refused.state).toMatchObject({ status: "FAILED", error: { code: "CHILD_REFUSED", retriable: false } });
});

describe("retries", () => {
  test("without a policy there is one attempt", () => {
    const single = made();
    single.spawn("k");
    single.endChild("k", { status: "FAILED", error: errorInfo({ category: "TRANSIENT" }, 0) });
    expect(single.state.status).toBe("FAILED");
  });

  test("with one each attempt is a child of its own, with the same input", () => {
    const single = survives(
      () => made({ retryPolicy: { maxAttempts: 2, initialInterval: 500 } }),
      [
        (one) => one.spawn("k", "first"),
        (one) => one.endChild("k", { status: "FAILED", error: errorInfo({ category: "TRANSIENT" }, 0) }),
        (one) => one.fire("k"),
        (one) => {
          expect(one.tasks.get("k")).toMatchObject({ kind: "child", attempt: 2, input: { n: 1 } });
          one.spawn("k", "second");
        },
        (one) => {
          // What the first one still says concerns nobody.
          expect(
            one.give({ kind: "child_ended", path: "k", childId: "first", status: "COMPLETED" }).ignored,
          ).toBeDefined();
          one.endChild("k", { output: 2 });
        },
      ],
    );
    expect(ended(single)).toEqual(["k FAILED", "k(2) COMPLETED"]);
  });

  test("the category of the child's error decides, as for a task", () => {
    const single = made({ retryPolicy: {} });
    single.spawn("k");
    single.endChild("k", { status: "FAILED", error: failure });
    expect(single.state).toMatchObject({ status: "FAILED", error: { code: "SOLD_OUT" } });
  });
});

describe("a timeout", () => {
  test("cancels the child and fails the attempt with TIMEOUT; what the child says then is too late", () => {
    const single = survives(
      () => made({ timeout: 5_000, ...caughtBy("next") }),
      [(one) => one.spawn("k", "the child"), (one) => one.fire("k"), (one) => one.complete("next")],
    );
    expect(single.messages).toMatchObject([{ kind: "CANCEL", to: "the child", fact: { source: "SYSTEM" } }]);
    expect(single.state.steps.k?.error).toMatchObject({ code: "TIMEOUT", category: "TIMEOUT" });
    const late = { kind: "child_ended", path: "k", childId: "the child", status: "CANCELLED" } as const;
    expect(single.give(late).ignored).toBeDefined();
  });

  test("is of each attempt", () => {
    const single = made({ timeout: 5_000, retryPolicy: { maxAttempts: 2, initialInterval: 100 } });
    single.spawn("k", "first");
    single.fire("k");
    single.fire("k");
    single.spawn("k", "second");
    expect(single.timers.get("k")).toBe(single.now + 5_000);
    single.endChild("k");
    expect(single.timers.size).toBe(0);
  });
});

test("the timer of the next attempt is never the one of the time that the child had", () => {
  const single = made({ timeout: 3_000, retryPolicy: { initialInterval: 1_000 } });
  single.spawn("k");
  single.now += 2_000;
  const decision = single.endChild("k", { status: "FAILED", error: errorInfo({ category: "TRANSIENT" }, 0) });
  expect(decision.cleared).toEqual([{ key: "k", dueAt: single.now + 1_000 }]);
  expect(decision.armed).toEqual([{ key: "k", dueAt: single.now + 1_001 }]);
});

describe("a detached child", () => {
  test("is not waited for: the step's output names it", () => {
    const single = survives(
      () => made({ detach: true }),
      [(one) => one.spawn("k", "the child"), (one) => one.complete("next")],
    );
    expect(single.state.steps.k).toMatchObject({ status: "COMPLETED", output: { instanceId: "the child" } });
    expect(
      single.give({ kind: "child_ended", path: "k", childId: "the child", status: "FAILED" }).ignored,
    ).toBeDefined();
  });

  test("is not reached by the cancellation of its parent", () => {
    const single = made({ detach: true });
    single.spawn("k", "the child");
    single.cancel();
    expect(single.messages).toEqual([]);
  });
});

test("cancellation passes down to every child under way, with its reason and whether to undo", () => {
  const single = begun([fan("f", { a: [child("x")], b: [each("m", "[1, 2]", [child("y")])] })]);
  single.spawn("f/a/x", "X");
  single.spawn("f/b/m/1/y", "Y1");
  single.cancel({ compensate: false });
  expect(single.messages.map(({ to }) => to).sort()).toEqual(["X", "Y1"]);
  expect(single.messages[0]).toMatchObject({
    kind: "CANCEL",
    fact: { reason: "enough", requestedBy: "someone", compensate: false },
  });
  // One that was asked for and is not made yet is not made any more.
  const decision = single.give({ kind: "spawned", path: "f/b/m/0/y", attempt: 1, childId: "Y0" });
  expect(decision).toMatchObject({ ignored: expect.any(String), messages: [] });
});

test("a child that comes after its step was cancelled, or a second one, is not taken", () => {
  const rest = fan("f", { a: [task("x")], b: [child("k")] }, { join: "any", ...to("next") });
  const single = begun([rest, task("next")]);
  single.complete("f/a/x");
  const spawned = { kind: "spawned", path: "f/b/k", attempt: 1, childId: "late" } as const;
  expect(single.give(spawned).ignored).toBeDefined();
  expect(single.messages).toEqual([]);

  const twice = made();
  twice.spawn("k", "first");
  expect(twice.give({ kind: "spawned", path: "k", attempt: 1, childId: "second" }).ignored).toBeDefined();
  expect(twice.state.live.k?.childId).toBe("first");
  twice.endChild("k");
  expect(twice.give({ kind: "child_ended", path: "k", childId: "first", status: "COMPLETED" }).ignored).toBeDefined();
});

test("a task's path makes no child, and a child's path takes no result of a handler", () => {
  const single = begun([fan("f", { a: [task("x")], b: [child("k")] })]);
  expect(single.give({ kind: "spawned", path: "f/a/x", attempt: 1, childId: "no" }).ignored).toBeDefined();
  single.spawn("f/b/k", "yes");
  const result = { kind: "completed", path: "f/b/k", attempt: 1, output: 1, startedAt: 0, completedAt: 0 } as const;
  expect(single.give(result).ignored).toBeDefined();
});

test("a child that was asked for when the node died is asked for again, and counts as no interruption", () => {
  const single = made();
  for (let deaths = 0; deaths < 7; deaths++) single.crash();
  expect(single.tasks.get("k")).toMatchObject({ kind: "child", attempt: 1, interrupted: 0 });
});

test("children of items are told apart by their paths, and one that fails cancels the others", () => {
  const single = survives(
    () => begun([each("m", "[1, 2, 3]", [child("k")])]),
    [
      (one) => one.spawn("m/2/k", "K2"),
      (one) => one.spawn("m/0/k", "K0"),
      (one) => one.spawn("m/1/k", "K1"),
      (one) => one.endChild("m/1/k", { output: 1 }),
      (one) => one.endChild("m/2/k", { status: "FAILED", error: failure }),
    ],
  );
  expect(single.state.error).toMatchObject({ code: "SOLD_OUT", details: { instanceId: "K2" } });
  expect(single.messages.map(({ to }) => to)).toEqual(["K0"]);
});

test("a mapping that errs fails the step, and the child is not made again", () => {
  const single = made({ outputMapping: { v: "output.nothing" }, retryPolicy: {}, ...caughtBy("next") });
  single.spawn("k");
  single.endChild("k", { output: {} });
  expect(single.state.steps.k?.error?.code).toBe("EXPRESSION_ERROR");
  expect(tasksOf(single)).toEqual(["next"]);
});

test("a failure of the parent cancels its children and tells them so", () => {
  const single = begun([fan("f", { a: [child("k")], b: [task("y")] })]);
  single.spawn("f/a/k", "K");
  single.fail("f/b/y", final);
  expect(single.messages).toMatchObject([
    {
      kind: "CANCEL",
      to: "K",
      fact: { requestedBy: "parent", reason: 'Step "k" of the parent ended without it', compensate: true },
    },
  ]);
});
