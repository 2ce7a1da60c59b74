/** What the engine itself publishes of instances, where somebody wants it. */

import type { Json } from "./definition.ts";
import type { LifecycleName } from "./facts.ts";
import type { FinalStatus } from "./state.ts";
import type { Turn } from "./turn.ts";

/** The JSON of a larger output does not travel along: whoever wants it reads the instance. */
const largestOutputBytes = 512 * 1024;

const ends: Record<FinalStatus, LifecycleName> = {
  COMPLETED: "workflow.completed",
  FAILED: "workflow.failed",
  CANCELLED: "workflow.cancelled",
};

/** It has begun for the first time. */
export function announceStart(turn: Turn): void {
  if (turn.state.run === undefined) announce(turn, "workflow.started", "RUNNING");
}

/** It has ended for good, as far as anybody knows: what failed may be tried again by hand. */
export function announceEnd(turn: Turn, status: FinalStatus): void {
  announce(turn, ends[status], status);
}

/** All that was done has been undone, or was tried to be; `status` is what it ends as, unless it begins again. */
export function announceCompensation(turn: Turn, status: FinalStatus): void {
  announce(turn, "workflow.compensation.completed", status);
}

function announce(turn: Turn, name: LifecycleName, status: string): void {
  const { state, program, context, decision } = turn;
  if (context.wants?.(name) !== true) return;
  const iso = (ms: number) => new Date(ms).toISOString();
  const { output, error, completedAt } = state;
  const { id = null, correlationId = null } = context.instance;
  const data: { [name: string]: Json } = { instanceId: id };
  data.workflowId = program.workflowId;
  data.definitionId = program.definitionId;
  data.status = status;
  if (status === "COMPLETED" && fitsEvent(output)) data.output = output;
  if (status === "FAILED" && error !== undefined) data.error = { ...error };
  if (correlationId !== null) data.correlationId = correlationId;
  data.startedAt = iso(state.startedAt);
  if (completedAt !== undefined) data.completedAt = iso(completedAt);
  decision.lifecycle.push({ name, data });
}

function fitsEvent(output: Json | undefined): output is Json {
  return output !== undefined && Buffer.byteLength(JSON.stringify(output)) <= largestOutputBytes;
}
