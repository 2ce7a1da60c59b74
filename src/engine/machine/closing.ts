/** The end of a branch or an item: what its last row says. */

import { frameOf, type Join, type Outcome, placeOf } from "./state.ts";
import { programStep, type Turn } from "./turn.ts";

/**
 * What the row that ends a scope says beside its result: that the branch or item is over, and which item begins in its
 * place. Undefined where the scope is the workflow itself.
 */
export function closingOf(turn: Turn, path: string, status: "COMPLETED" | "FAILED"): Outcome | undefined {
  const frame = frameOf(path);
  if (frame === "") return undefined;
  const { container } = placeOf(frame);
  const live = turn.state.live[container];
  const join = live?.join;
  if (live === undefined || join === undefined || turn.state.frames[frame]?.left === true) return { closed: true };
  const step = programStep(turn, live);
  if (step.join!.kind !== "items") return { closed: true };
  const fails = status === "FAILED" && join.failed + 1 > step.join!.tolerated(join.total);
  const place = fails ? undefined : nextPlace(join);
  if (place === undefined) return { closed: true };
  return { closed: true, next: [`${container}/${place}/${step.join!.entry}`] };
}

/** The item that begins next. */
function nextPlace(join: Join): string | undefined {
  if (join.todo !== undefined) return join.todo[join.begun];
  return join.begun < join.total ? String(join.begun) : undefined;
}
