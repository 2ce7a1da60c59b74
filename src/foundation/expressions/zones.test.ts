// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the templates under test are written so.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ExpressionError, splitTemplate, zonesOf } from "./index.ts";

describe("the parts of a template's text", () => {
  test.each([
    ["plain", [{ literal: "plain" }]],
    ["", []],
    ["a ${ {'b': '}'} } c", [{ literal: "a " }, { expression: " {'b': '}'} " }, { literal: " c" }]],
    ["${a}${b}", [{ expression: "a" }, { expression: "b" }]],
    ["a $${x} ${b}", [{ literal: "a ${x} " }, { expression: "b" }]],
  ])("of %j are %j", (text, parts) => {
    expect(splitTemplate(text)).toEqual(parts);
  });

  test("of a text whose expression does not end are an error", () => {
    expect(() => splitTemplate("a ${b")).toThrow(ExpressionError);
  });
});

describe("the zones of an expression", () => {
  test.each([
    ["a + b", [["code", "a + b"]]],
    [
      `a + 'it\\'s' + b`,
      [
        ["code", "a + "],
        ["quoted", "'it\\'s'"],
        ["code", " + b"],
      ],
    ],
    [`"""a"b"""`, [["quoted", `"""a"b"""`]]],
    [
      `r'\\' + b"x" + rb'y' + bar"z"`,
      [
        ["raw", "r'\\'"],
        ["code", " + "],
        ["raw", `b"x"`],
        ["code", " + "],
        ["raw", "rb'y'"],
        ["code", " + bar"],
        ["quoted", `"z"`],
      ],
    ],
    [
      "a // it's\n+ b",
      [
        ["code", "a "],
        ["comment", "// it's"],
        ["code", "\n+ b"],
      ],
    ],
    ["", []],
  ])("of %j are %j", (source, zones) => {
    expect(zonesOf(source).map(({ kind, text }) => [kind, text])).toEqual(zones);
  });

  test("make up the whole text, whatever it is, or it has a literal without an end", () => {
    const source = fc.array(fc.constantFrom("a", "'", '"', "\\", "r", "b", "/", "\n", " ", "'''"), { maxLength: 30 });
    fc.assert(
      fc.property(source, (pieces) => {
        const text = pieces.join("");
        try {
          expect(
            zonesOf(text)
              .map((zone) => zone.text)
              .join(""),
          ).toBe(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ExpressionError);
        }
      }),
    );
  });
});
