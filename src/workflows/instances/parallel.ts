/** Many requests to the engine side by side, and patience when it has too much to do. */
import { setTimeout as sleep } from "node:timers/promises";
import { AppError } from "../../foundation/errors.ts";

/**
 * Does `work` on items in their order, at most `limit` at once, for as long as `goesOn` says so. Resolves when all that
 * were begun have ended, with how many these were: the first so many. The first error of a `work` ends it, too, and rejects
 * once the others have ended.
 */
export async function eachInParallel<T>(
  items: readonly T[],
  { limit, goesOn }: { limit: number; goesOn: () => boolean },
  work: (item: T, index: number) => Promise<void>,
): Promise<number> {
  let begun = 0;
  let failed = false;
  const line = async () => {
    while (begun < items.length && !failed && goesOn()) {
      const index = begun++;
      try {
        await work(items[index]!, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, line));
  const fault = ends.find((end) => end.status === "rejected");
  if (fault !== undefined) throw fault.reason;
  return begun;
}

export interface Patience {
  /** Which refusals pass by themselves, so that the same request is made again. */
  passes: (error: AppError) => boolean;
  /** How long to go on, counted from `performance.now()`. */
  untilMs: number;
  signal: AbortSignal;
}

/** Nothing was done: the engine refuses starts before it takes them. */
export function isOverload(error: AppError): boolean {
  return error.code === "engine.overloaded";
}

const usualPauseMs = 1_000;

/**
 * Asks again after the pause that a refusal names. Half of the pause is left to chance, so that those who were refused
 * together do not come back together. When the time is up, or `signal` aborts, the last refusal is the answer.
 */
export async function patiently<T>(ask: () => Promise<T>, { passes, untilMs, signal }: Patience): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof AppError) || !passes(error)) throw error;
      const pauseMs = (error.retryAfterMs ?? usualPauseMs) * (0.5 + Math.random());
      if (signal.aborted || performance.now() + pauseMs > untilMs) throw error;
      await sleep(pauseMs, undefined, { signal }).catch(() => {
        throw error;
      });
    }
  }
}
