// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the templates under test are written so.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileExpression, compileTemplate, ExpressionError } from "./index.ts";

const numbers = Array.from({ length: 100_000 }, (_, index) => index);
const longText = "a".repeat(200_000);
const scope = {
  input: numbers,
  text: longText,
  other: `${"a".repeat(199_999)}b`,
  wide: Object.fromEntries(numbers.slice(0, 50_000).map((n) => [`k${n}`, n])),
};

function outcomeOf(source: string): unknown {
  try {
    return compileExpression(source).evaluate(scope);
  } catch (error) {
    return error;
  }
}

describe("the budget", () => {
  test.each([
    "input.all(x, input.all(y, x + y >= 0))",
    "input.map(x, input.map(y, y))",
    "input.map(x, input)",
    "input.map(x, text)",
    "input.map(x, text + text)",
    "input.map(x, text == other)",
    "input.map(x, text < other)",
    "input.map(x, text.contains('ab'))",
    "input.map(x, size(text))",
    "input.map(x, x in input)",
    "input.map(x, input == input.map(y, y))",
    "input.map(x, wide.map(k, k))",
    "input.map(x, size(wide))",
    "input.map(x, isEmpty(wide))",
    "input.map(x, wide == wide.transformMap(k, v, v))",
    "input.exists(x, x.a.b)",
    "input.exists(x, x.a || x.b || x.c)",
    "input.map(x, '%.9f'.format([x]))",
    "input.map(x, timestamp(x).getHours('Europe/Berlin'))",
    "input.map(x, timestamp(x))",
    "input.map(x, string(x).split(''))",
    "input.map(x, [x, x].map(y, [y, y]))",
    "input.map(x, {'a': x, 'b': [x], 'c': {'d': x}})",
    "input.map(x, bytes(text))",
    "input.map(x, strings.quote(text))",
    "input.exists(x, text.startsWith(wide))",
    "input.exists(x, input[text] == 1)",
    "input.exists(x, timestamp(input) == x)",
    `['a']${".map(s, s + s)".repeat(60)}`,
    `[[1]]${".map(s, s + s)".repeat(60)}`,
    `[[1]]${".map(s, [s, s])".repeat(60)}`,
    `[1].map(x, ${"[".repeat(40)}x${"]".repeat(40)})${".map(s, [s, s])".repeat(60)}`,
    `size([[1]]${".map(s, [s, s])".repeat(60)} == [[1]]${".map(s, [s, s])".repeat(60)} ? 'a' : 'b')`,
    "text.replace('a', text)",
    "text.replace('', text)",
    "text.matches('(a|aa)+$')",
    "text.contains(text.replace('a', 'b'))",
    "'%s'.format([input.map(x, input)])",
    "input.map(x, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaa'.matches('(a|b)*a(a|b){100}$' + string(x)))",
    "input.map(x, type(input.map(y, y)))",
  ])("%s is refused before it has cost much", { timeout: 10_000 }, (source) => {
    expect(outcomeOf(source)).toBeInstanceOf(ExpressionError);
  });

  test("map over 100,000 items works", () => {
    expect(outcomeOf("input.map(x, x * 2)")).toHaveLength(100_000);
  });

  test("a spent budget is not absorbed by || or a macro", () => {
    expect(() => compileExpression("input.all(x, input.all(y, true)) || true").evaluate(scope)).toThrow(/budget/);
    expect(() => compileExpression("[1].exists(z, input.all(x, input.all(y, true)))").evaluate(scope)).toThrow(
      /budget/,
    );
  });

  test("a failure is described also when little of the budget is left", () => {
    expect(() => compileExpression("input.map(x, x * 2) == [] || wide.absent").evaluate(scope)).toThrow(/no member/);
  });

  test("each evaluation has a budget of its own", () => {
    const expression = compileExpression("input.map(x, x * 2)");
    for (let round = 0; round < 10; round++) expect(() => expression.evaluate(scope)).not.toThrow();
  });
});

describe("caps", () => {
  test.each([
    ["length", `1${" + 1".repeat(2_000)}`],
    ["brackets", `${"(".repeat(1_000)}1${")".repeat(1_000)}`],
    ["lists", `${"[".repeat(1_000)}1${"]".repeat(1_000)}`],
    ["terms of one chain", `1${"+1".repeat(1_500)}`],
    ["choices", `${"true?1:".repeat(500)}1`],
    ["members", `a${".b".repeat(2_000)}`],
    ["open brackets", "(".repeat(4_000)],
    ["a pattern", `'a'.matches('${"a".repeat(600)}')`],
    ["a pattern's repetition", "'a'.matches('((a{1,100}){1,9}b{1,100}){1,2}')"],
  ])("%s are capped", (_, source) => {
    expect(() => compileExpression(source).evaluate({})).toThrow(ExpressionError);
  });

  test.each([`true${" || true".repeat(400)}`, `${"!".repeat(1_000)}true`, `${"[".repeat(60)}1${"]".repeat(60)}`])(
    "what is merely long works",
    (source) => {
      expect(() => compileExpression(source).evaluate({})).not.toThrow();
    },
  );

  test("data nested as deeply as JSON can be ends with an error, not with a crash", () => {
    const text = `${"[".repeat(5_000)}${"]".repeat(5_000)}`;
    const deep = { a: JSON.parse(text), b: JSON.parse(text) };
    for (const source of ["a == b", "[a] == [b]", "'%s'.format([a])", "[a]"]) {
      try {
        compileExpression(source).evaluate(deep);
      } catch (error) {
        expect(error).toBeInstanceOf(ExpressionError);
      }
    }
  });
});

describe("hostile text", () => {
  const tokens = fc.constantFrom(
    ..."( ) [ ] { } . , ? : ! - + * / % < > == != && || === = $ ${ } ' \" ''' \\ r' b\" // \n 1 1u 0x1 1.5 1e9 -1".split(
      " ",
    ),
    ..." input text wide other steps x true null has( exists( isEmpty( size( string( int( timestamp( duration( type(".split(
      " ",
    ),
    ...".map(x, .filter(x, .all(x, .exists_one(x, .transformMap(k, v, .matches( .replace( .split( .format( .join(".split(
      " ",
    ),
    "in",
    " ",
    "'a'",
    "[1, 2]",
    "{'a': 1}",
  );
  const pieces = fc.array(tokens, { maxLength: 40 }).map((list) => list.join(""));

  function onlyExpressionErrors(run: () => unknown): void {
    const startedAt = performance.now();
    try {
      run();
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      expect(error.message).not.toBe("");
    }
    // Far above the budget, so that only a real hang fails on a busy machine.
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  }

  test("never hangs and throws nothing but ExpressionError", () => {
    fc.assert(
      fc.property(fc.oneof(pieces, fc.string({ maxLength: 60 })), (source) => {
        onlyExpressionErrors(() => JSON.stringify(compileExpression(source, { pathRoot: "input" }).evaluate(scope)));
      }),
      { numRuns: 2_000 },
    );
  });

  test("in a template neither", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(pieces, fc.constantFrom("${", "}", "$${")), { maxLength: 6 }), (parts) => {
        onlyExpressionErrors(() => compileTemplate({ a: parts.join("") }).evaluate(scope));
      }),
      { numRuns: 1_000 },
    );
  });

  test("well-formed loops over large data neither", () => {
    const leaf = fc.constantFrom(
      "x",
      "input",
      "text",
      "1",
      "2.5",
      "'ab'",
      "wide",
      "[x, 1]",
      "{'a': x}",
      "null",
      "input[3]",
    );
    const grown = fc.letrec((tie) => ({
      node: fc.oneof({ maxDepth: 5 }, leaf, tie("loop"), tie("pair"), tie("call")),
      loop: fc
        .tuple(tie("node"), fc.constantFrom("map", "filter", "all", "exists", "exists_one"), tie("node"))
        .map(([range, macro, body]) => `(${range}).${macro}(x, ${body})`),
      pair: fc
        .tuple(tie("node"), fc.constantFrom("+", "==", "<", "in", "&&", "*", "%"), tie("node"))
        .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
      call: fc
        .tuple(fc.constantFrom("size", "string", "isEmpty", "exists", "type", "int"), tie("node"))
        .map(([name, argument]) => `${name}(${argument})`),
    }));
    fc.assert(
      fc.property(grown.node as fc.Arbitrary<string>, (source) => {
        onlyExpressionErrors(() => compileExpression(source).evaluate({ ...scope, x: 1 }));
      }),
      { numRuns: 300 },
    );
  });
});
