/** Triggers as the routing table takes them. */
import type { EventView, RoutingTarget } from "../../engine/index.ts";
import type { Db } from "../../foundation/database/index.ts";
import { ExpressionError } from "../../foundation/expressions/index.ts";
import { type CompiledTrigger, compileTrigger } from "./compile.ts";
import { readTargets, type TriggerRow } from "./queries.ts";

/** A trigger with what places it in the routing table. */
interface LoadedTrigger {
  pattern: string;
  priority: number;
  target: RoutingTarget;
}

/**
 * What changed after a revision: the triggers that take events, and the ids of those that do no more. Revision 0: all
 * that take events. What was deleted is told for three days.
 */
export async function loadTriggerTargets(
  db: Db,
  sinceRevision: number,
): Promise<{ targets: LoadedTrigger[]; goneIds: string[] }> {
  const rows = await db.query<TriggerRow & { isRouted: boolean }>(readTargets, [sinceRevision]);
  const targets: LoadedTrigger[] = [];
  const goneIds: string[] = [];
  for (const { isRouted, ...row } of rows) {
    const { routingPattern, workflowId, priority } = row;
    if (!isRouted || routingPattern === null || workflowId === null) goneIds.push(row.id);
    else targets.push({ pattern: routingPattern, priority, target: targetOf(row, workflowId) });
  }
  return { targets, goneIds };
}

/** The target of one row. Its expressions are compiled when the first event comes, and kept as long as the target. */
export function targetOf(row: TriggerRow, workflowId: string): RoutingTarget {
  const { id, namespace, name, version, reason, compensate, instancePriority } = row;
  let compiled: CompiledTrigger | undefined;
  const judge = (event: EventView) => {
    try {
      compiled ??= compileTrigger(row);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      return { outcome: "failed" as const, reason: `The trigger cannot be read: ${error.message}` };
    }
    return compiled.condition(event) ?? compiled.act(event);
  };
  if (row.triggerType === "START") {
    return {
      kind: "start",
      ...{ id, namespace, name, definitionId: workflowId },
      ...(version !== null && { version }),
      decide(event) {
        const judged = judge(event);
        if (judged.outcome !== "matched" || instancePriority === null) return judged;
        return { ...judged, priority: instancePriority };
      },
    };
  }
  return {
    kind: "cancel",
    ...{ id, namespace, name, workflowId },
    decide(event) {
      const judged = judge(event);
      if (judged.outcome !== "matched") return judged;
      const { correlationId = "" } = judged;
      return { outcome: "matched", correlationId, reason: reason ?? `Event "${event.type}"`, compensate };
    },
  };
}
