// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the templates under test are written so.
import { describe, expect, test } from "vitest";
import { compileInput, compileTemplate, ExpressionError } from "./index.ts";

const scope = {
  input: { name: "Ada", count: 3, list: [1, 2], none: null, order: { id: 9 } },
  steps: { a: { output: "done" } },
};

function fill(value: unknown): unknown {
  return compileTemplate(value).evaluate(scope);
}

describe("templates", () => {
  test.each([
    ["${input.count}", 3],
    ["${input.list}", [1, 2]],
    [" ${input.count}", " 3"],
    ["Hello ${input.name}, ${input.count} new", "Hello Ada, 3 new"],
    ["${input.name}${input.count}", "Ada3"],
    ["${input.list} ${input.none} ${input.order}", '[1,2] null {"id":9}'],
    ["$${input.name}", "${input.name}"],
    ["a $${x} ${input.count} $$${input.name}", "a ${x} 3 $${input.name}"],
    ["no $ here { }", "no $ here { }"],
    ["${ {'a': {'b': input.count}}.a.b }", 3],
    ["${'}' + input.name}!", "}Ada!"],
    ["${input.list.map(x, {'v': x})}", [{ v: 1 }, { v: 2 }]],
    ["", ""],
  ])("%j becomes %j", (text, expected) => {
    expect(fill(text)).toStrictEqual(expected);
  });

  test("strings are filled in anywhere in a value, keys never", () => {
    expect(fill({ a: ["${input.count}", { b: "n=${input.count}" }], "${k}": 1, c: null })).toEqual({
      a: [3, { b: "n=3" }],
      "${k}": 1,
      c: null,
    });
  });

  test("what holds no expression is handed on by reference", () => {
    const constant = { deep: [1, "x"] };
    expect(fill(constant)).toBe(constant);
    expect((fill({ constant, made: "${input.count}" }) as { constant: unknown }).constant).toBe(constant);
  });

  test("a step's input is an expression when it is a string, a template otherwise", () => {
    expect(compileInput("input.order").evaluate(scope)).toBe(scope.input.order);
    expect(compileInput({ order: "${input.order}" }).evaluate(scope)).toEqual({ order: { id: 9 } });
    expect(compileInput(5).evaluate(scope)).toBe(5);
  });

  test("references are those of every expression inside", () => {
    const { references } = compileTemplate({ a: "${input.x} ${steps['b-c'].output}", b: ["${variables.y}"] });
    expect([...references.roots].sort()).toEqual(["input", "steps", "variables"]);
    expect([...references.steps]).toEqual(["b-c"]);
  });

  test.each([
    [{ a: [0, "x ${input.absent}"] }, "/a/1", /no member "absent"/],
    [{ "a/b": "${1 +}" }, "/a~1b", /ends too early/],
    [{ a: "${input.name" }, "/a", /not closed/],
    [{ a: "${}" }, "/a", /empty/],
    ["${input.name || 'x'}", "", /has\(input\.name\)/],
  ])("a failure in %j names its place", (template, pointer, message) => {
    try {
      fill(template);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ExpressionError);
      expect((error as ExpressionError).pointer).toBe(pointer);
      expect((error as ExpressionError).message).toMatch(message);
    }
  });

  test("the known steps reach every expression inside", () => {
    const stepIds = new Map([["reserve-stock", 1]]).keys();
    const template = { a: "${input.count}", b: "${steps.reserve-stock.output}" };
    expect(() => compileTemplate(template, { stepIds })).toThrow(/steps\["reserve-stock"\]\.output.*at \/b/);
  });

  test("one budget serves the whole template", () => {
    const list = Array.from({ length: 20_000 }, (_, index) => index);
    const one = "${input.map(x, x * 2 + 1)}";
    expect(() => compileTemplate([one]).evaluate({ input: list })).not.toThrow();
    expect(() => compileTemplate(Array(50).fill(one)).evaluate({ input: list })).toThrow(/budget/);
  });

  test("a value nested too deeply is refused", () => {
    let deep: unknown = "${input.count}";
    for (let level = 0; level < 5_000; level++) deep = [deep];
    expect(() => compileTemplate(deep)).toThrow(ExpressionError);
  });
});
