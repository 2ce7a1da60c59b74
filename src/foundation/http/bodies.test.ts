import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AppError } from "../errors.ts";
import { jsonFaultAt, parseJsonBody } from "./json_body.ts";
import { parseYamlBody } from "./yaml_body.ts";

const codeOf = (read: () => unknown): string => {
  try {
    return JSON.stringify(read());
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
};
const json = (text: string) => codeOf(() => parseJsonBody(Buffer.from(text)));
const yaml = (text: string) => codeOf(() => parseYamlBody(Buffer.from(text)));

describe("JSON", () => {
  test("what JSON.parse reads is read alike, unless it cannot be stored", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        if (/__proto__|\\u/.test(text)) return;
        expect(parseJsonBody(Buffer.from(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  test("up to the fault's offset a text may begin JSON, and there it breaks", () => {
    const broken = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom("", "}", "]", ",", ":", '"', "x", "\\", "\n", "-", "0"))
      .map(([text, at, insert]) => {
        const offset = at % (text.length + 1);
        return text.slice(0, offset) + insert + text.slice(offset + (at % 2));
      });
    fc.assert(
      fc.property(broken, (text) => {
        const refused = (candidate: string) => {
          try {
            JSON.parse(candidate);
            return false;
          } catch {
            return true;
          }
        };
        if (!refused(text)) return;
        const offset = jsonFaultAt(text);
        expect(offset).toBeGreaterThanOrEqual(0);
        expect(offset).toBeLessThanOrEqual(text.length);
        expect(jsonFaultAt(text.slice(0, offset))).toBe(offset);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ['{"a":1,}', 7],
    ["[1 2]", 3],
    ["[1,]", 3],
    ["{a:1}", 1],
    ['{"a" 1}', 5],
    ['"abc', 4],
    ['"a\nb"', 2],
    ['"\\x"', 1],
    ["tru", 0],
    ["1 1", 2],
    ["", 0],
    ["[", 1],
    ["[[1],", 5],
    ["01", 1],
  ])("%j breaks at %i", (text, offset) => {
    expect(jsonFaultAt(text)).toBe(offset);
  });

  test("a byte order mark is skipped, brackets in texts do not nest", () => {
    expect(json('\uFEFF{"a":1}')).toBe('{"a":1}');
    const text = JSON.stringify("[".repeat(1_000));
    expect(json(text)).toBe(text);
    expect(json(`["\\"${"[".repeat(300)}"]`)).not.toBe("http.body_too_deep");
  });

  test("256 levels are read, 257 are not", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(json(nested(256))).toBe(nested(256));
    expect(json(nested(257))).toBe("http.body_too_deep");
  });
});

describe("YAML", () => {
  test("JSON values written as YAML are read back", () => {
    expect(yaml("a: 1\nb: [x, null, true, 1.5]\nc: {d: e}\n")).toBe('{"a":1,"b":["x",null,true,1.5],"c":{"d":"e"}}');
    expect(yaml("when: 2026-01-02\nanswer: no\n1: one\n")).toBe('{"1":"one","when":"2026-01-02","answer":"no"}');
    expect(yaml("a: &x {b: 1}\nc: *x\n")).toBe('{"a":{"b":1},"c":{"b":1}}');
  });

  test.each([
    ["malformed text", "a: [1", "http.malformed_body"],
    ["a key twice", "a: 1\na: 2\n", "http.malformed_body"],
    ["two documents", "a: 1\n---\nb: 2\n", "http.malformed_body"],
    ["a tag", "a: !custom b\n", "http.malformed_body"],
    ["a key that is no text", "? [a]\n: b\n", "http.malformed_body"],
    ["an unknown alias", "a: *b\n", "http.malformed_body"],
    ["a number that JSON lacks", "a: .inf\n", "http.malformed_body"],
    ["a value that holds itself", "&a [*a]", "http.body_too_deep"],
    ["a reserved name", "a: {__proto__: 1}\n", "http.input_invalid"],
    ["a NUL", 'a: "\\0"\n', "http.input_invalid"],
    ["deep nesting", `a: ${"[".repeat(300)}${"]".repeat(300)}`, "http.body_too_deep"],
    ["nesting beyond the stack", "[".repeat(100_000) + "]".repeat(100_000), "http.body_too_deep"],
    ["indentation beyond the stack", "- ".repeat(20_000), "http.body_too_deep"],
    ["more than it may be", `a: ${"x".repeat(1024 * 1024)}`, "http.body_too_large"],
  ])("%s is refused", (_, text, code) => {
    expect(yaml(text)).toBe(code);
  });

  test("aliases cannot multiply a text beyond measure", () => {
    const levels = Array.from(
      { length: 9 },
      (_, i) => `l${i}: &l${i} [${Array.from({ length: 10 }, () => (i === 0 ? "x" : `*l${i - 1}`)).join(", ")}]`,
    );
    expect(yaml(levels.join("\n"))).toMatch(/^http\.(malformed_body|body_too_large)$/);
    const wide = `a: &a "${"x".repeat(500_000)}"\nb: [${Array.from({ length: 90 }, () => "*a").join(", ")}]`;
    expect(yaml(wide)).toMatch(/^http\.(malformed_body|body_too_large)$/);
  });

  test("many keys and many aliases take no quadratic time", { timeout: 10_000 }, () => {
    const keys = Array.from({ length: 45_000 }, (_, i) => `k${i}: 1`).join("\n");
    expect(Object.keys(JSON.parse(yaml(keys)))).toHaveLength(45_000);
    const aliases = Array.from({ length: 15_000 }, (_, i) => `- &a${i} x\n- *a${i}`).join("\n");
    expect(yaml(aliases)).toBe("http.malformed_body");
  });
});
