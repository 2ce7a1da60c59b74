import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../../../test/support/database.ts";
import { silentLogger } from "../log.ts";
import type { Db } from "./client.ts";
import { Database } from "./database.ts";
import { readServer } from "./queries.ts";
import { checkServer } from "./server.ts";

let db: Database;
let url: string;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ db, url, drop } = await openTestDatabase({ empty: true }));
});
afterAll(() => drop());

async function refusalWith(option: string): Promise<string> {
  const odd = new Database({ url: `${url}?options=${encodeURIComponent(`-c ${option}`)}`, log: silentLogger });
  const error = await checkServer(odd).catch((caught: unknown) => caught);
  await odd.close();
  expect(error).toMatchObject({ code: "database.server_unsupported" });
  return error instanceof Error ? error.message : "";
}

test("the embedded server is accepted and named", async () => {
  expect(await checkServer(db)).toEqual({ version: expect.stringMatching(/^18\./), major: 18 });
});

test("a server that acknowledges commits before they are safe is refused", async () => {
  expect(await refusalWith("synchronous_commit=off")).toMatch(/synchronous_commit = off.*Set it to on/);
});

test("a server with another isolation level is refused", async () => {
  expect(await refusalWith("default_transaction_isolation=repeatable\\ read")).toMatch(/READ COMMITTED/);
});

test.each([
  [140_012, "14.12"],
  [190_000, "19beta1"],
])("a server of version %i is refused and told which versions are not", async (versionNumber, version) => {
  const [facts] = await db.query(readServer);
  // What such a server would answer; its binaries are not at hand.
  const other: Db = {
    query: async <R>() => [{ ...facts, versionNumber, version } as R],
    execute: db.execute.bind(db),
    unnamed: db.unnamed.bind(db),
  };
  await expect(checkServer(other)).rejects.toThrow(`PostgreSQL ${version} is not supported; versions 15 to 18 are.`);
});
