import { describe, expect, test } from "vitest";
import {
  begun,
  caughtBy,
  delay,
  each,
  end,
  ended,
  fan,
  final,
  survives,
  task,
  to,
  wait,
} from "../../../test/support/machine.ts";
import type { Definition, Json } from "./definition.ts";

const undo = { compensationSteps: [{ stepId: "undo", compensationFor: "a", type: "TASK" as const, taskId: "u" }] };
const ending = (status: "COMPLETED" | "FAILED", more: object = {}, definition: Partial<Definition> = {}) => {
  const single = begun([task("a", to("t")), end("t", status, more)], { input: { n: 3 }, definition });
  single.complete("a", { sku: "S" });
  return single;
};

describe("COMPLETED", () => {
  test("gives its own output, else the definition's, else null", () => {
    const table: [given: Json | undefined, definition: Json | undefined, output: Json | undefined][] = [
      ["input.n + 1", undefined, 4],
      [{ of: "${steps.a.output.sku}" }, "input.n", { of: "S" }],
      ["null", "input.n", null],
      [undefined, "input.n", 3],
      [undefined, { n: "${input.n}" }, { n: 3 }],
      [undefined, undefined, null],
    ];
    for (const [output, own, expected] of table) {
      const single = ending(
        "COMPLETED",
        output === undefined ? {} : { output },
        own === undefined ? {} : { output: own },
      );
      expect([single.state.status, single.state.output ?? null]).toEqual(["COMPLETED", expected]);
      expect(ended(single)).toEqual(["a COMPLETED", "t COMPLETED"]);
    }
  });

  test("keeps the promises of the definition like any other end", () => {
    const table: [definition: Partial<Definition>, given: object, code: string | undefined][] = [
      [{ outputSchema: { type: "string" } }, { output: "input.n" }, "OUTPUT_INVALID"],
      [{ outputSchema: { type: "string" } }, { output: "'text'" }, undefined],
      [{ outputSchema: { type: "string" } }, {}, "OUTPUT_INVALID"],
      [{ variables: { v: { required: true } } }, { output: "input.n" }, "VARIABLE_MISSING"],
      [{ variables: { v: { required: true } } }, {}, "VARIABLE_MISSING"],
      [{ variables: { v: { required: true, default: 1 } } }, { output: "input.n" }, undefined],
      [{ output: "input.nothing" }, {}, "EXPRESSION_ERROR"],
    ];
    for (const [definition, given, code] of table) {
      const { state } = ending("COMPLETED", given, definition);
      expect([state.status, state.error?.code]).toEqual([code === undefined ? "COMPLETED" : "FAILED", code]);
    }
  });

  test("undoes nothing, unless it turns out to be a failure", () => {
    expect(ending("COMPLETED", {}, undo).state.status).toBe("COMPLETED");
    expect([...ending("COMPLETED", { output: "1" }, { ...undo, outputSchema: false }).tasks.keys()]).toEqual([
      "~/undo",
    ]);
  });

  test("without an output gives null also where the last step of the workflow is done", () => {
    const left = fan(
      "f",
      { a: [task("x")], b: [task("y", to("t")), end("t", "COMPLETED")] },
      { join: "any", rest: "leave" },
    );
    const single = survives(
      () => begun([left]),
      [(one) => one.complete("f/a/x", "the workflow's"), (one) => one.complete("f/b/y")],
    );
    expect(single.state.status).toBe("COMPLETED");
    expect(single.state.output ?? null).toBeNull();
  });
});

describe("FAILED", () => {
  test("fails with its error, whose texts are filled in", () => {
    const error = { code: "SOLD_OUT", message: "No ${steps.a.output.sku} left of ${input.n}", category: "PERMANENT", details: { n: "${input.n}" } }; // biome-ignore format: one line
    expect(ending("FAILED", { error }).state.error).toMatchObject({
      code: "SOLD_OUT",
      message: "No S left of 3",
      category: "PERMANENT",
      details: { n: 3 },
      retriable: false,
    });
  });

  test("is TERMINATED and BUSINESS without one, and says which step it was", () => {
    const message = 'The workflow was terminated by step "t"';
    for (const error of [undefined, {}, { message }])
      expect(ending("FAILED", { error }).state.error).toMatchObject({
        code: "TERMINATED",
        category: "BUSINESS",
        message,
      });
  });

  test("undoes what was done", () => {
    const single = survives(() => ending("FAILED", {}, undo), [(one) => one.complete("~/undo")]);
    expect(single.state).toMatchObject({ status: "FAILED", error: { code: "TERMINATED" } });
    expect(ended(single)).toEqual(["a COMPLETED", "t FAILED", "~/undo COMPLETED"]);
  });

  test("is caught by nobody, however deep it stands", () => {
    const deep = fan("f", { a: [each("m", "[1, 2]", [task("i", to("t")), end("t", "FAILED")], caughtBy("sorry")), task("sorry")] }, caughtBy("late")); // biome-ignore format: one line
    const single = survives(() => begun([deep, task("late")]), [(one) => one.complete("f/a/m/0/i")]);
    expect(single.state).toMatchObject({ status: "FAILED", error: { code: "TERMINATED" } });
    expect(ended(single)).toEqual([
      "f/a/m/0/i COMPLETED",
      "f/a/m/0/t FAILED",
      "f/a/m/1/i CANCELLED",
      "f/a/m CANCELLED",
      "f CANCELLED",
    ]);
  });
});

test("an expression that errs fails the step, which others may catch", () => {
  const broken = end("t", "COMPLETED", { output: "input.nothing" });
  expect(begun([broken]).state).toMatchObject({ status: "FAILED", error: { code: "EXPRESSION_ERROR" } });
  const inside = begun([fan("f", { a: [broken], b: [task("y")] }, caughtBy("sorry")), task("sorry")]);
  expect([...inside.tasks.keys()]).toEqual(["sorry"]);
  expect(begun([end("t", "FAILED", { error: { message: "${input.nothing}" } })]).state.error?.code).toBe(
    "EXPRESSION_ERROR",
  );
});

test("it cancels whatever is under way beside it, a branch that was left too", () => {
  const steps = [
    fan("f", { a: [task("x")], b: [task("y")] }, { join: "any", rest: "leave", ...to("g") }),
    fan("g", {
      a: [task("p", to("t")), end("t", "COMPLETED", { output: "'done'" })],
      b: [wait("w")],
      c: [delay("d", 9_000)],
    }),
  ];
  const single = survives(
    () => begun(steps, { definition: { timeout: 60_000 } }),
    [
      (one) => one.complete("f/a/x"),
      (one) => one.fail("g/a/p"),
      (one) => one.fire("g/a/p"),
      (one) => one.complete("g/a/p"),
    ],
  );
  expect(single.state).toMatchObject({ status: "COMPLETED", output: "done" });
  expect(
    ended(single)
      .filter((row) => row.endsWith("CANCELLED"))
      .sort(),
  ).toEqual(["f/b/y", "g", "g/b/w", "g/c/d"].map((path) => `${path} CANCELLED`));
  expect([single.timers.size, single.waits.size]).toEqual([0, 0]);
});

test("the workflow's own retry sees its failure as any other", () => {
  const retryPolicy = { maxAttempts: 2, initialInterval: 500 };
  expect(ending("FAILED", {}, { retryPolicy }).state.status).toBe("FAILED");
  const again = ending("FAILED", { error: { category: "TRANSIENT" } }, { retryPolicy });
  again.fire("~retry");
  expect([...again.tasks.keys()]).toEqual(["a#2"]);
  again.fail("a#2", final);
  expect(again.state).toMatchObject({ status: "FAILED", error: { code: "NO" } });
});
