/** What lives on the heap once everything that is garbage has been collected. */
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

// The collector can be asked only when the flag is set; set here, the program needs no flags to be started with.
setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

/** Collects garbage, so that a run pays for its own only. */
export function collectGarbage(): void {
  collect();
}

/** Bytes in use after forced collections. Finalizers and closed sockets free more after a turn of the loop. */
export async function settledHeapBytes(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 4; round++) {
    collect();
    await sleep(50);
    least = Math.min(least, process.memoryUsage().heapUsed);
  }
  return least;
}
