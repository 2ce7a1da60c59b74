import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../../test/support/database.ts";
import { ended, rigNamespace, rigWorkflow, startRig, until } from "../../test/support/engine_rig.ts";
import { Database, statement } from "../foundation/database/index.ts";
import { shardOf } from "../foundation/ids.ts";
import { silentLogger } from "../foundation/log.ts";
import type { Engine, Step } from "./index.ts";

const wait = { stepId: "paid", type: "EVENT_WAIT", eventPattern: "orders.paid" } as const;
const definitions = [rigWorkflow("order", [{ ...wait, eventCondition: "event.payload.order == input.order" } as Step])];

/** By shard: the node that holds it. */
const readOwners = statement(
  "test.shard_owners",
  `select l.shard, n.node_id as node from cluster.shard_leases l join cluster.lanes n on n.lane_id = l.lane_id
   where n.closed_at is null`,
);
const readEventShard = statement(
  "test.event_shard",
  "select e.shard from event_processing_service.event_instances e where e.id = $1",
);
const readLedger = statement(
  "test.ledger",
  "select r.decisions from event_processing_service.event_routings r where r.event_id = $1",
);

let first: { engine: Engine; db: Database };
let second: { engine: Engine; db: Database };
let drop: () => Promise<void>;

beforeAll(async () => {
  const opened = await openTestDatabase();
  drop = opened.drop;
  const other = new Database({ url: opened.url, log: silentLogger });
  first = { db: opened.db, engine: await startRig({ db: opened.db, definitions, leaseMs: 2_000 }) };
  second = { db: other, engine: await startRig({ db: other, definitions, leaseMs: 2_000 }) };
  // Each comes to hold its part.
  await until(owners, (map) => new Set(map.values()).size === 2 && map.size === 64);
});
afterAll(async () => {
  await first?.engine.stop();
  await second?.engine.stop().catch(() => {});
  await second?.db.close();
  await drop?.();
});

async function owners(): Promise<Map<number, string>> {
  const rows = await first.db.query<{ shard: number; node: string }>(readOwners);
  return new Map(rows.map(({ shard, node }) => [shard, node]));
}

async function waiting(order: string): Promise<string> {
  const { instanceId } = await first.engine.startInstance({
    namespace: rigNamespace,
    definitionId: "order",
    input: { order },
  });
  await until(
    () => first.engine.getInstance({ namespace: rigNamespace, instanceId }),
    (view) => view?.status === "WAITING_FOR_EVENT",
  );
  return instanceId;
}

const publish = async (by: Engine, order: string, partitionKey: string) =>
  (await by.publish([{ namespace: rigNamespace, pattern: "orders.paid", payload: { order }, partitionKey }]))[0]!;

test("an event whose shard another node holds ends the wait of an instance, once", async () => {
  const ids = await Promise.all(Array.from({ length: 20 }, (_, n) => waiting(`o${n}`)));
  const nodes = await owners();
  const events = await Promise.all(ids.map((_, n) => publish(second.engine, `o${n}`, `key ${n}`)));
  let across = 0;
  for (const [n, id] of ids.entries()) {
    expect((await ended(first.engine, id)).output).toEqual({ order: `o${n}` });
    const [{ shard } = { shard: -1 }] = await first.db.query<{ shard: number }>(readEventShard, [events[n]!.id]);
    if (nodes.get(shard) !== nodes.get(shardOf(id, 64))) across++;
    const ledger = () => first.db.query<{ decisions: { outcome: string }[] }>(readLedger, [events[n]!.id]);
    const [row] = await until(ledger, (rows) => rows.length > 0);
    expect(row!.decisions).toHaveLength(1);
  }
  expect(across).toBeGreaterThan(0);
});

test("events that a node leaves behind are routed by whoever takes its shards over", async () => {
  const ids = await Promise.all(Array.from({ length: 20 }, (_, n) => waiting(`t${n}`)));
  const published = ids.map((_, n) => publish(n % 2 === 0 ? first.engine : second.engine, `t${n}`, `key ${n}`));
  await Promise.all(published);
  // It goes while they are on their way to the waits.
  await second.engine.stop();
  const views = await Promise.all(ids.map((id) => ended(first.engine, id)));
  expect(views.map(({ output }) => output)).toEqual(ids.map((_, n) => ({ order: `t${n}` })));
}, 40_000);
