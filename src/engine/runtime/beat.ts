/** A node's beat: what keeps its lease alive, and until when the node may begin steps. */

import { Worker } from "node:worker_threads";
import type { Store } from "../store/contract.ts";
import { type Clock, pause } from "./clock.ts";

export interface Beat {
  start(): void;
  stop(): Promise<void>;
  /** On the engine's monotonic clock: the last confirmed beat was sent one lease before. */
  deadlineMs(): number;
  /** From the next beat on, the node says that it drains. Resolves when it has said so, or cannot. */
  drain(): Promise<void>;
}

export interface BeatData {
  url: string;
  nodeId: string;
  leaseMs: number;
  /** Three cells of 64 bits: when the main loop last turned, until when the lease lasts, whether the node drains. */
  shared: SharedArrayBuffer;
}

const turnEveryMs = 100;

/** The beat of production: a worker thread with its own connection. */
export function threadBeat(options: { url: string; nodeId: string; leaseMs: number; unregistered(): void }): Beat {
  const shared = new SharedArrayBuffer(24);
  const cells = new BigInt64Array(shared);
  let worker: Worker | undefined;
  let turning: NodeJS.Timeout | undefined;
  const nowMs = () => process.hrtime.bigint() / 1_000_000n;
  const turn = () => Atomics.store(cells, 0, nowMs());
  return {
    start() {
      turn();
      // The registration just made is the first beat.
      Atomics.store(cells, 1, nowMs() + BigInt(options.leaseMs));
      turning = setInterval(turn, turnEveryMs);
      turning.unref();
      const file = import.meta.url.endsWith(".ts") ? "./beat_worker.ts" : "./beat_worker.js";
      const { url, nodeId, leaseMs } = options;
      worker = new Worker(new URL(file, import.meta.url), {
        workerData: { url, nodeId, leaseMs, shared } satisfies BeatData,
      });
      worker.on("message", (message) => {
        if (message === "unregistered") options.unregistered();
      });
      worker.on("error", () => {
        // Without its thread the node does not beat; its lease runs out and others take over.
      });
      worker.unref();
    },
    async stop() {
      clearInterval(turning);
      const ending = worker;
      if (ending === undefined) return;
      await new Promise<void>((resolve) => {
        ending.once("exit", () => resolve());
        ending.ref();
        ending.postMessage("stop");
        setTimeout(() => void ending.terminate(), 1_000).unref();
      });
    },
    deadlineMs: () => performance.now() + Number(Atomics.load(cells, 1) - nowMs()),
    async drain() {
      Atomics.store(cells, 2, 1n);
      const { promise, resolve } = Promise.withResolvers<void>();
      worker?.on("message", (message) => {
        if (message === "beaten") resolve();
      });
      worker?.postMessage("now");
      const timer = setTimeout(resolve, 1_000);
      await promise;
      clearTimeout(timer);
    },
  };
}

/** A beat on the engine's own clock and store: for the simulation. */
export function inlineBeat(options: {
  nodeId: string;
  leaseMs: number;
  store: Store;
  clock: Clock;
  unregistered(): void;
}): Beat {
  const { clock, store, nodeId, leaseMs } = options;
  let stopped = false;
  let draining = false;
  let deadline = Number.NEGATIVE_INFINITY;
  async function once(): Promise<void> {
    const sentMs = clock.monotonicMs();
    try {
      if (await store.beat({ nodeId, leaseMs, draining })) deadline = sentMs + leaseMs;
      else options.unregistered();
    } catch {
      // The store is away; the lease runs out meanwhile as it should.
    }
  }
  return {
    start() {
      deadline = clock.monotonicMs() + leaseMs;
      void (async () => {
        while (!stopped) {
          await pause(clock, leaseMs / 3);
          if (!stopped) await once();
        }
      })();
    },
    async stop() {
      stopped = true;
    },
    deadlineMs: () => deadline,
    async drain() {
      draining = true;
      await once();
    },
  };
}
