/** What operations and the worker do alike to the members of a sequence. */
import type { Engine, RouteAgain } from "../../engine/index.ts";
import type { Db } from "../../foundation/database/index.ts";
import { slotOf, uuidv7 } from "../../foundation/ids.ts";
import * as queries from "./queries.ts";

/** A member that failed by not being published has no event to be routed again. */
export const publishFailed = "PUBLISH_FAILED";

export async function saveMembers(tx: Db, members: readonly queries.MemberRow[]): Promise<void> {
  if (members.length === 0) return;
  const rows = members.map(({ id, status, eventId, waitingFor, error, replayId, retries }) => [
    ...[id, status, eventId, waitingFor, error, replayId, retries],
  ]);
  await tx.execute(queries.saveMembers, [JSON.stringify(rows)]);
}

interface Again {
  engine: Engine;
  namespace: string;
  /** Triggers and subscriptions for which it failed. */
  targets: readonly string[];
  resolution: NonNullable<RouteAgain["resolution"]>;
}

/**
 * Puts a member's event on its way again, to the targets that failed and to no other; in the caller's transaction, which also
 * saves the member as it is given back. Dead letters of those targets are taken in hand and resolved by its success; the
 * rest is a replay. A member that was never published is published anew.
 */
export async function againOf(tx: Db, member: queries.MemberRow, what: Again): Promise<queries.MemberRow> {
  const { engine, namespace, targets, resolution } = what;
  const fresh = { ...member, retries: member.retries + 1, error: null, processingTimestamp: null };
  const id = member.eventId;
  if (id === null) return { ...fresh, status: "pending", waitingFor: null };
  const values = [id, targets];
  const letters = await tx.query<{ id: string; target: string }>(queries.takeDeadLetters, values);
  const rest = targets.filter((target) => letters.every((letter) => letter.target !== target));
  const replayId = rest.length === 0 ? member.replayId : uuidv7(Date.now());
  const requests: RouteAgain[] = letters.map((letter) => ({
    namespace,
    id,
    targets: [letter.target],
    deadLetterId: letter.id,
    resolution,
  }));
  if (rest.length > 0) requests.push({ namespace, id, targets: rest, replayId: replayId! });
  await engine.routeAgain(tx, requests);
  return { ...fresh, status: "published", waitingFor: "routing", replayId };
}

/** Ids as statements take them: the slots that lead to their shards, and the ids. */
export function columnsOf(ids: readonly string[]): [number[], string[]] {
  return [ids.map(slotOf), [...ids]];
}
