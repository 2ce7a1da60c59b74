/** Rows that show a step under way. */

import { consumeRetryTimer } from "./settle.ts";
import type { LiveStep } from "./state.ts";
import { programStep, record, type Turn } from "./turn.ts";

export function shown(turn: Turn, live: LiveStep) {
  return {
    path: live.path,
    stepId: live.stepId,
    type: programStep(turn, live).type,
    attempt: live.attempt,
    input: live.input,
    startedAt: live.startedAt ?? turn.context.now,
  };
}

export function recordRunning(turn: Turn, live: LiveStep, outcome: { interrupted?: number; runner?: string }): void {
  consumeRetryTimer(turn, live);
  record(turn, { ...shown(turn, live), status: "RUNNING", ...(Object.keys(outcome).length === 0 ? {} : { outcome }) });
}
