/** Calls of the store beside the lane that a step cannot do without: like a flush, they are made until they are answered. */

import { StoreError } from "../store/contract.ts";
import { pause } from "./clock.ts";
import type { Core } from "./core.ts";

/** Undefined when the node stopped before. Rejects for what no other try would change: a data error or a defect. */
export async function untilAnswered<T>(
  core: Pick<Core, "clock">,
  isStopped: () => boolean,
  call: () => Promise<T>,
): Promise<T | undefined> {
  for (let tries = 0; !isStopped(); tries++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof StoreError) || error.fault === "data" || error.fault === "defect") throw error;
      await pause(core.clock, Math.min(50 * 2 ** tries, 1_000));
    }
  }
  return undefined;
}
