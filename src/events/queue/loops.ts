/** What this room does by itself: it writes the metrics down while events come, and when the node stops. */
import type { Logger } from "../../foundation/log.ts";
import { Loop } from "../../foundation/loop.ts";
import type { Gate } from "./gate.ts";
import { isDue } from "./model.ts";
import { checkpointQueue, persistQueue, type QueueParts } from "./operations.ts";

export interface QueueKeeper {
  start(): void;
  /** Writes the metrics and a checkpoint, if this node let events in. */
  stop(): Promise<void>;
  tick(): Promise<void>;
}

/** How often the counts of this node are compared, which costs the database nothing. */
const everyMs = 250;

export interface Keeping extends QueueParts {
  gate: Gate;
  log: Logger;
}

/**
 * A node that lets no events in writes once an hour, so that what was published inside the database need not be counted all at
 * once; whoever asks for the queue gets what is so then.
 */
export function createQueueKeeper({ gate, log, ...parts }: Keeping): QueueKeeper {
  let written = { admitted: gate.admitted, atMs: performance.now() };

  async function write(): Promise<void> {
    const { admitted } = gate;
    await persistQueue(parts);
    written = { admitted, atMs: performance.now() };
  }

  const loop = new Loop({
    name: "event queue metrics",
    everyMs,
    log,
    async run() {
      const sinceMs = performance.now() - written.atMs;
      if (isDue(gate.config, { admitted: gate.admitted - written.admitted, sinceMs })) await write();
    },
  });
  return {
    start: () => loop.start(),
    tick: () => loop.tick(),
    async stop() {
      await loop.stop();
      if (gate.admitted > 0) await checkpointQueue(parts, "stopped");
    },
  };
}
