import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../../test/support/database.ts";
import type { Database, Db } from "../foundation/database/index.ts";
import { uuidv7 } from "../foundation/ids.ts";
import * as operations from "./operations.ts";

type Fields = Record<string, unknown>;

let db: Database;
let drop: () => Promise<void>;
let namespaces = 0;

beforeAll(async () => {
  ({ db, drop } = await openTestDatabase());
});
afterAll(() => drop());

const document = (changes: Fields = {}): Fields => ({
  workflowId: "order",
  name: "Order",
  steps: [{ stepId: "a", type: "TASK", taskId: "t" }],
  ...changes,
});

/** A namespace of its own, and the verbs in it; ids in `used` count as used by an instance. */
function house() {
  const namespace = `n${++namespaces}`;
  const used = new Set<string>();
  const isUsed = async (_db: Db, id: string) => used.has(id);
  const create = (changes: Fields = {}, more: { createdBy?: string } = {}) =>
    db.transaction((tx) =>
      operations.createDefinition(tx, { isUsed, namespace, document: document(changes), ...more }),
    );
  const resolve = (ref = "order", version?: string) => operations.resolveDefinition(db, { namespace, ref, version });
  const reference = (ref: string, version?: string) => ({ namespace, ref, version });
  return {
    namespace,
    used,
    create,
    resolve,
    reference,
    get: (ref: string, version?: string) => operations.getDefinition(db, reference(ref, version)),
    activate: (ref: string, version?: string) =>
      db.transaction((tx) => operations.activate(tx, reference(ref, version))),
    deprecate: (ref: string, version?: string) =>
      db.transaction((tx) => operations.deprecate(tx, reference(ref, version))),
    remove: (ref: string, version?: string) =>
      db.transaction((tx) => operations.deleteDefinition(tx, { ...reference(ref, version), isUsed })),
  };
}

describe("creating", () => {
  test("a stored definition is read back as it was, with what the store adds", async () => {
    const { create, get, namespace } = house();
    const whole = {
      version: "2.1.0",
      description: "All of it",
      inputSchema: { type: "object" },
      outputSchema: true,
      output: { a: "${steps.a.output}" },
      variables: { v: { type: "integer", default: 1 } },
      compensationSteps: [{ stepId: "u", type: "TASK", taskId: "u", compensationFor: "a" }],
      compensateOnFailure: false,
      cancellationTriggers: [{ eventPattern: "orders.cancelled", reason: "told so" }],
      timeout: "PT1H",
      retryPolicy: { maxAttempts: 2, initialInterval: "PT1M", nonRetryableErrors: ["X"] },
      concurrency: [{ limit: 10 }, { limit: 1, key: "input.customer" }],
      retention: "P30D",
      uiComponents: [],
      executionLog: { level: "info", retention: "P30D" },
      templateId: "template",
    };
    const { created, definition } = await create(whole, { createdBy: "ann" });
    expect(created).toBe(true);
    expect(definition).toEqual({
      ...document(whole),
      createdBy: "ann",
      namespace,
      status: "active",
      latest: true,
      id: expect.any(String),
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: expect.stringMatching(/Z$/),
    });
    expect(await get(definition.id)).toEqual(definition);
    const { id, status: _s, latest: _l, createdAt: _c, updatedAt: _u, ...content } = definition;
    expect(await operations.loadDefinition(db, id)).toEqual({ ...content, id });
  });

  test("faults are refused with all of them and leave nothing behind", async () => {
    const { create, namespace } = house();
    await expect(create({ steps: [], timeout: 0 })).rejects.toMatchObject({
      code: "workflows.definition_invalid",
      status: 400,
      errors: [{ pointer: "/steps" }, { pointer: "/timeout" }],
    });
    expect(await operations.listDefinitions(db, { namespace, limit: 10 })).toEqual({ items: [], next: undefined });
  });

  test("without a version the first is 1.0.0 and each other content the next minor, above the highest", async () => {
    const { create } = house();
    const versions = [];
    for (const name of ["A", "B", "C"]) versions.push((await create({ name })).definition.version);
    await create({ name: "D", version: "3.4.5" });
    versions.push((await create({ name: "E" })).definition.version);
    expect(versions).toEqual(["1.0.0", "1.1.0", "1.2.0", "3.5.0"]);
  });

  test("the same content again changes nothing, with and without its version", async () => {
    const { create, resolve } = house();
    const first = await create({ version: "1.0.0" });
    const { revision } = await resolve();
    for (const again of [await create({ version: "1.0.0" }), await create(), await create({ createdBy: "bob" })]) {
      expect(again).toMatchObject({ created: false, definition: first.definition });
    }
    expect((await resolve()).revision).toBe(revision);
  });

  test("other content replaces a version that no instance used, under a new id", async () => {
    const { create, get, resolve } = house();
    const first = (await create({ version: "1.0.0" })).definition;
    const { revision } = await resolve();
    const second = (await create({ version: "1.0.0", name: "Better" })).definition;
    expect(second.id).not.toBe(first.id);
    expect(await get("order")).toMatchObject({ id: second.id, name: "Better", version: "1.0.0" });
    expect(await resolve()).toMatchObject({ id: second.id, revision: revision + 1 });
    expect(await operations.loadDefinition(db, first.id)).toMatchObject({ name: "Order" });
    await expect(resolve(first.id)).rejects.toMatchObject({ code: "workflows.definition_not_startable" });
  });

  test("other content under a version that was used is a conflict; another version is not", async () => {
    const { create, used } = house();
    const { definition } = await create({ version: "1.0.0" });
    used.add(definition.id);
    await expect(create({ version: "1.0.0", name: "Better" })).rejects.toMatchObject({
      code: "workflows.version_used",
      status: 409,
    });
    expect(await create({ version: "1.0.0" })).toMatchObject({ created: false });
    expect((await create({ name: "Better" })).definition.version).toBe("1.1.0");
  });

  test("creations of one workflow at the same time follow one another", async () => {
    const { create, namespace } = house();
    const names = Array.from({ length: 8 }, (_, i) => `Name ${i}`);
    await Promise.all(names.map((name) => create({ name })));
    const { items } = await operations.listVersions(db, { namespace, ref: "order", limit: 20 });
    expect(items.map(({ version }) => version)).toEqual(names.map((_, i) => `1.${7 - i}.0`));
    const same = await Promise.all(names.map(() => create({ workflowId: "other" })));
    expect(same.filter(({ created }) => created)).toHaveLength(1);
  });

  test("no version follows the last number that a version can hold", async () => {
    const { create } = house();
    await create({ version: `1.${Number.MAX_SAFE_INTEGER}.0` });
    await expect(create({ name: "B" })).rejects.toMatchObject({ errors: [{ pointer: "/version" }] });
  });

  test("namespaces do not see each other", async () => {
    const [here, there] = [house(), house()];
    const { definition } = await here.create();
    await expect(there.get(definition.id)).rejects.toMatchObject({ code: "workflows.definition_not_found" });
    await expect(there.get("order")).rejects.toMatchObject({ status: 404 });
    await expect(there.resolve(definition.id)).rejects.toMatchObject({ status: 404 });
  });
});

describe("the latest", () => {
  test("is the highest of the active by semantic precedence, whatever the order of creation", async () => {
    const { create, resolve } = house();
    for (const version of ["1.10.0", "1.9.0", "1.10.1-rc.1", "1.2.0"]) await create({ version, name: version });
    expect((await resolve()).version).toBe("1.10.1-rc.1");
    await create({ version: "1.10.1", name: "1.10.1" });
    expect((await resolve()).version).toBe("1.10.1");
  });

  test("moves with activation and deprecation, and its revision grows only then", async () => {
    const { create, resolve, deprecate, activate } = house();
    await create({ version: "1.0.0" });
    await create({ version: "2.0.0", name: "Two" });
    const { revision } = await resolve();
    await create({ version: "1.5.0", name: "Between" });
    expect(await resolve()).toMatchObject({ version: "2.0.0", revision });
    expect(await deprecate("order", "2.0.0")).toMatchObject({ status: "deprecated", latest: false });
    expect(await resolve()).toMatchObject({ version: "1.5.0", revision: revision + 1 });
    expect(await deprecate("order", "2.0.0")).toMatchObject({ status: "deprecated" });
    expect(await activate("order", "2.0.0")).toMatchObject({ status: "active", latest: true });
    expect(await resolve()).toMatchObject({ version: "2.0.0", revision: revision + 2 });
  });

  test("a draft is no candidate until it is activated, and never becomes a draft again", async () => {
    const { create, resolve, activate } = house();
    const { definition } = await create({ version: "1.0.0", status: "draft" });
    await expect(resolve()).rejects.toMatchObject({ code: "workflows.definition_not_startable", status: 409 });
    await expect(resolve("order", "1.0.0")).rejects.toMatchObject({ code: "workflows.definition_not_startable" });
    expect((await create({ version: "1.0.0" })).definition.status).toBe("draft");
    await activate(definition.id);
    expect(await resolve()).toMatchObject({ id: definition.id });
    await expect(create({ version: "1.0.0", status: "draft" })).rejects.toMatchObject({
      code: "workflows.status_change_refused",
    });
  });

  test("the same content with status active activates a draft", async () => {
    const { create, resolve } = house();
    await create({ status: "draft" });
    expect(await create({ status: "active" })).toMatchObject({
      created: false,
      definition: { status: "active", latest: true },
    });
    expect((await resolve()).version).toBe("1.0.0");
  });

  test("a deprecated version is started by whoever names it", async () => {
    const { create, resolve, deprecate } = house();
    const { definition } = await create();
    await deprecate("order");
    await expect(resolve()).rejects.toMatchObject({ code: "workflows.definition_not_startable" });
    expect(await resolve("order", "1.0.0")).toMatchObject({ id: definition.id, followsLatest: false });
    expect(await resolve(definition.id)).toMatchObject({ id: definition.id, followsLatest: false });
    expect(await resolve(definition.id.toUpperCase())).toMatchObject({ id: definition.id, followsLatest: false });
  });

  test("a start that resolved it before it changed is stale by its revision", async () => {
    const { create, resolve, namespace } = house();
    await create();
    const { revision, followsLatest } = await resolve();
    expect(followsLatest).toBe(true);
    const isStale = async (heads: unknown[][]) =>
      (
        await db.unnamed<{ stale: boolean }>("select workflow_orchestrator_service.heads_are_stale($1) as stale", [
          JSON.stringify(heads),
        ])
      )[0]?.stale;
    expect(await isStale([[namespace, "order", revision]])).toBe(false);
    await create({ name: "Better" });
    expect(await isStale([[namespace, "order", revision]])).toBe(true);
    expect(await isStale([[namespace, "order", revision + 1]])).toBe(false);
    expect(await isStale([[namespace, "unknown", 1]])).toBe(true);
    expect(await isStale([])).toBe(false);
  });
});

describe("resolving", () => {
  test.each([
    ["an unknown name", "nothing"],
    ["an unknown id", uuidv7(0)],
    ["nothing", ""],
    ["a very long name", "x".repeat(300)],
  ])("%s is not found", async (_name, ref) => {
    await expect(house().resolve(ref)).rejects.toMatchObject({ code: "workflows.definition_not_found", status: 404 });
  });

  test.each(["9.9.9", "latest", "", "1"])("version %j of a known workflow is not found", async (version) => {
    const { create, resolve } = house();
    await create();
    await expect(resolve("order", version)).rejects.toMatchObject({ code: "workflows.definition_not_found" });
  });

  test("a workflowId that looks like an id is found", async () => {
    const { create, resolve } = house();
    const workflowId = uuidv7(0);
    await create({ workflowId });
    expect(await resolve(workflowId)).toMatchObject({ workflowId, followsLatest: true });
  });
});

describe("deleting", () => {
  test("takes a version away, and its number can be given again", async () => {
    const { create, remove, get, resolve, namespace } = house();
    const { definition } = await create();
    await remove("order", "1.0.0");
    await expect(get(definition.id)).rejects.toMatchObject({ status: 404 });
    await expect(resolve()).rejects.toMatchObject({ status: 404 });
    expect((await operations.listDefinitions(db, { namespace, limit: 10 })).items).toEqual([]);
    expect((await create()).definition.id).not.toBe(definition.id);
    expect(await operations.loadDefinition(db, definition.id)).toMatchObject({ workflowId: "order" });
  });

  test("is refused for a version that was used", async () => {
    const { create, remove, used, get } = house();
    const { definition } = await create();
    used.add(definition.id);
    await expect(remove(definition.id)).rejects.toMatchObject({ code: "workflows.definition_used", status: 409 });
    expect(await get(definition.id)).toEqual(definition);
  });

  test("a replaced version cannot be changed any more", async () => {
    const { create, activate, remove } = house();
    const { definition } = await create({ version: "1.0.0" });
    await create({ version: "1.0.0", name: "Better" });
    await expect(activate(definition.id)).rejects.toMatchObject({ code: "workflows.status_change_refused" });
    await expect(remove(definition.id)).rejects.toMatchObject({ status: 409 });
  });
});

describe("lists", () => {
  test("pages go on where the last one ended, newest first, each version once", async () => {
    const { create, namespace } = house();
    const names = ["A", "B", "C", "D", "E"];
    for (const name of names) await create({ name });
    const seen: string[] = [];
    let before: string | undefined;
    do {
      const page = await operations.listDefinitions(db, { namespace, limit: 2, before });
      expect(page.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.items.map(({ name }) => name));
      before = page.next;
    } while (before !== undefined);
    expect(seen).toEqual([...names].reverse());
  });

  test("filters by workflow, status, a part of the name, and whether it is the latest", async () => {
    const { create, deprecate, namespace } = house();
    await create({ workflowId: "a", name: "100% cotton" });
    await create({ workflowId: "a", name: "Silk", version: "2.0.0" });
    await create({ workflowId: "b", name: "Wool", status: "draft" });
    await create({ workflowId: "c", name: "Cotton" });
    await deprecate("c");
    const names = async (filter: object) =>
      (await operations.listDefinitions(db, { namespace, limit: 10, ...filter })).items.map(({ name }) => name);
    expect(await names({})).toEqual(["Cotton", "Wool", "Silk", "100% cotton"]);
    expect(await names({ workflowId: "a" })).toEqual(["Silk", "100% cotton"]);
    expect(await names({ statuses: ["draft", "deprecated"] })).toEqual(["Cotton", "Wool"]);
    expect(await names({ name: "COTTON" })).toEqual(["Cotton", "100% cotton"]);
    expect(await names({ name: "0%" })).toEqual(["100% cotton"]);
    expect(await names({ latest: true })).toEqual(["Silk"]);
  });

  test("versions come highest first, in pages", async () => {
    const { create, namespace } = house();
    for (const version of ["1.2.0", "1.10.0", "1.10.0-rc.1"]) await create({ version, name: version });
    const first = await operations.listVersions(db, { namespace, ref: "order", limit: 2 });
    expect(first.items.map(({ version }) => version)).toEqual(["1.10.0", "1.10.0-rc.1"]);
    const second = await operations.listVersions(db, { namespace, ref: "order", limit: 2, below: first.next });
    expect(second).toMatchObject({ items: [{ version: "1.2.0" }], next: undefined });
  });
});
