import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openTestDatabase } from "../../test/support/database.ts";
import type { Database } from "../foundation/database/index.ts";
import { uuidv7 } from "../foundation/ids.ts";
import { freshnessOf } from "./model.ts";
import { forgetOldNodes, readNodes } from "./operations.ts";

let db: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ db, drop } = await openTestDatabase());
});
afterAll(() => drop());
beforeEach(async () => {
  await db.unnamed("delete from cluster.lanes");
  await db.unnamed("delete from cluster.node_registrations");
});

/** Registers a node that beat and changed so many seconds ago. */
async function register(health: string, secondsAgo: number): Promise<string> {
  const nodeId = uuidv7(Date.now());
  await db.unnamed(
    `insert into cluster.node_registrations
       (node_id, node_type, node_version, health_status, last_heartbeat, updated_at, expires_at)
     values ($1, 'engine', '1.2.3', $2, now() - $3 * interval '1 second', now() - $3 * interval '1 second',
       now() - $3 * interval '1 second' + interval '10 seconds')`,
    [nodeId, health, secondsAgo],
  );
  return nodeId;
}

describe("freshness", () => {
  test.each([
    ["HEALTHY", 0, "fresh"],
    ["HEALTHY", 60_000, "fresh"],
    ["HEALTHY", 60_001, "stale"],
    ["DEGRADED", 120_000, "stale"],
    ["HEALTHY", 120_001, "dead"],
    ["UNKNOWN", null, "dead"],
    ["OFFLINE", 0, "offline"],
  ])("of a node that is %s and silent for %s ms is %s", (healthStatus, silentMs, freshness) => {
    expect(freshnessOf({ healthStatus, silentMs })).toBe(freshness);
  });
});

describe("the list of nodes", () => {
  test("tells by the database's clock how each one does and which shards it holds", async () => {
    const fresh = await register("HEALTHY", 1);
    const silent = await register("HEALTHY", 90);
    const lane = uuidv7(Date.now());
    await db.unnamed("insert into cluster.lanes (lane_id, node_id) values ($1, $2)", [lane, fresh]);
    await db.unnamed("update cluster.shard_leases set lane_id = $1 where shard in (3, 5)", [lane]);
    const nodes = new Map((await readNodes(db)).map((node) => [node.nodeId, node]));
    expect(nodes.get(fresh)).toMatchObject({
      freshness: "fresh",
      leaseExpired: false,
      shards: [3, 5],
      nodeVersion: "1.2.3",
    });
    expect(nodes.get(silent)).toMatchObject({ freshness: "stale", leaseExpired: true, shards: [] });
  });

  test("gives no shards to a node whose lane is closed", async () => {
    const node = await register("OFFLINE", 1);
    const lane = uuidv7(Date.now());
    await db.unnamed("insert into cluster.lanes (lane_id, node_id, closed_at) values ($1, $2, now())", [lane, node]);
    await db.unnamed("update cluster.shard_leases set lane_id = $1 where shard = 7", [lane]);
    expect((await readNodes(db))[0]).toMatchObject({ freshness: "offline", shards: [] });
  });
});

describe("the cleanup", () => {
  test("forgets nodes that have been OFFLINE for a day, and no others", async () => {
    const day = 24 * 60 * 60;
    const gone = await register("OFFLINE", day + 60);
    const recent = await register("OFFLINE", day - 60);
    const silent = await register("HEALTHY", 2 * day);
    expect(await forgetOldNodes(db)).toBe(1);
    const left = (await readNodes(db)).map(({ nodeId }) => nodeId);
    expect(left).not.toContain(gone);
    expect(left.sort()).toEqual([recent, silent].sort());
  });

  test("keeps a node whose lane is still open, whatever it says of itself", async () => {
    const node = await register("OFFLINE", 48 * 60 * 60);
    await db.unnamed("insert into cluster.lanes (lane_id, node_id) values ($1, $2)", [uuidv7(Date.now()), node]);
    expect(await forgetOldNodes(db)).toBe(0);
  });
});
