/** Time as the engine has it: durations are the machine's, instants are the store's. */

export interface Clock {
  /** Milliseconds that only grow; their zero means nothing. */
  monotonicMs(): number;
  /** Calls back after `delayMs`; gives a function that takes it back. */
  schedule(delayMs: number, run: () => void): () => void;
  /** Calls back once what is under way now has run. */
  soon(run: () => void): void;
}

/** Delays above this overflow in `setTimeout` and would fire at once. */
const longestDelayMs = 24 * 24 * 3_600_000;

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  schedule(delayMs, run) {
    const timer = setTimeout(run, Math.min(delayMs, longestDelayMs));
    return () => clearTimeout(timer);
  },
  soon: (run) => {
    setImmediate(run);
  },
};

/** Waits on a clock. */
export function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(delayMs, resolve);
  });
}

/** Waits for `work`, but not longer than `limitMs`; leaves no timer behind, which would keep the process alive. */
export async function atMost(clock: Clock, limitMs: number, work: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = clock.schedule(limitMs, resolve);
  try {
    await Promise.race([work, promise]);
  } finally {
    cancel();
  }
}

const samplesKept = 64;

/**
 * The store's time, learnt from its answers. What is given is never ahead of the store (an answer's time is at most
 * that of its arrival), so no timer fires early; and it never goes back, even if the store's clock does.
 */
export class StoreTime {
  readonly #clock: Clock;
  #offsets: number[] = [];
  #offset = Number.NaN;
  #newest = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the store has told its time yet. */
  get known(): boolean {
    return !Number.isNaN(this.#offset);
  }

  /** `at` was the store's time at some moment before now. */
  learn(at: number): void {
    this.#offsets.push(at - this.#clock.monotonicMs());
    if (this.#offsets.length > samplesKept) this.#offsets.shift();
    this.#offset = Math.max(...this.#offsets);
  }

  /** Whole milliseconds since 1970. */
  now(): number {
    const now = Math.floor(this.#clock.monotonicMs() + this.#offset);
    if (now > this.#newest) this.#newest = now;
    return this.#newest;
  }
}
