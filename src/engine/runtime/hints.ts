/** Hints to the owners of other shards, merged: while one is being sent, what comes waits for the next. */

import type { Hint } from "../store/contract.ts";
import type { Core } from "./core.ts";

export interface Hints {
  /** A shard's inbox has something new. */
  inbox(shard: number): void;
  /** A node has errands. */
  errand(nodeId: string): void;
}

export function createHints(core: Core): Hints {
  let waiting = new Set<number>();
  let runners = new Set<string>();
  let sending = false;

  async function send(): Promise<void> {
    while (waiting.size + runners.size > 0) {
      const hint: Hint = {};
      if (waiting.size > 0) hint.inbox = [...waiting];
      if (runners.size > 0) hint.errands = [...runners];
      waiting = new Set();
      runners = new Set();
      // A lost hint costs its receiver a poll, nothing more.
      await core.store.hint(hint).catch(() => {});
    }
    sending = false;
  }

  function sendSoon(): void {
    if (sending) return;
    sending = true;
    core.clock.soon(() => void send());
  }

  return {
    inbox(shard) {
      waiting.add(shard);
      sendSoon();
    },
    errand(nodeId) {
      runners.add(nodeId);
      sendSoon();
    },
  };
}
