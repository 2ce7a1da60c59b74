/** A lane of the limit programs: it owns every shard of a migrated database that nobody else uses. */
import { type Connection, Database, type Statement } from "../../src/foundation/database/index.ts";
import { uuidv7 } from "../../src/foundation/ids.ts";
import { silentLogger } from "../../src/foundation/log.ts";
import * as sql from "./queries.ts";
import type { BenchDatabase } from "./server.ts";

/** What the flush function is given beside the lane, the number and the node: each as JSON text, or null. */
export interface FlushParts {
  shards: readonly number[];
  starts: string | null;
  changes: string | null;
  steps: string | null;
  transitions: string | null;
  extras: string | null;
  /** What has to do with events; absent: the flush knows nothing of them. */
  events?: string | null;
}

export interface LimitLane {
  shards: number;
  /** Writes the next flush; anything but "done" throws. */
  flush(parts: FlushParts): Promise<void>;
  /** Sends another statement on the same line. */
  send(statement: Statement, values: readonly unknown[]): Promise<void>;
  close(): Promise<void>;
}

export async function openLimitLane(database: Pick<BenchDatabase, "url">): Promise<LimitLane> {
  const db = new Database({
    url: database.url,
    poolSize: 1,
    applicationName: "millrace bench limit",
    log: silentLogger,
  });
  const [settings] = await db.query<{ shards: number }>(sql.countShards);
  const laneId = uuidv7(Date.now());
  const nodeId = uuidv7(Date.now());
  await db.execute(sql.openLane, [laneId, nodeId]);
  const line: Connection = await db.connect();
  let seq = 0;
  return {
    shards: settings!.shards,
    async flush({ shards, starts, changes, steps, transitions, extras, events }) {
      const head = [laneId, ++seq, nodeId, `{${shards.join(",")}}`];
      const values = [...head, starts, changes, steps, transitions, extras];
      const [answer] = await (events === undefined
        ? line.query<{ outcome: string }>(sql.flush, values)
        : line.query<{ outcome: string }>(sql.flushWithEvents, [...values, events]));
      if (answer?.outcome !== "done") throw new Error(`the store answered "${answer?.outcome}" to flush ${seq}`);
    },
    async send(statement, values) {
      await line.query(statement, values);
    },
    async close() {
      await line.close();
      await db.close();
    },
  };
}
