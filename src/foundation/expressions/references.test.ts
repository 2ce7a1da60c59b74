import { describe, expect, test } from "vitest";
import { compileCondition, compileExpression, equalityKeys } from "./index.ts";

describe("references", () => {
  test.each([
    ["input.a + variables.b", ["input", "variables"], [], false],
    ["steps.a.output + steps['b-c'].output", ["steps"], ["a", "b-c"], false],
    ["has(steps.a) ? steps.a.output : null", ["steps"], ["a"], false],
    ["steps[input.x].output", ["input", "steps"], [], true],
    ["size(steps)", ["steps"], [], true],
    ["input.list.map(x, x + y)", ["input", "y"], [], false],
    ["[1].all(steps, steps.a == 1)", [], [], false],
    ["input.transformList(i, v, v + i)", ["input"], [], false],
    ["type(input.a) == int", ["input"], [], false],
    ["exists(steps.a.output.b) && isEmpty(event)", ["event", "steps"], ["a"], false],
  ])("%s reads %j", (source, roots, steps, allSteps) => {
    const { references } = compileExpression(source);
    expect([...references.roots].sort()).toEqual(roots);
    expect([...references.steps]).toEqual(steps);
    expect(references.allSteps).toBe(allSteps);
  });

  test("$ counts as the root it stands for", () => {
    expect([...compileExpression("$.a", { pathRoot: "payload" }).references.roots]).toEqual(["payload"]);
  });
});

describe("the index keys of a wait", () => {
  const scope = { variables: { orderId: "o-1" }, input: { customer: 7 }, instance: { id: "i" } };

  function keys(source: string): unknown[] {
    return equalityKeys(compileCondition(source)).map(({ path, expression }) => [
      path.join("."),
      expression.evaluate(scope),
    ]);
  }

  test.each([
    ["event.payload.orderId == variables.orderId", [["payload.orderId", "o-1"]]],
    ["variables.orderId == event.payload.orderId", [["payload.orderId", "o-1"]]],
    ["payload.orderId == variables.orderId", [["payload.orderId", "o-1"]]],
    [
      "event.payload['order-id'] === 'x' && event.payload.n == input.customer + 1",
      [
        ["payload.order-id", "x"],
        ["payload.n", 8],
      ],
    ],
    [
      "event.type == 'paid' && (event.payload.a == 1 && event.payload.b == 2) && event.payload.c > 3",
      [
        ["type", "paid"],
        ["payload.a", 1],
        ["payload.b", 2],
      ],
    ],
  ])("%s has %j", (source, expected) => {
    expect(keys(source)).toEqual(expected);
  });

  test.each([
    "event.payload.a == event.payload.b",
    "event.payload.a != 1",
    "event.payload.a == 1 || event.payload.b == 2",
    "!(event.payload.a == 1)",
    "event.payload.items[0] == 1",
    "event == 1",
    "event.payload[input.customer] == 1",
    "input.customer == 7",
    "event.payload.list.exists(x, x == input.customer)",
  ])("%s has none", (source) => {
    expect(keys(source)).toEqual([]);
  });
});
