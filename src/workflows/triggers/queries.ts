/** The SQL of triggers. A change locks the trigger's row first and calls `routingChanged` last before it writes. */
import type { Json } from "../../engine/index.ts";
import { type Db, statement } from "../../foundation/database/index.ts";
import type { InputMapping, TriggerKind, TriggerType, WebhookSettings } from "./model.ts";

export interface TriggerRow {
  id: string;
  namespace: string;
  name: string;
  kind: TriggerKind;
  triggerType: TriggerType;
  workflowId: string | null;
  version: string | null;
  eventPattern: string | null;
  routingPattern: string | null;
  eventCondition: string | null;
  inputMapping: InputMapping | null;
  correlationKey: string | null;
  priority: number;
  instancePriority: number | null;
  reason: string | null;
  compensate: boolean;
  enabled: boolean;
  description: string | null;
  scheduleId: string | null;
  webhook: WebhookSettings | null;
}

/** A trigger as people see it: with when it fired, and which secrets it has. */
export interface ListedRow extends TriggerRow {
  createdBy: string | null;
  createdAt: string;
  updatedAt: string;
  triggeredCount: number;
  lastTriggeredAt: string | null;
  secrets: { createdAt: string; expiresAt: string | null }[] | null;
}

const columns = `t.id, t.namespace, t.name, t.kind, t.trigger_type as "triggerType", t.workflow_id as "workflowId",
  t.workflow_version as version, t.event_pattern as "eventPattern", t.routing_pattern as "routingPattern",
  t.event_condition as "eventCondition", t.input_mapping as "inputMapping", t.correlation_key as "correlationKey",
  t.priority, t.instance_priority as "instancePriority", t.cancel_reason as reason, t.compensate, t.enabled, t.description,
  t.schedule_id as "scheduleId", t.webhook`;

const shownColumns = `${columns}, t.created_by as "createdBy", t.created_at as "createdAt", t.updated_at as "updatedAt",
  coalesce(f.fired, 0)::bigint as "triggeredCount", f.last_fired_at as "lastTriggeredAt", s.secrets`;

const instantText = (column: string) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const withFacts = `from workflow_orchestrator_service.workflow_event_triggers t
  left join lateral (
    select sum(one.fired) as fired, max(one.last_fired_at) as last_fired_at
    from workflow_orchestrator_service.trigger_firings one
    where one.trigger_id = any(array[t.id, t.schedule_id])) f on true
  left join lateral (
    select jsonb_agg(jsonb_build_object('createdAt', ${instantText("one.created_at")},
      'expiresAt', ${instantText("one.expires_at")}) order by one.id) as secrets
    from workflow_orchestrator_service.trigger_secrets one
    where one.trigger_id = t.id and (one.expires_at is null or one.expires_at > now())) s on true`;

export const insertTrigger = statement(
  "workflows.insert_trigger",
  `insert into workflow_orchestrator_service.workflow_event_triggers
     (id, namespace, name, kind, trigger_type, workflow_id, workflow_version, workflow_definition_id, event_pattern,
      routing_pattern, event_condition, input_mapping, correlation_key, priority, instance_priority, cancel_reason, compensate,
      enabled, description, webhook, schedule_id, created_by, routing_revision)
   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)`,
);

export const changeTrigger = statement(
  "workflows.change_trigger",
  `update workflow_orchestrator_service.workflow_event_triggers
   set name = $2, trigger_type = $3, workflow_id = $4, workflow_version = $5, workflow_definition_id = $6, event_pattern = $7,
     routing_pattern = $8, event_condition = $9, input_mapping = $10, correlation_key = $11, priority = $12,
     instance_priority = $13, cancel_reason = $14, compensate = $15, enabled = $16, description = $17, webhook = $18,
     routing_revision = $19, updated_at = now()
   where id = $1`,
);

export const enableTrigger = statement(
  "workflows.enable_trigger",
  `update workflow_orchestrator_service.workflow_event_triggers
   set enabled = $2, routing_revision = $3, updated_at = now() where id = $1`,
);

export const removeTrigger = statement(
  "workflows.remove_trigger",
  `update workflow_orchestrator_service.workflow_event_triggers
   set removed_at = now(), enabled = false, webhook = null, routing_revision = $2, updated_at = now() where id = $1`,
);

export const deleteSecrets = statement(
  "workflows.delete_trigger_secrets",
  "delete from workflow_orchestrator_service.trigger_secrets where trigger_id = $1",
);

/** Of those that were deleted long enough ago for every node to have heard of it; oldest first, a few at a time. */
export const purgeRemoved = statement(
  "workflows.purge_removed_triggers",
  `with gone as (
     delete from workflow_orchestrator_service.workflow_event_triggers
     where id in (select id from workflow_orchestrator_service.workflow_event_triggers
                  where removed_at < now() - interval '3 days' order by removed_at limit 100 for update skip locked)
     returning id)
   delete from workflow_orchestrator_service.trigger_firings f using gone where f.trigger_id = gone.id`,
);

/** Counts a change of where events go. From here to the commit all such changes wait for one another. */
export const routingChanged = statement(
  "workflows.trigger_routing_changed",
  "select event_processing_service.routing_changed() as revision",
);

/** Lets those who give names in a namespace follow one another until the transaction ends. */
export const lockTriggerNames = statement(
  "workflows.lock_trigger_names",
  "select pg_advisory_xact_lock(hashtextextended('workflow_event_triggers ' || $1, 0))",
);

/** Locks it until the transaction ends. */
export const lockTrigger = statement(
  "workflows.lock_trigger",
  `select ${columns} from workflow_orchestrator_service.workflow_event_triggers t
   where t.namespace = $1 and t.id = $2 and t.removed_at is null for update`,
);

export const findTriggerByName = statement(
  "workflows.find_trigger_by_name",
  `select t.id from workflow_orchestrator_service.workflow_event_triggers t
   where t.namespace = $1 and t.name = $2 and t.removed_at is null`,
);

export const readTrigger = statement(
  "workflows.read_trigger",
  `select ${shownColumns} ${withFacts} where t.namespace = $1 and t.id = $2 and t.removed_at is null`,
);

/** What a call of a webhook needs, with the secrets that are good now, the newest first. */
export const readHook = statement(
  "workflows.read_hook",
  `select ${columns}, (
     select array_agg(s.secret order by s.id desc) from workflow_orchestrator_service.trigger_secrets s
     where s.trigger_id = t.id and (s.expires_at is null or s.expires_at > now())) as secrets
   from workflow_orchestrator_service.workflow_event_triggers t
   where t.id = $1 and t.kind = 'webhook' and t.removed_at is null`,
);

export interface HookRow extends TriggerRow {
  secrets: string[] | null;
}

export const insertSecret = statement(
  "workflows.insert_trigger_secret",
  "insert into workflow_orchestrator_service.trigger_secrets (trigger_id, id, secret) values ($1, $2, $3)",
);

/** The old ones are good until then, unless they end sooner; those beyond the newest few end now. */
export const expireSecrets = statement(
  "workflows.expire_trigger_secrets",
  `update workflow_orchestrator_service.trigger_secrets s
   set expires_at = least(s.expires_at, case when n.place > 4 then now() else now() + $2 * interval '1 millisecond' end)
   from (select id, row_number() over (order by id desc) as place
         from workflow_orchestrator_service.trigger_secrets where trigger_id = $1) n
   where s.trigger_id = $1 and s.id = n.id`,
);

export const deleteExpiredSecrets = statement(
  "workflows.delete_expired_trigger_secrets",
  `delete from workflow_orchestrator_service.trigger_secrets
   where trigger_id = $1 and expires_at <= now()`,
);

/** Firings of the API have a row of their own, so that the flushes of the shards do not wait for them. */
export const countFiring = statement(
  "workflows.count_trigger_firing",
  `insert into workflow_orchestrator_service.trigger_firings as f (shard, trigger_id, fired, last_fired_at)
   values (-1, $1, 1, now())
   on conflict (trigger_id, shard) do update set fired = f.fired + 1, last_fired_at = now()`,
);

/** Of revision 0 all that take events; after it all that changed, with whether they take events. */
export const readTargets = statement(
  "workflows.read_trigger_targets",
  `select ${columns}, (t.enabled and t.removed_at is null and t.routing_pattern is not null) as "isRouted"
   from workflow_orchestrator_service.workflow_event_triggers t
   where t.routing_revision > $1
     and ($1 > 0 or (t.enabled and t.removed_at is null and t.routing_pattern is not null))`,
);

export interface ListFilter {
  namespace: string;
  workflowId?: string;
  kind?: TriggerKind;
  triggerType?: TriggerType;
  enabled?: boolean;
  pattern?: string;
  /** A part of the name, in any case. */
  name?: string;
  /** The id below which to go on. */
  before?: string;
  limit: number;
}

/** Newest first. The filters are the client's choice, so this list is assembled. */
export function listTriggerRows(db: Db, filter: ListFilter): Promise<ListedRow[]> {
  const values: unknown[] = [filter.namespace];
  const bind = (value: unknown) => `$${values.push(value)}`;
  const where = ["t.namespace = $1", "t.removed_at is null"];
  if (filter.workflowId !== undefined) where.push(`t.workflow_id = ${bind(filter.workflowId)}`);
  if (filter.kind !== undefined) where.push(`t.kind = ${bind(filter.kind)}`);
  if (filter.triggerType !== undefined) where.push(`t.trigger_type = ${bind(filter.triggerType)}`);
  if (filter.enabled !== undefined) where.push(`t.enabled = ${bind(filter.enabled)}`);
  if (filter.pattern !== undefined) where.push(`t.event_pattern = ${bind(filter.pattern)}`);
  if (filter.name !== undefined) where.push(`t.name ilike ${bind(`%${filter.name.replace(/[\\%_]/g, "\\$&")}%`)}`);
  if (filter.before !== undefined) where.push(`t.id < ${bind(filter.before)}::uuid`);
  const text = `select ${shownColumns} ${withFacts}
    where ${where.join(" and ")} order by t.id desc limit ${bind(filter.limit)}::int`;
  return db.unnamed<ListedRow>(text, values);
}

/** JSON for a jsonb parameter; null for none. */
export function jsonOf(value: Json | object | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
