import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type ConformanceCase, conformanceCases, failureInCel, failureInJson, suiteNames } from "./conformance.ts";
import { conformanceTable, deviations, exclusions } from "./conformance_table.ts";

const cases = conformanceCases();

/** Markdown without the padding of its tables, which belongs to the formatter. */
function bare(markdown: string): string {
  return markdown.replaceAll(" ", "").replace(/-{3,}/g, "---");
}

describe("the CEL conformance suites", () => {
  test("all eleven are there, with every case", () => {
    expect(new Set(cases.map(({ suite }) => suite))).toEqual(new Set(suiteNames));
    expect(cases.length).toBeGreaterThan(1_000);
    expect(new Set(cases.map(({ id }) => id)).size).toBe(cases.length);
  });

  test("at least 97% pass under CEL's number types, and each failure is listed", () => {
    const failed = cases.filter((each) => failureInCel(each) !== undefined).map(({ id }) => id);
    expect(failed).toEqual(Object.keys(exclusions));
    expect((cases.length - failed.length) / cases.length).toBeGreaterThanOrEqual(0.97);
  });

  test("under the JSON rules a case differs only for a documented reason", () => {
    const unexplained = cases.flatMap((each) => {
      const failure = failureInJson(each);
      if (failure === undefined) return [];
      return deviations.some(({ applies }) => applies(failure)) ? [] : [`${each.id}: ${failure}`];
    });
    expect(unexplained).toEqual([]);
  });

  test("a wrong value, a wrong type, a missing error and an error out of place are all noticed", () => {
    const sum: ConformanceCase = {
      suite: "none",
      id: "none/sum",
      source: "1 + 1",
      bindings: {},
      container: "",
      expected: { error: false, value: { int64Value: "2" } },
    };
    expect(failureInCel(sum)).toBeUndefined();
    expect(failureInCel({ ...sum, expected: { error: false, value: { int64Value: "3" } } })).toMatch(/gave int 2/);
    expect(failureInCel({ ...sum, expected: { error: false, value: { doubleValue: 2 } } })).toMatch(/gave int 2/);
    expect(failureInCel({ ...sum, expected: { error: true } })).toMatch(/error is expected/);
    expect(failureInCel({ ...sum, source: "1 / 0" })).toMatch(/failed/);
    expect(failureInCel({ ...sum, source: "1 + 1.0" })).toMatch(/failed/);
  });

  test("the documentation publishes the rates as they are", () => {
    const text = readFileSync(new URL("../../../docs/expressions.md", import.meta.url), "utf8");
    expect(bare(text)).toContain(bare(conformanceTable(cases)));
  });
});
