/**
 * Where producers pass before their events are accepted.
 *
 * While events come, the queue is looked at four times a second at most (twenty times when it is filling up), beside the
 * producers and not in their way; a producer waits for a look only when the last one is older than a second, so the first
 * event after a silence costs one. A node at which nothing arrives looks at nothing.
 *
 * The bound: what this node lets in is counted as it is let in, so one node passes the maximum by less than one batch, and by
 * what takes longer than 100 ms from here to its commit. Of what other nodes accept a node knows what its last look saw: with n
 * nodes the depth may pass the maximum by what n - 1 of them accept in 50 ms, slowed as they are by then. What is accepted
 * inside the database (SQL functions, steps that publish) does not pass here; it is counted like the rest.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../../foundation/log.ts";
import { createTally, judge, type Look } from "./admission.ts";
import { queueErrors } from "./errors.ts";
import type { QueueConfig } from "./model.ts";

export interface Gate {
  /**
   * Resolves when `count` events of a producer may be accepted, after a delay when the queue is filling up. Throws
   * `event_queue.full` and `event_queue.draining`, both 429 with the time after which to try again.
   */
  admit(namespace: string, count: number): Promise<void>;
  /** The queue was changed by this node: the next producer waits for a look. */
  forget(): void;
  /** How many events this node has let in, ever. */
  readonly admitted: number;
  /** As it was last seen. */
  readonly config: QueueConfig | undefined;
}

export interface GateOptions {
  look(): Promise<Omit<Look, "atMs">>;
  log: Logger;
  /** Monotonic milliseconds. */
  nowMs?: () => number;
}

const calmMs = 250;
const busyMs = 50;
const staleMs = 1_000;
/** A look that takes long is not repeated so soon. */
const lookShare = 10;
const retryFullMs = 1_000;
const retryDrainingMs = 5_000;

export function createGate({ look, log, nowMs = () => performance.now() }: GateOptions): Gate {
  const tally = createTally();
  let last: Look | undefined;
  let looking: Promise<void> | undefined;
  let tookMs = 0;
  let refusing = false;
  let admitted = 0;
  /** Counts what this node changed, so that a look under way at that moment is not taken for the newest. */
  let changes = 0;

  function lookAgain(): Promise<void> {
    looking ??= lookOnce().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  async function lookOnce(): Promise<void> {
    const before = changes;
    const atMs = nowMs();
    const seen = await look();
    tookMs = nowMs() - atMs;
    if (before !== changes) return;
    last = { ...seen, atMs };
    if (last.depth < last.config.highWatermark) refusing = false;
  }

  /** What is known well enough to judge by. */
  async function known(): Promise<Look> {
    while (last === undefined || nowMs() - last.atMs > staleMs) await lookAgain();
    const isBusy = refusing || last.depth + tally.since(last.atMs) >= last.config.highWatermark;
    if (nowMs() - last.atMs > Math.max(isBusy ? busyMs : calmMs, tookMs * lookShare)) {
      lookAgain().catch((error: unknown) => log.debug({ err: error }, "the event queue could not be looked at"));
    }
    return last;
  }

  function letIn(count: number): void {
    tally.add(count, nowMs());
    admitted += count;
  }

  return {
    async admit(_namespace, count) {
      const seen = await known();
      const verdict = judge(seen, { uncounted: tally.since(seen.atMs), refusing });
      if (verdict.kind === "pass") return letIn(count);
      if (verdict.kind === "delay") {
        // Counted before the delay: all that are delayed at once come through after it.
        letIn(count);
        await sleep(verdict.ms);
        return;
      }
      if (verdict.kind === "draining") throw refusalOfDrained();
      refusing = true;
      throw refusalOfFull(seen);
    },
    forget() {
      changes++;
      last = undefined;
      looking = undefined;
    },
    get admitted() {
      return admitted;
    },
    get config() {
      return last?.config;
    },
  };
}

function refusalOfDrained(): Error {
  const message = "The event queue is being drained, so no events are accepted; try again when it has been resumed.";
  return queueErrors.draining(message, { retryAfterMs: retryDrainingMs });
}

function refusalOfFull({ config: { maxQueueDepth, highWatermark } }: Look): Error {
  const message = `${maxQueueDepth} events wait to be routed, and more may not; they are accepted again when fewer than ${highWatermark} wait.`;
  return queueErrors.full(message, { retryAfterMs: retryFullMs, details: { maxQueueDepth, highWatermark } });
}
