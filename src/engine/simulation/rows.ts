/** The tables of the simulated world as the checker takes them. */

import type { CheckedRows } from "../checker.ts";
import type { Json } from "../machine/definition.ts";
import type { Tables } from "../store/memory.ts";
import type { ErrorInfo } from "../task.ts";

/** What the checker looks at, of tables in memory. */
export function rowsOf(tables: Tables): CheckedRows {
  return {
    instances: [...tables.instances.values()].map((row) => ({
      id: row.id,
      shard: row.shard,
      status: row.status,
      completedAt: row.completedAt,
      parked: row.parked !== null,
      parentId: row.parentId,
      parentPath: row.parentPath,
      output: row.output === null ? null : (JSON.parse(row.output) as unknown),
      errorCode: row.error === null ? null : (JSON.parse(row.error) as ErrorInfo).code,
      triggerEventId: row.triggerEventId,
      triggerId: row.startedBy?.startsWith("trigger:") === true ? row.startedBy.slice("trigger:".length) : null,
    })),
    steps: [...tables.steps.values()].flat().map(({ entry, ...row }) => ({
      ...row,
      seq: entry.seq,
      path: entry.path,
      type: entry.type,
      attempt: entry.attempt,
      status: entry.status,
      startedAt: entry.startedAt,
      outcome: entry.outcome,
      output: entry.output,
      ...(entry.error === undefined ? {} : { errorCode: entry.error.code }),
    })),
    transitions: tables.transitions.map((row) => ({
      ...row,
      data: row.data === null ? null : (JSON.parse(row.data) as unknown),
    })),
    lanes: [...tables.lanes.values()],
    marks: [...tables.marks].flatMap(([laneId, seqs]) => [...seqs].map((seq) => ({ laneId, seq }))),
    timers: [...tables.timers.values()],
    waits: [...tables.waits.values()],
    events: {
      accepted: [...tables.events.values()].map(
        ({ id, namespace, pattern, payload, acceptedAt, eventId, sourceKey }) => ({
          ...{ id, namespace, pattern, acceptedAt, payload: JSON.parse(payload) as unknown },
          key: eventId === id ? null : JSON.stringify([namespace, sourceKey ?? "", eventId]),
        }),
      ),
      routings: [...tables.routings.values()].flatMap(({ eventId, replayId, decisions, times }) =>
        Array.from({ length: times }, () => ({ eventId, replayId, targets: decisions.map(targetOf) })),
      ),
      deliveries: tables.deliveries,
    },
    inbox: [...tables.inbox.values()],
    permits: [...tables.permits.values()],
    tallies: [...tables.tallies].map(([key, n]) => ({ kind: (JSON.parse(key) as string[])[1]!, n })),
  };
}

/** One target that was decided about; each cancelled instance is one. */
function targetOf(decision: Json): string {
  const { target, outcome, instanceId } = decision as {
    target: { kind: string; id: string; path?: string };
    outcome: string;
    instanceId?: string;
  };
  return `${target.kind} ${target.id} ${target.path ?? ""} ${outcome === "cancelled" ? instanceId : ""}`;
}
