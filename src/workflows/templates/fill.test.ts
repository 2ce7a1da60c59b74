// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the templates under test are written so.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json } from "../../engine/index.ts";
import { compileExpression, compileInput, compileTemplate } from "../../foundation/expressions/index.ts";
import { fillTemplate } from "./fill.ts";

function fill(document: unknown, parameters: Record<string, Json> = {}): Json {
  const { document: filled, errors } = fillTemplate({ document, parameters });
  expect(errors).toEqual([]);
  return filled;
}

function faults(document: unknown, parameters: Record<string, Json> = {}) {
  return fillTemplate({ document, parameters }).errors;
}

describe("a placeholder in plain text", () => {
  test.each<[string, Json, Json]>([
    ["{{a}}", 5, 5],
    ["{{ a }}", [1], [1]],
    ["{{a.b}}", { b: null }, null],
    ["n {{a}}", 5, "n 5"],
    ["{{a}}{{a}}", "x", "xx"],
    ["<{{a}}>", { b: "c" }, '<{"b":"c"}>'],
    ["\\{{a}} {{a}}", 1, "{{a}} 1"],
    ["{{a-b}} {{}} {{ {a} }} {{'a'}}", 1, "{{a-b}} {{}} {{ {a} }} {{'a'}}"],
    ["${{a}", 1, "${{a}"],
  ])("%j with %j becomes %j", (text, a, expected) => {
    expect(fill({ name: text }, { a })).toEqual({ name: expected });
  });

  test("that is alone and whose parameter is absent takes its member or item with it", () => {
    const document = { timeout: "{{a}}", steps: ["{{a}}", "{{a.b}}", "x"], transitions: { default: "{{a}}" } };
    expect(fill(document)).toEqual({ steps: ["x"], transitions: {} });
  });

  test("whose parameter is absent inside a text is a fault of the parameter", () => {
    expect(faults({ name: "x {{a.b}}" })).toMatchObject([{ pointer: "/parameters/a/b" }]);
  });

  test("is not looked for in names of members, in values of parameters, or in what is no text", () => {
    expect(fill({ name: "{{a}}", "x y": 1, n: null }, { a: "{{b}}" })).toEqual({ name: "{{b}}", "x y": 1, n: null });
  });
});

describe("a list", () => {
  test("takes the items of a parameter in the place of one of its own", () => {
    expect(fill({ names: [1, "{{...a}}", 4] }, { a: [2, 3] })).toEqual({ names: [1, 2, 3, 4] });
    expect(fill({ names: [1, "{{...a}}", 4] })).toEqual({ names: [1, 4] });
    expect(faults({ names: ["{{...a}}"] }, { a: 5 })).toMatchObject([{ pointer: "/parameters/a", expected: "a list" }]);
  });

  test("repeats the body of an each for every item", () => {
    const a: Json = [{ n: "x", v: 1 }, { n: "y" }, { n: "z", v: 3 }];
    const chain = { id: "{{i.n}}", at: "{{index i}}", next: "{{next i.n}}", v: "{{i.v}}" };
    expect(fill({ s: ["first", { "{{each i in a}}": chain }] }, { a })).toEqual({
      s: ["first", { id: "x", at: 0, next: "y", v: 1 }, { id: "y", at: 1, next: "z" }, { id: "z", at: 2, v: 3 }],
    });
  });

  test("repeats only for items that have what an each asks for", () => {
    const a: Json = [{ v: 1 }, {}, { v: null }, { v: false }, { v: 0 }];
    expect(fill({ s: [{ "{{each i in a where v}}": "{{i.v}}" }] }, { a })).toEqual({ s: [1, 0] });
  });

  test("takes every item of a body that is a list", () => {
    const body = ["{{i}}", "-{{i}}"];
    expect(fill({ s: [{ "{{each i in a}}": body }] }, { a: ["x", "y"] })).toEqual({ s: ["x", "-x", "y", "-y"] });
  });

  test("may repeat inside a repetition", () => {
    const inner = { "{{each j in i.list}}": "{{i.n}}{{j}}" };
    const a = [
      { n: "x", list: [1, 2] },
      { n: "y", list: [3] },
    ];
    expect(fill({ s: [{ "{{each i in a}}": { t: [inner] } }] }, { a })).toEqual({
      s: [{ t: ["x1", "x2"] }, { t: ["y3"] }],
    });
  });
});

describe("a placeholder in an expression", () => {
  const condition = (text: string, parameters: Record<string, Json>) =>
    (fill({ condition: text }, parameters) as { condition: string }).condition;

  test.each<[string, Json, string]>([
    ["{{a}}", "x", '"x"'],
    ["input.n > {{a}}", 5, "input.n > 5"],
    ["5 - {{a}}", -3, "5 - (-3)"],
    ["{{a}}", 1e21, "1e+21"],
    ["{{a}}", 123456789012345680000, "123456789012345680000.0"],
    ["x in {{a}}", ["p", 'q"'], 'x in ["p", "q\\""]'],
    ["{{a}}.b", { b: true }, '{"b": true}.b'],
    ["'n: {{a}}!'", "it's", "'n: it\\'s!'"],
    ["x // {{a}}\n + 1", "a\nb", 'x // "a\\nb"\n + 1'],
    ["{{expression a}}", "x > 1 || y", "x > 1 || y"],
    ["{{expression a}} && z", "x || y", "(x || y) && z"],
    ["{{expression a}} && z", "x // why\n", "(x // why\n) && z"],
  ])("%j with %j becomes %s", (text, a, expected) => {
    expect(condition(text, { a })).toBe(expected);
  });

  test.each(["true) || (true", "1 +", "x // a\n)", "'", ""])(
    "cannot bring in %j, which is no expression by itself",
    (a) => {
      expect(faults({ condition: "({{expression a}} && y)" }, { a })).toMatchObject([{ pointer: "/parameters/a" }]);
      expect(faults({ condition: "{{expression a}}" }, { a })).toMatchObject([{ pointer: "/parameters/a" }]);
    },
  );

  test("gives the value and nothing else, whatever it is", () => {
    const evaluated = (text: string, a: Json) =>
      compileExpression(condition(text, { a })).evaluate({ input: { x: 1 } });
    fc.assert(
      fc.property(hostileText, (a) => {
        expect(evaluated("{{a}}", a)).toBe(a);
        expect(evaluated("['-', {{a}}]", a)).toEqual(["-", a]);
        for (const quote of ["'", '"', "'''", '"""']) expect(evaluated(`${quote}<{{a}}>${quote}`, a)).toBe(`<${a}>`);
      }),
    );
    fc.assert(fc.property(value, (a) => void expect(evaluated("{{a}}", a)).toEqual(a)));
  });
});

describe("a placeholder in a text with ${…}", () => {
  const message = (text: string, parameters: Record<string, Json>) =>
    (fill({ input: { message: text } }, parameters) as { input: { message: Json } }).input.message;

  test.each<[string, Json, Json]>([
    ["{{a}}", 5, 5],
    ["{{a}}", { b: ["${input.x}"] }, { b: ["$${input.x}"] }],
    ["Hi {{a}}, ${input.n}", "Ada", "Hi Ada, ${input.n}"],
    ["${input.n + {{a}}}", 5, "${input.n + 5}"],
    ["${{{a}}}", "x", '${"x"}'],
    ["${ {'k': {{a}}} }", "}", "${ {'k': \"}\"} }"],
    ["${'{{a}}'}", "it's", "${'it\\'s'}"],
    ["{{a}}", "${input.x}", "$${input.x}"],
    ["$${x} {{a}}", "$${y}", "$${x} $$${y}"],
    ["{{a}}{b}", "$", "$${b}"],
    ["{{a}}${input.n}", "5 $", '5 ${"$"}${input.n}'],
    ["by {{expression a}}!", "input.n + 1", "by ${input.n + 1}!"],
    ["{{expression a}}", "input.n", "${input.n}"],
  ])("%j with %j becomes %j", (text, a, expected) => {
    expect(message(text, { a })).toEqual(expected);
  });

  test("gives the value and nothing else, whatever it is", () => {
    const evaluated = (text: string, a: Json) => compileTemplate(message(text, { a })).evaluate({ input: { x: 1 } });
    fc.assert(
      fc.property(hostileText, (a) => {
        expect(evaluated("{{a}}", a)).toBe(a);
        expect(evaluated("{ {{a}}{x} ${input.x}", a)).toBe(`{ ${a}{x} 1`);
        expect(evaluated("${input.x}{{a}}${input.x}", a)).toBe(`1${a}1`);
        expect(evaluated("<${'-' + {{a}}}>", a)).toBe(`<-${a}>`);
        expect(evaluated("<${'-{{a}}'}>", a)).toBe(`<-${a}>`);
      }),
    );
    fc.assert(fc.property(value, (a) => void expect(evaluated("{{a}}", a)).toEqual(a)));
  });
});

describe("a step's input", () => {
  test("that is a placeholder alone is the parameter's value, whatever it is", () => {
    const inputOf = (a: Json) =>
      (fill({ steps: [{ input: "{{a}}" }] }, { a }) as { steps: [{ input: Json }] }).steps[0].input;
    fc.assert(fc.property(value, (a) => void expect(compileInput(inputOf(a)).evaluate({})).toEqual(a)));
  });

  test.each(["{{task}}", "trans{{half}}", "transform"])(
    "of the task transform, named as %s, is an expression",
    (taskId) => {
      const parameters = { task: "transform", half: "form", a: "${y}", whole: { expression: "steps.secret.output" } };
      const step = { taskId, input: { expression: "[{{a}}, '${x}']", other: "{{a}}" } };
      expect(fill({ steps: [step, { taskId, input: "{{whole}}" }] }, parameters)).toEqual({
        steps: [
          { taskId: "transform", input: { expression: "[\"${y}\", '${x}']", other: "${y}" } },
          { taskId: "transform", input: { expression: '"steps.secret.output"' } },
        ],
      });
    },
  );
});

describe("a time", () => {
  test.each<[string, Json, Json]>([
    ["{{a}}", "PT5S", "PT5S"],
    ["{{a}}", 5000, 5000],
    ["PT{{a}}M", 5, "PT5M"],
    ["{{a}}T09:00:00Z", "2030-01-31", "2030-01-31T09:00:00Z"],
    ["duration({{a}})", "5m", 'duration("5m")'],
    ["{{expression a}}", "input.pause", "input.pause"],
  ])("%j with %j becomes %j", (text, a, expected) => {
    expect(fill({ steps: [{ delay: text }] }, { a })).toEqual({ steps: [{ delay: expected }] });
  });

  test.each(["input.pause", "5 minutes"])("cannot become an expression by the value %j", (a) => {
    expect(faults({ delay: "{{a}}" }, { a })).toMatchObject([{ pointer: "/parameters/a" }]);
    expect(faults({ delay: "PT{{a}}M" }, { a })).toMatchObject([{ pointer: "/parameters/a" }]);
  });
});

test("every expression of a definition takes a value as a literal, and every other text as it is", () => {
  const a = 'x"y';
  const [as, literal] = ["{{a}}", '"x\\"y"'];
  const document = (code: string, plain: string) => ({
    name: plain,
    output: code,
    variables: { v: { default: plain, condition: plain } },
    inputSchema: { properties: { input: { const: plain }, condition: { const: plain } } },
    cancellationTriggers: [{ eventPattern: plain, eventCondition: code, reason: plain }],
    concurrency: [{ key: code }],
    compensationSteps: [{ stepId: plain, condition: code, input: code }],
    steps: [
      {
        stepId: plain,
        taskId: plain,
        input: code,
        outputMapping: { v: code },
        transitions: { conditions: [{ condition: code, nextStep: plain }] },
        onFailure: { default: plain, conditions: [{ condition: code, nextStep: plain }] },
        retryPolicy: { retryableErrors: [plain] },
      },
      { taskId: "transform", input: { expression: code, other: plain } },
      { eventPattern: plain, eventCondition: code, eventPayloadMapping: { v: code } },
      { type: "PARALLEL", branches: [{ branchId: plain, steps: [{ input: code, outputMapping: { v: code } }] }] },
      { type: "MAP", items: code, steps: [{ stepId: plain, input: { condition: plain, input: plain } }] },
      { type: "WORKFLOW", workflowId: plain, input: code },
      { type: "TERMINATE", output: code, error: { code: plain, details: { input: plain } } },
      { parallelBranches: [{ steps: [{ input: code, next: [{ nextStepId: plain, condition: code }] }] }] },
    ],
  });
  expect(fill(document(as, as), { a })).toEqual(document(literal, a));
});

test("what is filled in knows where it came from", () => {
  const document = { steps: [{ "{{each i in a}}": { stepId: "{{i.n}}", type: "TASK" } }, { stepId: "last" }] };
  const { origins } = fillTemplate({ document, parameters: { a: [{ n: "x" }, { n: "y" }] } });
  expect(Object.fromEntries(origins)).toMatchObject({
    "/steps/1": { place: "/steps/0/{{each i in a}}", parameters: ["/parameters/a/1"] },
    "/steps/1/stepId": { place: "/steps/0/{{each i in a}}/stepId", parameters: ["/parameters/a/1/n"] },
    "/steps/2": { place: "/steps/1", parameters: [] },
  });
});

test("a template that would grow without measure is refused, soon", () => {
  const items = Array.from({ length: 1_000 }, () => "x".repeat(100));
  const inner = { "{{each j in a}}": "{{i}}{{j}}" };
  const document = { s: [{ "{{each i in a}}": { t: [inner] } }] };
  const tooLarge = [{ pointer: "/parameters", message: expect.stringContaining("too large") }];
  expect(faults(document, { a: items })).toMatchObject(tooLarge);
  let nothing: Json = [];
  for (let level = 0; level < 30; level++) nothing = [{ [`{{each i${level} in a}}`]: nothing }];
  expect(faults({ s: nothing }, { a: [1, 2, 3] })).toMatchObject(tooLarge);
  expect(faults({ s: Array(1_000).fill("{{a}}") }, { a: items })).toMatchObject(tooLarge);
});

const hostileText = fc
  .array(
    fc.oneof(
      fc.constantFrom("$", "{", "}", "${", "$${", "'", '"', "\\", "\n", "\r", "//", "{{a}}", "'''", '"""', "\u2028"),
      fc.string({ unit: "grapheme", maxLength: 3 }),
    ),
    { maxLength: 12 },
  )
  .map((pieces) => pieces.join("").toWellFormed().replaceAll("\u0000", ""));

const value = fc.jsonValue({ maxDepth: 3 }).map((json) => {
  const plain = JSON.stringify(json).replaceAll("-0", "0");
  return JSON.parse(plain) as Json;
});
