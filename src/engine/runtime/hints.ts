/** Hints to the owners of other shards, merged: while one is being sent, what comes waits for the next. */

import type { Core } from "./core.ts";

export interface Hints {
  /** A shard's inbox has something new. */
  inbox(shard: number): void;
}

export function createHints(core: Core): Hints {
  let waiting = new Set<number>();
  let sending = false;

  async function send(): Promise<void> {
    while (waiting.size > 0) {
      const inbox = [...waiting];
      waiting = new Set();
      // A lost hint costs its receiver a poll, nothing more.
      await core.store.hint({ inbox }).catch(() => {});
    }
    sending = false;
  }

  return {
    inbox(shard) {
      waiting.add(shard);
      if (sending) return;
      sending = true;
      core.clock.soon(() => void send());
    },
  };
}
