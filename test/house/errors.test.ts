/** The error codes of the program and their page say the same. */

import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { errorModules, errorsDocument, renderErrors } from "../../scripts/document_errors.ts";
import { declaredErrors, errorKinds } from "../../src/foundation/errors.ts";

describe("error codes", () => {
  beforeAll(async () => {
    for (const path of errorModules()) await import(/* @vite-ignore */ path);
  });

  test("stand in docs/errors.md as they are declared; `node scripts/document_errors.ts` writes it", () => {
    expect(readFileSync(errorsDocument, "utf8")).toBe(renderErrors(declaredErrors()));
  });

  test("are declared in files named errors.ts", () => {
    expect(errorModules().filter((path) => !path.endsWith("errors.ts"))).toEqual([]);
  });

  test("are room.what_is_wrong, with a summary and a status of their kind's class", () => {
    const faults = declaredErrors().filter(
      ({ code, summary, status, kind }) =>
        !/^[a-z]+(_[a-z]+)*\.[a-z0-9]+(_[a-z0-9]+)*$/.test(code) ||
        summary.length < 10 ||
        Math.floor(status / 100) !== Math.floor(errorKinds[kind].status / 100),
    );
    expect(faults).toEqual([]);
  });

  test("are rendered with their status, and a vertical bar does not break the table", () => {
    const page = renderErrors([
      { code: "b.x", kind: "limited", status: 429, summary: "Too much of a | b" },
      { code: "a.y", kind: "invalid", status: 422, summary: "Not right" },
    ]);
    expect(page).toContain("| `b.x` | 429    | yes    | Too much of a \\| b |");
    expect(page.indexOf("## a\n")).toBeLessThan(page.indexOf("## b\n"));
  });
});
