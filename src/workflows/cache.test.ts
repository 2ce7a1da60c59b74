import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../../test/support/database.ts";
import type { Database, Db } from "../foundation/database/index.ts";
import { createDefinitionCache } from "./cache.ts";
import { createDefinition, deleteDefinition } from "./operations.ts";

let db: Database;
let drop: () => Promise<void>;
let namespaces = 0;

beforeAll(async () => {
  ({ db, drop } = await openTestDatabase());
});
afterAll(() => drop());

const isUsed = async () => false;

/** A cache in a namespace of its own, over a database that counts what it is asked. */
function house() {
  const namespace = `n${++namespaces}`;
  const asked = { count: 0 };
  const counting: Db = {
    query: (...args) => {
      asked.count++;
      return db.query(...args);
    },
    execute: (...args) => db.execute(...args),
    unnamed: (...args) => db.unnamed(...args),
  };
  const cache = createDefinitionCache(counting);
  const create = async (name: string, version?: string) => {
    const document = { workflowId: "w", name, version, steps: [{ stepId: "a", type: "TASK", taskId: "t" }] };
    const made = await db.transaction((tx) =>
      createDefinition(tx, { isUsed, namespace, document: JSON.parse(JSON.stringify(document)) }),
    );
    return made.definition;
  };
  return { namespace, asked, cache, create, resolve: (more = {}) => cache.resolve({ namespace, ref: "w", ...more }) };
}

test("the latest is asked for once, and again when a fresh answer is wanted", async () => {
  const { asked, create, resolve } = house();
  const one = await create("One");
  const [first, second] = await Promise.all([resolve(), resolve()]);
  expect(first).toEqual({ definitionId: one.id, workflowId: "w", revision: 1 });
  expect(second).toBe(first);
  expect(asked.count).toBe(1);
  const two = await create("Two");
  expect(await resolve()).toBe(first);
  expect(await resolve({ fresh: true })).toEqual({ definitionId: two.id, workflowId: "w", revision: 2 });
  expect((await resolve()).definitionId).toBe(two.id);
  expect(asked.count).toBe(2);
});

test("an id or a version is never answered from memory, for nothing would notice that it went", async () => {
  const { namespace, create, resolve } = house();
  const { id } = await create("One", "1.0.0");
  expect(await resolve({ version: "1.0.0" })).toEqual({ definitionId: id, workflowId: "w" });
  expect(await resolve({ ref: id })).toEqual({ definitionId: id, workflowId: "w" });
  await db.transaction((tx) => deleteDefinition(tx, { namespace, ref: id, isUsed }));
  await expect(resolve({ version: "1.0.0" })).rejects.toMatchObject({ status: 404 });
  await expect(resolve({ ref: id })).rejects.toMatchObject({ status: 404 });
});

test("a refusal is not remembered", async () => {
  const { create, resolve } = house();
  await expect(resolve()).rejects.toMatchObject({ code: "workflows.definition_not_found" });
  const { id } = await create("One");
  expect((await resolve()).definitionId).toBe(id);
});

test("a loaded definition is loaded once", async () => {
  const { asked, cache, create } = house();
  const { id } = await create("One");
  const first = await cache.load(id);
  expect(await cache.load(id)).toBe(first);
  expect(first).toMatchObject({ id, workflowId: "w", name: "One" });
  expect(asked.count).toBe(1);
});
