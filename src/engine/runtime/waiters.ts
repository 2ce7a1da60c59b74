/**
 * Callers who wait for an instance's end, and those who watch one change. On the owner's node they are told in memory;
 * for the rest one query per quarter of a second asks for all of them together.
 */

import { shardOf } from "../../foundation/ids.ts";
import { isFinal } from "../machine/state.ts";
import type { Core, Observer } from "./core.ts";

const pollMs = 250;

export interface Waiters extends Observer {
  /** Calls back when the instance has ended or the wait is over; gives a function that ends the wait. */
  awaitEnd(instanceId: string, ended: () => void): () => void;
  watch(instanceId: string, changed: () => void): () => void;
  stop(): void;
}

interface Watched {
  shard: number;
  enders: Set<() => void>;
  watchers: Set<() => void>;
  seen: string;
}

export function createWaiters(core: () => Core): Waiters {
  const watched = new Map<string, Watched>();
  let cancelPoll: (() => void) | undefined;
  let stopped = false;

  function entryOf(instanceId: string): Watched {
    let entry = watched.get(instanceId);
    if (entry === undefined) {
      entry = { shard: shardOf(instanceId, core().shardCount), enders: new Set(), watchers: new Set(), seen: "" };
      watched.set(instanceId, entry);
    }
    pollLater();
    return entry;
  }

  function leave(instanceId: string): void {
    const entry = watched.get(instanceId);
    if (entry !== undefined && entry.enders.size === 0 && entry.watchers.size === 0) watched.delete(instanceId);
  }

  function pollLater(): void {
    if (cancelPoll !== undefined || stopped) return;
    cancelPoll = core().clock.schedule(pollMs, () => {
      cancelPoll = undefined;
      void poll()
        .catch((error: unknown) => core().log.debug({ err: error }, "waiting callers could not be looked after"))
        .finally(() => {
          if (watched.size > 0) pollLater();
        });
    });
  }

  async function poll(): Promise<void> {
    const ids = [...watched].map(([id, { shard }]) => ({ id, shard }));
    const statuses = await core().store.statuses(ids);
    for (const [id, { status, version, lastSeq }] of statuses) {
      const entry = watched.get(id);
      if (entry === undefined) continue;
      const now = `${status}/${version}/${lastSeq}`;
      if (now !== entry.seen) {
        entry.seen = now;
        changed(id);
      }
      if (isFinal(status)) tellEnd(id);
    }
  }

  function changed(instanceId: string): void {
    for (const watcher of watched.get(instanceId)?.watchers ?? []) watcher();
  }

  function tellEnd(instanceId: string): void {
    const entry = watched.get(instanceId);
    if (entry === undefined) return;
    for (const ender of [...entry.enders]) ender();
  }

  return {
    awaitEnd(instanceId, ended) {
      const { enders } = entryOf(instanceId);
      enders.add(ended);
      return () => {
        enders.delete(ended);
        leave(instanceId);
      };
    },
    watch(instanceId, listener) {
      const { watchers } = entryOf(instanceId);
      watchers.add(listener);
      return () => {
        watchers.delete(listener);
        leave(instanceId);
      };
    },
    changed,
    ended(instanceId) {
      changed(instanceId);
      tellEnd(instanceId);
    },
    stop() {
      stopped = true;
      cancelPoll?.();
      for (const [id, entry] of [...watched]) {
        for (const listener of [...entry.enders, ...entry.watchers]) listener();
        watched.delete(id);
      }
    },
  };
}
