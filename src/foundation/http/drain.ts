/** How a server stops: what is under way, and the order in which it ends. */
import { setTimeout as delay } from "node:timers/promises";
import type { FastifyInstance } from "fastify";

/** How long a request may take to end after its signal was aborted. */
const AFTER_ABORT_MS = 1_000;

/** Counts the requests under way, streams of events included. */
export class Traffic {
  private underWay = 0;
  private idle: (() => void) | undefined;
  private readonly stop = new AbortController();

  /** Aborts when the time to drain is over. */
  get stopping(): AbortSignal {
    return this.stop.signal;
  }

  enter(): void {
    this.underWay += 1;
  }

  leave(): void {
    this.underWay -= 1;
    if (this.underWay === 0) this.idle?.();
  }

  abort(): void {
    this.stop.abort();
  }

  /** Resolves with true when nothing is under way, with false after `withinMs`. */
  async ended({ withinMs }: { withinMs: number }): Promise<boolean> {
    if (this.underWay === 0) return true;
    const { promise, resolve } = Promise.withResolvers<true>();
    const timeout = new AbortController();
    this.idle = () => resolve(true);
    const late = delay(withinMs, false as const, { signal: timeout.signal }).catch(() => false as const);
    const ended = await Promise.race([promise, late]);
    timeout.abort();
    return ended;
  }
}

/**
 * Ends streams, waits for requests, aborts their signals at the deadline, and closes the port. Requests that come
 * meanwhile find the server listening and are refused with 503, which a load balancer can act on.
 */
export async function drain({ fastify, traffic, deadlineMs }: DrainOptions): Promise<void> {
  for (const end of [...fastify.millraceStreams]) end();
  if (!(await traffic.ended({ withinMs: deadlineMs }))) {
    traffic.abort();
    if (!(await traffic.ended({ withinMs: AFTER_ABORT_MS }))) fastify.server.closeAllConnections();
  }
  await fastify.close();
}

export interface DrainOptions {
  fastify: FastifyInstance;
  traffic: Traffic;
  deadlineMs: number;
}
