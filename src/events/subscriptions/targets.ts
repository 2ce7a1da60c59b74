/** Subscriptions as targets of routing. */
import type { RoutingTarget } from "../../engine/index.ts";
import type { Db } from "../../foundation/database/index.ts";
import { eventFilter } from "../filters.ts";
import type { TargetChanges } from "../routing/targets.ts";
import * as queries from "./queries.ts";

/** After triggers, which have priorities of their own. */
const priority = 1_000;

/**
 * The subscriptions that were changed after a revision; 0 gives all that take events. To a suspended one events go, too:
 * they wait for the resume. `decide` is pure: the filter holds, or it does not, or it errs, which is the same with another
 * reason.
 */
export async function loadSubscriptionTargets(db: Db, sinceRevision: number): Promise<TargetChanges> {
  const rows = await db.query<queries.TargetRow>(queries.readChangedSubscriptions, [sinceRevision]);
  const takesEvents = ({ status }: queries.TargetRow) => status === "active" || status === "suspended";
  return {
    targets: rows.filter(takesEvents).map((row) => ({ pattern: row.eventPattern, priority, target: targetOf(row) })),
    goneIds: rows.filter((row) => !takesEvents(row)).map(({ id }) => id),
  };
}

function targetOf({ id, namespace, name, filter }: queries.TargetRow): RoutingTarget {
  const isWanted = eventFilter(filter);
  return {
    kind: "subscription",
    id,
    namespace,
    name: name ?? id,
    decide(event) {
      const { holds, reason = "" } = isWanted(event);
      return holds ? { outcome: "matched" } : { outcome: "skipped", reason };
    },
  };
}
