/** What this room does by itself: every node looks for replays that nobody works on, and works on them page by page. */
import type { Engine } from "../../engine/index.ts";
import { type Database, isTransient } from "../../foundation/database/index.ts";
import type { Logger } from "../../foundation/log.ts";
import { Loop } from "../../foundation/loop.ts";
import { pagesOf } from "./pages.ts";
import * as queries from "./queries.ts";

export interface ReplayWorker {
  start(): void;
  /** Resolves when the page under way is recorded. It is not started again. */
  stop(): Promise<void>;
  /** Works on what there is now, and resolves when nothing is left for this node. */
  tick(): Promise<void>;
  /** A replay was made: look soon. */
  wake(): void;
}

const everyMs = 15_000;
const claimMs = 30_000;
const cleanEveryMs = 3_600_000;

/**
 * A page of events and the cursor behind it are one commit: after a crash another node goes on where this one was, and no
 * event is routed twice by one replay, nor left out.
 */
export function createReplayWorker(parts: {
  db: Database;
  log: Logger;
  engine: Pick<Engine, "nodeId" | "routeAgain" | "wakeRouters">;
  keepMs: number;
}): ReplayWorker {
  const { db, log, engine, keepMs } = parts;
  const { nodeId } = engine;
  let stopping = false;
  let cleanedMs = Number.NEGATIVE_INFINITY;

  async function look(): Promise<void> {
    const passedBy: string[] = [];
    while (!stopping) {
      const [replay] = await db.query<queries.ReplayRow>(queries.claimReplay, [nodeId, claimMs, passedBy]);
      if (replay === undefined) break;
      passedBy.push(replay.id);
      await work(replay);
    }
    if (performance.now() - cleanedMs < cleanEveryMs) return;
    await db.execute(queries.removeOldReplays, [keepMs]);
    cleanedMs = performance.now();
  }

  async function work(replay: queries.ReplayRow): Promise<void> {
    const { id } = replay;
    try {
      for await (const { cursor, fitting, events } of pagesOf(db, replay)) {
        if (!(await route(replay, { cursor, fitting, events })) || stopping) return;
      }
      await db.execute(queries.endReplay, [id, nodeId, null]);
    } catch (error) {
      log.warn({ err: error, replayId: id }, "a replay was interrupted");
      if (isTransient(error)) return;
      const reason = error instanceof Error ? error.message.slice(0, 1_000) : "unknown";
      await db.execute(queries.endReplay, [id, nodeId, reason]);
    } finally {
      await db.execute(queries.releaseReplay, [id, nodeId]).catch(() => undefined);
    }
  }

  /** Whether to go on after it. */
  async function route(
    { id: replayId, namespace, targets }: queries.ReplayRow,
    { cursor, fitting, events }: { cursor: string; fitting: number; events: string[] },
  ): Promise<boolean> {
    const isOurs = await db.transaction(async (tx) => {
      const values = [replayId, nodeId, claimMs, cursor, fitting, events.length];
      const recorded = await tx.query(queries.recordPage, values);
      if (recorded.length === 0) return false;
      const only = targets === null ? {} : { targets };
      if (events.length > 0) {
        await engine.routeAgain(
          tx,
          events.map((id) => ({ namespace, id, replayId, ...only })),
        );
      }
      return true;
    });
    if (isOurs && events.length > 0) engine.wakeRouters();
    return isOurs;
  }

  const loop = new Loop({ name: "replays", everyMs, log, run: look });
  return {
    start: () => loop.start(),
    wake: () => loop.wake(),
    tick: () => loop.tick(),
    async stop() {
      stopping = true;
      await loop.stop();
    },
  };
}
