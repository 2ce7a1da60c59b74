/** What must be done now and then, by any node: partitions ahead of time, expired keys, payloads nobody claimed. */

import type { Database } from "../../foundation/database/index.ts";
import type { Logger } from "../../foundation/log.ts";
import { Loop } from "../../foundation/loop.ts";
import { ensurePartitions } from "../queries/lanes.ts";
import { deleteExpiredKeys, deleteOrphanPayloads } from "../queries/work.ts";

const everyMs = 3_600_000;
const batchesAtOnce = 100;

export function startHousekeeping({ database, log }: { database: Database; log: Logger }): { stop(): Promise<void> } {
  const loop = new Loop({ name: "housekeeping", everyMs, log, run: () => keepHouse(database) });
  loop.start();
  return loop;
}

/** One round. Deletes in small batches, so that none holds locks for long. */
export async function keepHouse(database: Database): Promise<void> {
  await database.query(ensurePartitions);
  for (const statement of [deleteExpiredKeys, deleteOrphanPayloads]) {
    for (let batch = 0; batch < batchesAtOnce; batch++) {
      const { rowCount } = await database.execute(statement);
      if (rowCount < 1_000) break;
    }
  }
}
