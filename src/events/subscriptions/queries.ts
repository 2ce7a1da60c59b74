/** The SQL of subscriptions. */
import { type Db, statement } from "../../foundation/database/index.ts";
import type { Authentication, RetryPolicy, Secret, SubscriptionStatus } from "./model.ts";

export interface SubscriptionRow {
  id: string;
  namespace: string;
  name: string | null;
  eventPattern: string;
  subscriberType: "webhook" | "handler";
  endpoint: string | null;
  handler: string | null;
  headers: Record<string, string>;
  authentication: Authentication | null;
  secrets: Secret[];
  filter: string | null;
  retryPolicy: RetryPolicy;
  timeoutMs: number;
  maxConcurrency: number;
  disableAfterMs: number | null;
  description: string | null;
  status: SubscriptionStatus;
  statusReason: string | null;
  failingSince: string | null;
  lastDeliveredAt: string | null;
  disabledAt: string | null;
  missedSince: string | null;
  createdBy: string;
  createdAt: string;
  updatedAt: string;
}

const columns = `s.id, s.namespace, s.name, s.event_pattern as "eventPattern", s.subscriber_type as "subscriberType",
  s.endpoint, s.handler, s.headers, s.authentication, s.secrets, s.filter, s.retry_policy as "retryPolicy",
  s.timeout_ms as "timeoutMs", s.max_concurrency as "maxConcurrency", s.disable_after_ms as "disableAfterMs",
  s.description, s.status, s.status_reason as "statusReason", s.failing_since as "failingSince",
  s.last_delivered_at as "lastDeliveredAt", s.disabled_at as "disabledAt", s.missed_since as "missedSince",
  s.created_by as "createdBy", s.created_at as "createdAt", s.updated_at as "updatedAt"`;

/** Nothing when another one has the name. */
export const insertSubscription = statement(
  "events.insert_subscription",
  `insert into event_processing_service.event_subscriptions as s
     (id, namespace, name, event_pattern, subscriber_type, endpoint, handler, headers, authentication, secrets, filter,
      retry_policy, timeout_ms, max_concurrency, disable_after_ms, description, status, created_by, routing_revision)
   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
     event_processing_service.routing_changed())
   on conflict do nothing
   returning ${columns}`,
);

/** What matters to routing or to delivery is replaced as a whole. */
export const replaceSubscription = statement(
  "events.replace_subscription",
  `update event_processing_service.event_subscriptions s
   set event_pattern = $3, subscriber_type = $4, endpoint = $5, handler = $6, headers = $7, authentication = $8,
     secrets = $9, filter = $10, retry_policy = $11, timeout_ms = $12, max_concurrency = $13, disable_after_ms = $14,
     description = $15, updated_at = now(), routing_revision = event_processing_service.routing_changed()
   where s.id = $2 and s.namespace = $1 and s.status <> 'deleted'
   returning ${columns}`,
);

export const readSubscription = statement(
  "events.read_subscription",
  `select ${columns} from event_processing_service.event_subscriptions s
   where s.id = $2 and s.namespace = $1 and s.status <> 'deleted'`,
);

export const readSubscriptionByName = statement(
  "events.read_subscription_by_name",
  `select ${columns} from event_processing_service.event_subscriptions s
   where s.namespace = $1 and s.name = $2 and s.status <> 'deleted'`,
);

/** Lets changes of one subscription follow one another. */
export const lockSubscription = statement(
  "events.lock_subscription",
  `select ${columns} from event_processing_service.event_subscriptions s
   where s.id = $2 and s.namespace = $1 and s.status <> 'deleted' for no key update`,
);

export const setSecrets = statement(
  "events.set_subscription_secrets",
  `update event_processing_service.event_subscriptions s set secrets = $3, updated_at = now()
   where s.id = $2 and s.namespace = $1 and s.status <> 'deleted'
   returning ${columns}`,
);

export const setStatus = statement(
  "events.set_subscription_status",
  `update event_processing_service.event_subscriptions s
   set status = $3, status_reason = $4, updated_at = now(), failing_since = null, disabled_at = null, missed_since = null,
     routing_revision = event_processing_service.routing_changed()
   where s.id = $2 and s.namespace = $1
   returning ${columns}`,
);

/** The row is locked before the revision, as everywhere. What is to be sent then is missing from the oldest of it on. Nothing when it is neither active nor suspended. */
export const disableSubscription = statement(
  "events.disable_subscription",
  `with locked as materialized (
     select o.id from event_processing_service.event_subscriptions o
     where o.id = $1 and o.status in ('active', 'suspended') for no key update)
   update event_processing_service.event_subscriptions s
   set status = 'disabled', status_reason = $2, updated_at = now(), disabled_at = now(),
     missed_since = least(now(), (
       select min(d.created_at) from event_processing_service.event_deliveries d
       where d.subscription_id = s.id and d.status = 'pending')),
     routing_revision = event_processing_service.routing_changed()
   from locked where s.id = locked.id
   returning s.id`,
);

/** Gone for people and programs; the row goes later, once every node has noticed. */
export const deleteSubscription = statement(
  "events.delete_subscription",
  `update event_processing_service.event_subscriptions s
   set status = 'deleted', secrets = '[]', authentication = null, headers = '{}', updated_at = now(),
     routing_revision = event_processing_service.routing_changed()
   where s.id = $2 and s.namespace = $1 and s.status <> 'deleted'
   returning s.id`,
);

export interface TargetRow {
  id: string;
  namespace: string;
  name: string | null;
  eventPattern: string;
  filter: string | null;
  status: SubscriptionStatus | "deleted";
  revision: number;
}

/** In the order of their changes. */
export const readChangedSubscriptions = statement(
  "events.read_changed_subscriptions",
  `select s.id, s.namespace, s.name, s.event_pattern as "eventPattern", s.filter, s.status,
     s.routing_revision as revision
   from event_processing_service.event_subscriptions s
   where s.routing_revision > $1 and ($1::bigint > 0 or s.status in ('active', 'suspended'))
   order by s.routing_revision`,
);

export const removeDeletedSubscriptions = statement(
  "events.remove_deleted_subscriptions",
  `delete from event_processing_service.event_subscriptions s
   where s.status = 'deleted' and s.updated_at < now() - interval '7 days'
     and not exists (select from event_processing_service.event_deliveries d where d.subscription_id = s.id)`,
);

export interface ListFilter {
  namespace: string;
  status?: SubscriptionStatus;
  pattern?: string;
  name?: string;
  /** The id below which to go on. */
  before?: string;
  limit: number;
}

/** Newest first. The filters are the client's choice, so this list is assembled. */
export function listSubscriptionRows(db: Db, filter: ListFilter): Promise<SubscriptionRow[]> {
  const values: unknown[] = [filter.namespace];
  const bind = (value: unknown) => `$${values.push(value)}`;
  const where = ["s.namespace = $1", "s.status <> 'deleted'"];
  if (filter.status !== undefined) where.push(`s.status = ${bind(filter.status)}`);
  if (filter.pattern !== undefined) where.push(`s.event_pattern = ${bind(filter.pattern)}`);
  if (filter.name !== undefined) where.push(`s.name = ${bind(filter.name)}`);
  if (filter.before !== undefined) where.push(`s.id < ${bind(filter.before)}::uuid`);
  const text = `select ${columns} from event_processing_service.event_subscriptions s
    where ${where.join(" and ")} order by s.id desc limit ${bind(filter.limit)}::int`;
  return db.unnamed<SubscriptionRow>(text, values);
}
