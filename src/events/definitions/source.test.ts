import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../../../test/support/database.ts";
import type { Database, Db } from "../../foundation/database/index.ts";
import { saveEventSettings } from "../settings/queries.ts";
import { createDefinition, deleteDefinition, setStatus } from "./operations.ts";
import { createDefinitionSource } from "./source.ts";

let db: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ db, drop } = await openTestDatabase());
});
afterAll(() => drop?.());

/** Counts the statements by their names. */
function counting(): { db: Db; sent: string[] } {
  const sent: string[] = [];
  return {
    sent,
    db: {
      query: (statement, values) => {
        sent.push(statement.name);
        return db.query(statement, values);
      },
      execute: (statement, values) => db.execute(statement, values),
      unnamed: (text, values) => db.unnamed(text, values),
    },
  };
}

const define = (namespace: string, version: string, more: object = {}) =>
  db.transaction((tx) =>
    createDefinition(tx, { namespace, eventId: "E", pattern: "e", version, createdBy: "test", ...more }),
  );

describe("what the intake knows of definitions", () => {
  test("is what was committed before it asked, on every node, whatever it knew before", async () => {
    const namespace = "exact";
    const nodes = [createDefinitionSource(db), createDefinitionSource(db)];
    const versions = () =>
      Promise.all(nodes.map(async (one) => (await one.checksFor(namespace, ["e", "f"])).definitions.get("e")?.version));
    expect(await versions()).toEqual([undefined, undefined]);
    for (let minor = 0; minor < 20; minor++) {
      await define(namespace, `1.${minor}.0`, { sourceTypes: minor % 2 === 0 ? ["task"] : ["system"] });
      expect(await versions()).toEqual([`1.${minor}.0`, `1.${minor}.0`]);
    }
    const reference = (version: string) => ({ namespace, ref: "E", version });
    await db.transaction((tx) => setStatus(tx, reference("1.19.0"), "deprecated"));
    expect(await versions()).toEqual(["1.18.0", "1.18.0"]);
    await db.transaction((tx) => setStatus(tx, reference("1.19.0"), "active"));
    expect(await versions()).toEqual(["1.19.0", "1.19.0"]);
  });

  test("is not what drafts say, or a change that was rolled back", async () => {
    const namespace = "drafts";
    const source = createDefinitionSource(db);
    await define(namespace, "1.0.0", { status: "draft" });
    await db
      .transaction(async (tx) => {
        await setStatus(tx, { namespace, ref: "E" }, "active");
        throw new Error("no");
      })
      .catch(() => undefined);
    expect((await source.checksFor(namespace, ["e"])).definitions.size).toBe(0);
    await db.transaction((tx) => deleteDefinition(tx, { namespace, ref: "E" }));
    expect((await source.checksFor(namespace, ["e"])).definitions.size).toBe(0);
  });

  test("follows how the namespace checks", async () => {
    const source = createDefinitionSource(db);
    const validation = async () => (await source.checksFor("modes", ["e"])).validation;
    expect(await validation()).toBe("open");
    for (const mode of ["strict", "lenient", "open"]) {
      await db.query(saveEventSettings, ["modes", mode, "test"]);
      expect(await validation()).toBe(mode);
    }
  });

  test("costs one statement for all who ask at once, and none beside it while nothing changes", async () => {
    const namespace = "cheap";
    await define(namespace, "1.0.0");
    const { db: counted, sent } = counting();
    const source = createDefinitionSource(counted);
    const ask = () => source.checksFor(namespace, ["e", "unknown"]);
    await ask();
    expect(sent).toEqual(["events.read_revisions", "events.read_latest_of_names"]);
    sent.length = 0;
    await Promise.all(Array.from({ length: 200 }, ask));
    expect(sent).toEqual(["events.read_revisions"]);
  });

  test("is read anew for whoever asks while a read is under way", async () => {
    const namespace = "late";
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const { promise: read, resolve: wasRead } = Promise.withResolvers<void>();
    let reads = 0;
    const slow: Db = {
      ...counting().db,
      async query(statement, values) {
        const rows = await db.query(statement, values);
        // The first answer is on its way when the definition is committed.
        if (reads++ === 0) {
          wasRead();
          await held;
        }
        return rows as never;
      },
    };
    const source = createDefinitionSource(slow);
    const early = source.checksFor(namespace, ["e"]);
    await read;
    await define(namespace, "1.0.0");
    const late = source.checksFor(namespace, ["e"]);
    release();
    expect((await early).definitions.size).toBe(0);
    expect((await late).definitions.get("e")?.version).toBe("1.0.0");
  });

  test("survives a read that fails", async () => {
    let fails = true;
    const source = createDefinitionSource({
      ...counting().db,
      query: (statement, values) => (fails ? Promise.reject(new Error("gone")) : db.query(statement, values)),
    });
    const asked = [source.checksFor("gone", ["e"]), source.checksFor("gone", ["e"])];
    expect(await Promise.allSettled(asked)).toMatchObject([{ status: "rejected" }, { status: "rejected" }]);
    fails = false;
    expect((await source.checksFor("gone", ["e"])).validation).toBe("open");
  });

  test("is forgotten when it grows too large, and learnt again", async () => {
    const namespace = "many";
    await define(namespace, "1.0.0");
    const source = createDefinitionSource(db);
    for (let batch = 0; batch < 3; batch++) {
      const names = Array.from({ length: 1_000 }, (_, n) => `n${batch}-${n}`);
      expect((await source.checksFor(namespace, [...names, "e"])).definitions.get("e")?.version).toBe("1.0.0");
    }
  });
});
