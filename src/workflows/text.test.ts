import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findJsonFault } from "./json_fault.ts";
import { formatOf, parseDefinitionText } from "./text.ts";

function faultsOf(text: string, format: "json" | "yaml") {
  const parsed = parseDefinitionText(text, format);
  return parsed.ok ? [] : parsed.errors.map(({ message, position }) => ({ message, ...position }));
}

describe("JSON text", () => {
  test("a fault is told by line and column, also where JSON.parse names no place", () => {
    expect(faultsOf('{\n  "a": x\n}', "json")).toEqual([
      { message: 'The text is not JSON: expected a value, found "x" (line 2, column 8)', line: 2, column: 8 },
    ]);
  });

  test.each([
    ["", "expected a value, found the end of the text"],
    ['{"a":1,}', "expected the name of a member in double quotes"],
    ["[1 2]", 'expected "," or "]"'],
    ['{"a" 1}', 'expected ":" after the name "a"'],
    ['"tab\there"', "holds a character that must be escaped"],
    ["01", "expected nothing after the value"],
    ["{} {}", "expected nothing after the value"],
    [`${"[".repeat(300)}`, "nested deeper than 200 levels"],
  ])("%j is refused in words", (text, words) => {
    expect(findJsonFault(text)?.message).toContain(words);
  });

  test("a member given twice is a fault, wherever it is and however it is escaped", () => {
    expect(faultsOf('{"steps": [{"a": 1, "\\u0061": 2}]}', "json")[0]?.message).toContain("given twice");
    expect(findJsonFault('[{"a": 1}, {"a": 1}]')).toBeUndefined();
  });

  test("a string of a megabyte is read", () => {
    expect(findJsonFault(JSON.stringify("x".repeat(1_000_000)))).toBeUndefined();
    expect(findJsonFault(`"${"x".repeat(1_000_000)}`)?.offset).toBe(0);
  });

  test("the scanner and JSON.parse agree on what is JSON", () => {
    const token = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"a"',
      '"b\\n"',
      "1",
      "-0.5e3",
      "01",
      "true",
      "nul",
      " ",
      '"',
    );
    const nearlyJson = fc.array(token, { maxLength: 12 }).map((tokens) => tokens.join(""));
    fc.assert(
      fc.property(fc.oneof(nearlyJson, fc.json({ maxDepth: 5 })), (text) => {
        const fault = findJsonFault(text);
        if (fault?.message.includes("twice")) return;
        expect(fault === undefined).toBe(isJson(text));
      }),
      { numRuns: 3_000 },
    );
  });
});

describe("YAML text", () => {
  test("gives the same value as JSON that says the same", () => {
    const parsed = parseDefinitionText("workflowId: w\nsteps:\n  - {stepId: a, type: DECISION}\nok: yes\n", "yaml");
    expect(parsed).toMatchObject({
      ok: true,
      value: { workflowId: "w", steps: [{ stepId: "a", type: "DECISION" }], ok: "yes" },
    });
  });

  test("every fault is told by line and column", () => {
    expect(faultsOf("a: 1\na: 2\n", "yaml")).toMatchObject([{ line: 2, column: 1 }]);
    expect(faultsOf("a: [1, 2\nb: 3\n", "yaml")[0]?.message).toMatch(/The text is not YAML: .* \(line 2, column \d+\)/);
  });

  test("aliases that multiply without end and nesting without end are refused", () => {
    const bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i < 9; i++)
      bomb.push(
        `a${i}: &a${i} [${Array(10)
          .fill(`*a${i - 1}`)
          .join(", ")}]`,
      );
    expect(faultsOf(bomb.join("\n"), "yaml")[0]?.message).toContain("cannot be read");
    expect(faultsOf("[".repeat(100_000), "yaml").length).toBeGreaterThan(0);
  });
});

describe("places in the text", () => {
  const yaml = "workflowId: w\nsteps:\n  - stepId: a\n    type: TASK\n";
  const json = '{\n  "workflowId": "w",\n  "steps": [\n    { "stepId": "a",\n      "type": "TASK" }\n  ]\n}';

  test.each([
    ["yaml", yaml, { line: 4, column: 5 }],
    ["json", json, { line: 5, column: 7 }],
  ] as const)("a pointer leads to the member in %s", (format, text, position) => {
    const parsed = parseDefinitionText(text, format);
    expect(parsed.ok && parsed.locate("/steps/0/type")).toEqual(position);
  });

  test("a pointer to something that is missing leads to what should hold it", () => {
    const parsed = parseDefinitionText(yaml, "yaml");
    expect(parsed.ok && parsed.locate("/steps/0/taskId")).toEqual({ line: 3, column: 5 });
  });
});

test("a text above one megabyte is refused before it is read", () => {
  expect(faultsOf(" ".repeat(1_048_577), "json")[0]?.message).toContain("too large");
});

test("a file's name tells its format", () => {
  expect(["a.yaml", "a.YML", "a.json", "a"].map(formatOf)).toEqual(["yaml", "yaml", "json", "json"]);
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
