/** Triggers as clients see them: absent fields are absent, not null. */
import { hookPath, type TriggerFields, type WebhookSettings } from "./model.ts";
import type { ListedRow, TriggerRow } from "./queries.ts";

export interface TriggerView extends Omit<TriggerFields, "webhook"> {
  id: string;
  namespace: string;
  webhook?: WebhookSettings & { path: string; secrets: { createdAt: string; expiresAt?: string }[] };
  scheduleId?: string;
  triggeredCount: number;
  lastTriggeredAt?: string;
  createdBy?: string;
  createdAt: string;
  updatedAt: string;
}

/** What a row says of itself, as it could be written again. */
export function fieldsOf(row: TriggerRow): TriggerFields {
  return {
    name: row.name,
    kind: row.kind,
    triggerType: row.triggerType,
    definitionId: row.workflowId ?? undefined,
    version: row.version ?? undefined,
    eventPattern: row.eventPattern ?? undefined,
    eventCondition: row.eventCondition ?? undefined,
    inputMapping: row.inputMapping ?? undefined,
    correlationKey: row.correlationKey ?? undefined,
    priority: row.priority,
    instancePriority: row.instancePriority ?? undefined,
    reason: row.reason ?? undefined,
    compensate: row.compensate,
    enabled: row.enabled,
    description: row.description ?? undefined,
    webhook: row.webhook ?? undefined,
  };
}

export function viewOf(row: ListedRow): TriggerView {
  const { webhook, compensate, ...fields } = fieldsOf(row);
  const secrets = row.secrets ?? [];
  return {
    id: row.id,
    namespace: row.namespace,
    ...fields,
    compensate,
    ...(webhook !== undefined && {
      webhook: {
        ...webhook,
        path: hookPath(row.id),
        secrets: secrets.map(({ createdAt, expiresAt }) => ({ createdAt, ...(expiresAt !== null && { expiresAt }) })),
      },
    }),
    scheduleId: row.scheduleId ?? undefined,
    triggeredCount: row.triggeredCount,
    lastTriggeredAt: row.lastTriggeredAt ?? undefined,
    createdBy: row.createdBy ?? undefined,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
  };
}
