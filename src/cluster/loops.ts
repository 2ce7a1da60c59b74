import type { Db } from "../foundation/database/index.ts";
import type { Logger } from "../foundation/log.ts";
import { Loop } from "../foundation/loop.ts";
import { forgetOldNodes } from "./operations.ts";

const everyMs = 60 * 60 * 1_000;

/** Forgets nodes that have been gone for a day, once an hour. Every node runs it; they step aside for one another. */
export function createNodeCleanup({ db, log }: { db: Db; log: Logger }): Loop {
  return new Loop({
    name: "node cleanup",
    everyMs,
    log,
    async run() {
      const forgotten = await forgetOldNodes(db);
      if (forgotten > 0) log.info({ forgotten }, "forgot nodes that have been gone for a day");
    },
  });
}
