/**
 * Every constant statement of the program, prepared against the migrated schema: a misspelt column, a missing table or
 * a type that does not fit shows here and not in a running node.
 */

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { allStatements, type Database, type Statement } from "../../src/foundation/database/index.ts";
import { openTestDatabase } from "../support/database.ts";
import { isQueries, isTest, projectRoot, readProject, type Source } from "./sources.ts";
import { isNode, nameOf, textOf, walk } from "./walk.ts";

const files = readProject().filter(({ path }) => path.startsWith("src/") && isQueries(path) && !isTest(path));

/** The names that a file declares, read from its text. */
function namesIn(source: Source): string[] {
  const names: string[] = [];
  walk(source.program, (node) => {
    if (node.type !== "CallExpression" || nameOf(node.callee) !== "statement" || !Array.isArray(node.arguments)) return;
    const first: unknown = node.arguments[0];
    const name = isNode(first) ? textOf(first) : undefined;
    if (name !== undefined) names.push(name);
  });
  return names;
}

/** `engine` for a file of that room; of foundation also the folder's name. */
function prefixesOf(path: string): string[] {
  const [, room = "", folder = ""] = path.split("/");
  return room === "foundation" ? [room, folder] : [room];
}

/** Statements that PREPARE does not take: they have no plan, only a syntax. */
function isUtility({ text }: Statement): boolean {
  return !/^(select|insert|update|delete|merge|values|with)\b/i.test(withoutComments(text));
}

function withoutComments(text: string): string {
  return text.replace(/^(\s*--[^\n]*\n|\s*\/\*.*?\*\/)+/s, "").trim();
}

describe("statements", () => {
  let db: Database;
  let drop: () => Promise<void>;

  beforeAll(async () => {
    // Duplicate and malformed names throw while the modules load.
    for (const { path } of files) await import(/* @vite-ignore */ join(projectRoot, path));
    ({ db, drop } = await openTestDatabase({ poolSize: 1 }));
  });
  afterAll(() => drop?.());

  test("are all registered when their modules are loaded", () => {
    const registered = new Set(allStatements().map(({ name }) => name));
    const missing = files.flatMap((file) => namesIn(file).filter((name) => !registered.has(name)));
    expect(missing).toEqual([]);
    expect(registered.size).toBeGreaterThan(0);
  });

  test("have names of the form room.verb, of the room they are in", () => {
    const faults = files.flatMap((file) =>
      namesIn(file)
        .filter((name) => !prefixesOf(file.path).includes(name.split(".")[0] ?? ""))
        .map((name) => `${file.path}: ${name}`),
    );
    expect(faults).toEqual([]);
  });

  test("can be prepared against the migrated schema", async () => {
    const faults: string[] = [];
    for (const statement of allStatements().filter((one) => !isUtility(one))) {
      await db.unnamed(`prepare house_check as ${statement.text}`, []).then(
        () => db.unnamed("deallocate house_check", []),
        (error: Error) => faults.push(`${statement.name}: ${error.message}`),
      );
    }
    expect(faults).toEqual([]);
  });

  test("that are wrong would be found", async () => {
    await expect(db.unnamed("prepare house_check as select 1 from no_such_table", [])).rejects.toThrow("no_such_table");
  });

  test("without a plan are few, and only of kinds known here", () => {
    const kinds = allStatements()
      .filter(isUtility)
      .map(({ text }) => withoutComments(text).split(/\s/, 1)[0]?.toLowerCase());
    expect(
      kinds.filter(
        (kind) =>
          !["set", "listen", "unlisten", "analyze", "vacuum", "lock", "create", "drop", "alter", "truncate"].includes(
            kind ?? "",
          ),
      ),
    ).toEqual([]);
  });
});
