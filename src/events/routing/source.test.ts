import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../../../test/support/database.ts";
import type { RoutingTarget } from "../../engine/index.ts";
import type { Database } from "../../foundation/database/index.ts";
import { silentLogger } from "../../foundation/log.ts";
import { createRoutingSource, type LoadTargets } from "./source.ts";
import type { LoadedTarget } from "./targets.ts";

let db: Database;
let drop: () => Promise<void>;
beforeAll(async () => {
  ({ db, drop } = await openTestDatabase());
});
afterAll(() => drop());

interface Row {
  id: string;
  namespace: string;
  pattern: string;
  priority: number;
  revision: number;
  isGone: boolean;
}

/** Rows as a table of triggers would have them, with a revision each. */
function rowsOf() {
  const rows = new Map<string, Row>();
  const asked: number[] = [];
  const change = async (row: Partial<Row> & { id: string }) => {
    const [changed] = await db.unnamed<{ revision: number }>(
      "select event_processing_service.routing_changed() as revision",
    );
    const before = rows.get(row.id) ?? { namespace: "n", pattern: "a.b", priority: 100, isGone: false };
    rows.set(row.id, { ...before, ...row, revision: changed!.revision });
    return changed!.revision;
  };
  const load: LoadTargets = async (_db, since) => {
    asked.push(since);
    const seen = [...rows.values()].filter(({ revision }) => revision > since);
    return {
      targets: seen.filter(({ isGone }) => !isGone).map(loadedOf),
      goneIds: seen.filter(({ isGone }) => isGone).map(({ id }) => id),
    };
  };
  return { change, load, asked };
}

function loadedOf({ id, namespace, pattern, priority }: Row): LoadedTarget {
  const target: RoutingTarget = {
    kind: "subscription",
    id,
    namespace,
    name: id,
    decide: () => ({ outcome: "matched" }),
  };
  return { pattern, priority, target };
}

const none: LoadTargets = async () => ({ targets: [], goneIds: [] });
const ids = (targets: readonly { id: string }[]) => targets.map(({ id }) => id);

function sourceOf(given: Partial<Parameters<typeof createRoutingSource>[0]>) {
  return createRoutingSource({ db, loadTriggers: none, loadSubscriptions: none, log: silentLogger, ...given });
}

test("targets come in the order of priority and then of id, triggers and subscriptions together", async () => {
  const triggers = rowsOf();
  const subscriptions = rowsOf();
  await triggers.change({ id: "t2", priority: 5 });
  await triggers.change({ id: "t1", priority: 5, pattern: "a.*" });
  await subscriptions.change({ id: "s1", priority: 1, pattern: ">" });
  await triggers.change({ id: "other", namespace: "m", pattern: ">" });
  const table = await sourceOf({ loadTriggers: triggers.load, loadSubscriptions: subscriptions.load }).table();
  expect(ids(table.targetsFor("n", "a.b"))).toEqual(["s1", "t1", "t2"]);
  expect(ids(table.targetsFor("n", "a.c"))).toEqual(["s1", "t1"]);
  expect(table.target("other")?.namespace).toBe("m");
  expect(table.target("nobody")).toBeUndefined();
  expect([table.isWanted("m", "x"), table.isWanted("empty", "x")]).toEqual([true, false]);
  expect(table.paused).toBe(false);
});

test("a refresh loads only when the revision is behind, and then only what changed", async () => {
  const { change, load, asked } = rowsOf();
  const first = await change({ id: "t1" });
  const source = sourceOf({ loadTriggers: load });
  const before = await source.table();
  expect(before.revision).toBeGreaterThanOrEqual(first);
  expect(await source.refresh(first)).toBe(before);
  await change({ id: "t2" });
  const revision = await change({ id: "t1", pattern: "a.c" });
  const after = await source.refresh(revision);
  expect(asked).toEqual([0, before.revision]);
  expect([ids(after.targetsFor("n", "a.b")), ids(after.targetsFor("n", "a.c"))]).toEqual([["t2"], ["t1"]]);
  expect(ids(before.targetsFor("n", "a.b")), "a table that somebody holds stays as it is").toEqual(["t1"]);
});

test("what was disabled or removed takes no events any more", async () => {
  const { change, load } = rowsOf();
  await change({ id: "t1" });
  const source = sourceOf({ loadTriggers: load });
  await source.table();
  const table = await source.refresh(await change({ id: "t1", isGone: true }));
  expect([table.isWanted("n", "a.b"), table.target("t1")]).toEqual([false, undefined]);
  const again = await source.refresh(await change({ id: "t1", isGone: false }));
  expect(ids(again.targetsFor("n", "a.b"))).toEqual(["t1"]);
});

test("loads that overlap are one, and one that began too early is followed by another", async () => {
  const { change, load, asked } = rowsOf();
  await change({ id: "t1" });
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  let isFirst = true;
  const source = sourceOf({
    loadTriggers: load,
    async isPaused() {
      if (isFirst) await gate;
      isFirst = false;
      return false;
    },
  });
  const tables = [source.table(), source.table()];
  await expect.poll(() => asked.length).toBe(1);
  const revision = await change({ id: "t2" });
  const refreshed = source.refresh(revision);
  release();
  const [one, two] = await Promise.all(tables);
  expect(one).toBe(two);
  expect(ids((await refreshed).targetsFor("n", "a.b"))).toEqual(["t1", "t2"]);
  expect(asked.length).toBe(2);
});

test("a load that fails changes nothing, and the next one who asks tries again", async () => {
  const { change, load } = rowsOf();
  await change({ id: "t1" });
  let fails = false;
  const source = sourceOf({
    loadTriggers: (tx, since) => (fails ? Promise.reject(new Error("the line was cut")) : load(tx, since)),
  });
  const before = await source.table();
  const revision = await change({ id: "t2" });
  fails = true;
  await expect(source.refresh(revision)).rejects.toThrow("the line was cut");
  expect(await source.table()).toBe(before);
  fails = false;
  expect(ids((await source.refresh(revision)).targetsFor("n", "a.b"))).toEqual(["t1", "t2"]);
});

test("after a day everything is loaded anew, whatever was told about removals", async () => {
  const { change, load, asked } = rowsOf();
  await change({ id: "t1" });
  let at = 0;
  const source = sourceOf({ loadTriggers: load, now: () => at });
  const { revision } = await source.table();
  at += 23 * 3_600_000;
  const next = await source.refresh(await change({ id: "t2" }));
  at += 2 * 3_600_000;
  await source.refresh(await change({ id: "t3" }));
  expect(asked).toEqual([0, revision, 0]);
  expect(next.targetsFor("n", "a.b").length).toBe(2);
});

test("wait shapes are those of the database, and are read again when there are more", async () => {
  const insert = (pattern: string, paths: string[]) =>
    db.unnamed(
      "insert into event_processing_service.event_wait_shapes (namespace, pattern, paths) values ('w', $1, $2)",
      [pattern, paths],
    );
  await insert("paid.*", ["payload.order", "payload.a~2b"]);
  const { change, load } = rowsOf();
  const source = sourceOf({ loadTriggers: load });
  const before = await source.table();
  expect(before.shapesFor("w", "paid.now")).toEqual([
    {
      pattern: "paid.*",
      paths: [
        ["payload", "order"],
        ["payload", "a.b"],
      ],
    },
  ]);
  expect([before.isWanted("w", "paid.now"), before.isWanted("w", "paid")]).toEqual([true, false]);
  const same = await source.refresh(await change({ id: "t1" }));
  expect(same.shapesFor("w", "paid.now")).toEqual(before.shapesFor("w", "paid.now"));
  await insert("paid.>", []);
  const after = await source.refresh(await change({ id: "t1" }));
  expect(after.shapesFor("w", "paid.now").length).toBe(2);
});

test("while the queue is paused the table says so", async () => {
  const table = await sourceOf({ isPaused: async () => true }).table();
  expect(table.paused).toBe(true);
});
