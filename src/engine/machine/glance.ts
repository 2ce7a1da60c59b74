/**
 * What is live, told without a look at all of it. Every turn asks; a PARALLEL or MAP may have a thousand steps under way,
 * and going through them would cost more than the rest of the turn.
 */

import { busySeen, type InstanceState } from "./state.ts";

/** Past so many live steps it pays to remember what was found. */
const many = 8;

/**
 * A live step that does more than wait for an event or for its branches: none, or any. What was found last is looked at
 * first; of many the youngest is remembered, for it ends last.
 */
export function busyStep(state: InstanceState): string | undefined {
  const known = state[busySeen];
  if (known !== undefined && isBusy(state, known)) return known;
  let found: string | undefined;
  let count = 0;
  for (const path in state.live) {
    count++;
    if (isBusy(state, path)) found = path;
  }
  if (count > many && found !== undefined) state[busySeen] = found;
  return found;
}

function isBusy({ live }: InstanceState, path: string): boolean {
  const phase = live[path]?.phase;
  return phase !== undefined && phase !== "waiting" && phase !== "joining";
}

export function hasLive(state: InstanceState): boolean {
  if (busyStep(state) !== undefined) return true;
  for (const _ in state.live) return true;
  return false;
}

/** Whether nothing but events can bring it on. A PARALLEL or MAP waits for what its branches or items wait for. */
export function onlyWaits(state: InstanceState): boolean {
  if (busyStep(state) !== undefined) return false;
  for (const path in state.live) if (state.live[path]!.phase === "waiting") return true;
  return false;
}
