/** Lets one waiter sleep until it rings, or for a while; a ring while nobody sleeps is kept. */
export interface Bell {
  ring(): void;
  rung(timeoutMs: number): Promise<void>;
}

export function createBell(): Bell {
  let rang = false;
  let wake: (() => void) | undefined;
  return {
    ring() {
      rang = true;
      wake?.();
    },
    async rung(timeoutMs) {
      if (!rang) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = setTimeout(resolve, timeoutMs);
        wake = resolve;
        await promise;
        clearTimeout(timer);
        wake = undefined;
      }
      rang = false;
    },
  };
}
