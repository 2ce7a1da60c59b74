import { describe, expect, test } from "vitest";
import { begun, each, fan, once, survives, task, to, transform, wait } from "../../../test/support/machine.ts";
import { Single } from "../simulation/single.ts";
import type { Definition, Json, VariableDeclaration } from "./definition.ts";

const declared = (variables: Definition["variables"]) => ({ definition: { variables: variables! } });

test("an instance has the defaults of the declared variables, and over them what its start gave", () => {
  const variables = { a: { default: 1 }, b: { default: [2] }, c: { type: "string" as const }, d: {} };
  const single = new Single({ steps: [task("t")], definition: { variables }, variables: { b: "given", d: null } });
  single.start();
  expect({ ...single.state.variables }).toEqual({ a: 1, b: "given", d: null });
  single.crash();
  expect({ ...single.state.variables }).toEqual({ a: 1, b: "given", d: null });
});

describe("whoever sets a variable gives a value of its type", () => {
  const [object, array] = [{ a: 1 }, [1]];
  const values: Json[] = ["text", 1.5, 2, true, object, array, null];
  const fits: Record<NonNullable<VariableDeclaration["type"]>, Json[]> = {
    string: ["text"],
    number: [1.5, 2],
    integer: [2],
    boolean: [true],
    object: [object],
    array: [array],
    any: values,
  };
  test.each(Object.entries(fits))("%s", (type, fitting) => {
    for (const value of values) {
      const variables = { v: { type: type as VariableDeclaration["type"] } };
      const single = begun([task("a", { outputMapping: { v: "output" } })], declared(variables));
      single.complete("a", value);
      if (fitting.includes(value)) expect(single.state.variables.v, JSON.stringify(value)).toEqual(value);
      else
        expect(single.state, JSON.stringify(value)).toMatchObject({
          status: "FAILED",
          error: { code: "VARIABLE_TYPE", category: "VALIDATION", retriable: false },
        });
    }
  });

  test("and the failure says which variable, of what type, and what it would have become", () => {
    const single = begun(
      [transform("a", "{'deep': 1}", { outputMapping: { v: "output" } })],
      declared({ v: { type: "array" } }),
    );
    expect(single.state.error?.message).toBe('Variable "v" is declared as array and would become an object');
  });

  test("in the mapping of an event too", () => {
    const single = begun(
      [wait("w", { eventPayloadMapping: { v: "payload.n" } })],
      declared({ v: { type: "integer" } }),
    );
    single.signal("go", { n: 1.5 });
    expect(single.state.error?.code).toBe("VARIABLE_TYPE");
    expect(single.state.mailbox).toEqual([]);
  });

  test("and a wrong one is not tried again, and nothing of its mapping is set", () => {
    const step = task("a", { outputMapping: { u: "output", v: "output" }, retryPolicy: { maxAttempts: 5 }, onFailure: { default: "b" } }); // biome-ignore format: one line
    const single = begun([step, task("b")], declared({ v: { type: "string" } }));
    single.complete("a", 5);
    expect([...single.tasks.keys()]).toEqual(["b"]);
    expect({ ...single.state.variables }).toEqual({});
  });

  test("but an undeclared one takes all", () => {
    const single = begun([transform("a", "null", { outputMapping: { free: "output" } })], declared({ v: {} }));
    expect(single.state).toMatchObject({ status: "COMPLETED", variables: { free: null } });
  });
});

test("a mapping sees what its step set before it, and the step's output and the event's mapping are one", () => {
  const single = begun([wait("w", { eventPayloadMapping: { a: "payload.n" }, outputMapping: { b: "variables.a + 1", c: "variables.b + output.n" } })]); // biome-ignore format: one line
  single.signal("go", { n: 1 });
  expect({ ...single.state.variables }).toEqual({ a: 1, b: 2, c: 3 });
});

test("a required variable must have a value when the workflow completes; null is one", () => {
  const definition = { variables: { v: { required: true }, w: { required: true, default: 0 } } };
  const ends = (mapping: Record<string, string>) => begun([transform("a", "null", { outputMapping: mapping })], { definition }).state; // biome-ignore format: one line
  expect(ends({})).toMatchObject({
    status: "FAILED",
    error: { code: "VARIABLE_MISSING", category: "VALIDATION", message: expect.stringContaining('"v"') },
  });
  expect(ends({ v: "output" }).status).toBe("COMPLETED");
});

test("one that is missing undoes what was done, and says nothing before the end", () => {
  const definition = {
    variables: { v: { required: true } },
    compensationSteps: [{ stepId: "undo", compensationFor: "a", type: "TASK" as const, taskId: "u" }],
  };
  const single = survives(
    () => begun([task("a", to("b")), task("b")], { definition }),
    [(one) => one.complete("a"), (one) => one.complete("b"), (one) => one.complete("~/undo")],
  );
  expect(single.state.error?.code).toBe("VARIABLE_MISSING");
});

test("a failure and a cancellation need no variable", () => {
  const definition = { variables: { v: { required: true } } };
  const failed = begun([task("a", once)], { definition });
  failed.fail("a");
  expect(failed.state.error?.code).toBe("BOOM");
  const cancelled = begun([task("a")], { definition });
  cancelled.cancel();
  expect(cancelled.state.status).toBe("CANCELLED");
});

test("branches and items share them: the last one that sets a variable is the one that counts", () => {
  const set = { outputMapping: { v: "output" } };
  const steps = [fan("f", { a: [task("x", set)], b: [each("m", "[1, 2]", [task("i", set)])] })];
  const single = survives(
    () => begun(steps, { definition: { output: "variables.v" } }),
    [
      (one) => one.complete("f/b/m/1/i", "i1"),
      (one) => one.complete("f/a/x", "x"),
      (one) => one.complete("f/b/m/0/i", "i0"),
    ],
  );
  expect(single.state.output).toBe("i0");
});
