/**
 * Concurrency limits, the instance's half: it asks the homes of its limits for permits, one after the other, and begins
 * when it has all. All ask in one order, so that two never hold what the other waits for; and for the permit of their own
 * key first, so that nobody holds one that all share while it waits for its like.
 */

import { bag, type Permit } from "./state.ts";
import { evaluate, scopeOf, type Turn } from "./turn.ts";

/** True when the instance may begin: it needs no permit, or the keys of its limits cannot be told and it has failed. */
export function askPermits(turn: Turn): boolean {
  const { program, state, decision } = turn;
  if (program.limits.length === 0) return true;
  if (state.permits !== undefined) {
    decision.ignored = "the instance waits for a permit";
    return false;
  }
  const permits: (Permit & { keyed: boolean })[] = [];
  for (const [index, { limit, key }] of program.limits.entries()) {
    let name = "";
    if (key !== undefined) {
      const where = `key of concurrency limit ${index}`;
      const result = evaluate(turn, { expression: key, where }, scopeOf(turn, undefined, { variables: bag() }));
      // A key that cannot be told is a key of its own: the limit holds for all of them together.
      name = "error" in result ? `error ${result.error.code}` : JSON.stringify(result.value);
    }
    permits.push({
      key: `${program.namespace}/${program.workflowId}/${index}/${name}`,
      limit,
      granted: false,
      keyed: key !== undefined,
    });
  }
  permits.sort((a, b) => Number(b.keyed) - Number(a.keyed));
  state.permits = permits.map(({ keyed: _, ...permit }) => permit);
  decision.full = true;
  ask(turn, state.permits[0]!);
  return false;
}

/** True when that was the last one. */
export function takePermit(turn: Turn, key: string): boolean {
  const { permits } = turn.state;
  const index = permits?.findIndex((permit) => permit.key === key && !permit.granted) ?? -1;
  if (permits === undefined || index === -1) {
    // Granted before. To one that has ended nothing is granted: whoever meets the grant then gives it back.
    turn.decision.ignored = "the instance does not ask for this permit";
    return false;
  }
  permits[index]!.granted = true;
  turn.decision.full = true;
  const next = permits[index + 1];
  if (next === undefined) return true;
  ask(turn, next);
  return false;
}

function ask(turn: Turn, { key, limit }: Permit): void {
  const { priority } = turn.context.instance;
  turn.decision.messages.push({ kind: "PERMIT_ASK", to: key, fact: { limit, priority: priority ?? 5 } });
}
