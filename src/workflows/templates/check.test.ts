// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the templates under test are written so.
import { describe, expect, test } from "vitest";
import { checkTemplate } from "./check.ts";

const step = { stepId: "a", type: "TASK", taskId: "log", input: { message: "{{text}}" } };
const text = { type: "string", default: "hi" };

function check(
  templateData: Record<string, unknown>,
  properties: Record<string, unknown> = { text },
  more: object = {},
) {
  return checkTemplate({ templateData, parameters: { type: "object", properties, ...more } });
}

function withText(value: unknown, properties?: Record<string, unknown>, more?: object) {
  return check(
    {
      steps: [
        { ...step, transitions: { default: "b" } },
        { ...step, stepId: "b", name: value },
      ],
    },
    properties,
    more,
  ).errors;
}

test("a template that is right has neither errors nor warnings", () => {
  expect(check({ name: "{{text}}", steps: [step] })).toEqual({ errors: [], warnings: [] });
});

describe("a placeholder", () => {
  test.each<[string, unknown, RegExp, string]>([
    ["{{txet}}", { text }, /no parameter "txet"/, '"text" ("text")'],
    ["{{text.a}}", { text: { type: "object", properties: { b: {} }, default: {} } }, /"text" has no member "a"/, '"b"'],
    ["x {{o}}", { text, o: { type: "string" } }, /may be absent/, "a default"],
    ["x {{o.a}}", { text, o: { default: {}, properties: { a: {} } } }, /may be absent/, "a default"],
    ["{{next text}}", { text }, /outside of an each/, "the name that an each gives"],
    ["{{index text}}", { text }, /outside of an each/, "the name that an each gives"],
    ["{{...l}}", { text, l: { type: "array", default: [] } }, /not an item of a list/, "{{l}} for the list itself"],
    ["x {{...text}}", { text }, /stands inside a text/, "a text of its own"],
    ["{{expression text}}", { text }, /no expression is evaluated/, ""],
  ])("%j of %j is refused at its place", (value, properties, message, expected) => {
    const errors = withText(value, properties as Record<string, unknown>);
    expect(errors[0]).toMatchObject({ pointer: "/templateData/steps/1/name", message: expect.stringMatching(message) });
    expect(errors[0]?.expected).toContain(expected);
  });

  test.each<[Record<string, unknown>, RegExp]>([
    [{ condition: "{{expression n}}" }, /The parameter n is no text/],
    [{ condition: "'{{expression text}}'" }, /inside a text of the expression/],
    [{ condition: "r'{{text}}'" }, /knows no escapes/],
    [{ condition: "b'{{text}}'" }, /knows no escapes/],
    [{ condition: "'{{text}}" }, /the string is not closed/],
    [{ input: { a: "${{text}}" } }, /two ways/],
    [{ input: { a: "${ {{text}} " } }, /not closed/],
    [{ input: { a: ["{{...n}}"] } }, /The parameter n is no list/],
    [{ "{{text}}": 1 }, /cannot be the name of a member/],
    [{ a: { "{{each x in list}}": 1 } }, /cannot be the name of a member/],
    [{ a: [{ "{{each x in n}}": 1 }] }, /The parameter n is no list/],
    [{ a: [{ "{{each text in list}}": 1 }] }, /already the name/],
    [{ a: [{ "{{each x in list where no}}": 1 }] }, /"x" has no member "no"/],
    [{ a: [{ "{{each x in list}}": "{{x.no}}" }] }, /"x" has no member "no"/],
    [{ a: [{ "{{each x in list}}": "to {{next x.yes}}" }] }, /may be absent/],
  ])("in %j is refused", (part, message) => {
    const list = { type: "array", default: [], items: { type: "object", required: ["yes"], properties: { yes: {} } } };
    const properties = { text, n: { type: "number", default: 1 }, list };
    const { errors } = check({ steps: [step], extra: part }, properties);
    expect(errors[0]).toMatchObject({
      pointer: expect.stringMatching(/^\/templateData\/extra/),
      message: expect.stringMatching(message),
    });
  });

  test("may read what the schema leaves open", () => {
    expect(withText("x {{o.a.b}}", { text, o: { type: "object", default: { a: { b: 1 } } } })).toEqual([]);
  });

  test("that is not quite one is a doubt", () => {
    const { errors, warnings } = check({ name: "{{te-xt}} {{ }}", steps: [step] });
    expect(errors).toEqual([]);
    expect(warnings.map(({ message }) => message)).toEqual([
      '"{{te-xt}}" is not a placeholder and stays as it is',
      '"{{ }}" is not a placeholder and stays as it is',
    ]);
  });
});

describe("a parameter", () => {
  test("that is never used is a doubt", () => {
    const { errors, warnings } = check({ steps: [step] }, { text, other: text });
    expect(errors).toEqual([]);
    expect(warnings).toMatchObject([{ pointer: "/parameters/properties/other" }]);
  });

  test.each<[object, string]>([
    [{ properties: { "a-b": text } }, "/parameters/properties/a-b"],
    [{ properties: 5 }, "/parameters/properties"],
    [{ type: "array" }, "/parameters/type"],
    [{ required: ["nothing"] }, "/parameters/required/0"],
    [{ properties: { text: { type: "sting" } } }, "/parameters/properties/text/type"],
    [{ properties: { text: { type: "string", default: 5 } } }, "/parameters/properties/text"],
    [{ properties: { text: { type: "string", examples: [5] } }, required: ["text"] }, "/parameters/properties/text"],
  ])("in a schema that is wrong is refused: %j", (schema, pointer) => {
    const { errors } = checkTemplate({
      templateData: { steps: [step] },
      parameters: { properties: { text }, ...schema },
    });
    expect(errors[0]?.pointer).toBe(pointer);
  });

  test("without a default or an example leaves the document for later, and that is told", () => {
    const document = { steps: [{ ...step, transitions: { default: "nowhere" } }] };
    const { errors, warnings } = check(document, { text: { type: "string" } }, { required: ["text"] });
    expect(errors).toEqual([]);
    expect(warnings).toMatchObject([{ pointer: "/parameters/properties/text", expected: '"examples": [ … ]' }]);
  });
});

describe("the document", () => {
  test("is checked as a definition, with the defaults and examples, and faults lead to the template", () => {
    const list = { type: "array", examples: [["x", "y"]] };
    const repeated = { stepId: "{{s}}", type: "TASK", taskId: "log", timeout: "five", transitions: { default: "a" } };
    const steps = [{ "{{each s in list}}": repeated }, { ...step, transitions: { default: "{{text}}" } }];
    const { errors } = check({ steps }, { text, list }, { required: ["list"] });
    expect(errors.map(({ pointer }) => pointer)).toEqual([
      "/templateData/steps/1/transitions/default",
      "/templateData/steps/0/{{each s in list}}",
      "/templateData/steps/0/{{each s in list}}/timeout",
    ]);
  });

  test("that a parameter makes wrong is told where the parameter stands", () => {
    const { errors } = check({ steps: [{ ...step, timeout: "{{text}}" }] });
    expect(errors).toMatchObject([{ pointer: "/templateData/steps/0/timeout" }]);
    const delay = check({ steps: [step, { stepId: "b", type: "DELAY", delay: "{{text}}" }] });
    expect(delay.errors).toMatchObject([{ pointer: "/parameters/properties/text", message: /"hi" is no time/ }]);
  });

  test("may be in the other dialect", () => {
    const next = [{ nextStepId: "b", condition: "input.n > {{text}}" }, { nextStepId: "b" }];
    const { errors } = check(
      {
        steps: [
          { ...step, next },
          { ...step, stepId: "b" },
        ],
      },
      { text: { default: 5 } },
    );
    expect(errors).toEqual([]);
  });

  test("need not say whose it is; what it says of that is left out", () => {
    const { errors, warnings } = check({ workflowId: "{{x}}", version: "y", status: "z", steps: [step] });
    expect(errors).toEqual([]);
    expect(warnings.map(({ pointer }) => pointer)).toEqual([
      "/templateData/workflowId",
      "/templateData/version",
      "/templateData/status",
    ]);
  });

  test("that is deeper than documents may be is refused before it is looked at", () => {
    let deep: unknown = "{{text}}";
    for (let level = 0; level < 100; level++) deep = [deep];
    expect(check({ steps: deep }).errors[0]?.message).toMatch(/nested too deeply/);
  });
});
