/** The SQL of deliveries. The engine's flush inserts them; whoever holds a claim updates them. */
import type { Json } from "../../engine/index.ts";
import { type Db, statement } from "../../foundation/database/index.ts";
import type { Authentication, RetryPolicy, Secret } from "../subscriptions/model.ts";
import type { DeliveryStatus, HistoryEntry } from "./model.ts";

export interface ClaimedRow {
  id: string;
  namespace: string;
  replayId: string | null;
  attempts: number;
  subscriptionId: string;
  endpoint: string | null;
  handler: string | null;
  headers: Record<string, string>;
  authentication: Authentication | null;
  secrets: Secret[];
  retryPolicy: RetryPolicy;
  timeoutMs: number;
  event: EventColumns | null;
}

/** As `jsonb_build_object` makes it: instants are still PostgreSQL's. */
export interface EventColumns {
  id: string;
  eventId: string;
  pattern: string;
  payload: Json;
  metadata: { [name: string]: Json };
  source: Json;
  sourceKey: string | null;
  timestamp: string;
  acceptedAt: string;
  partitionKey: string | null;
}

const eventColumns = (payload: string) => `jsonb_build_object('id', e.id, 'eventId', e.event_id, 'pattern', e.pattern,
  'payload', ${payload}, 'metadata', e.metadata, 'source', e.source, 'sourceKey', e.source_key,
  'timestamp', e.timestamp, 'acceptedAt', e.accepted_at, 'partitionKey', e.partition_key)`;

/** Subscriptions that have something pending, by one look into the index for each: a loose index scan. */
const waiting = `waiting (id) as (
    (select d.subscription_id from event_processing_service.event_deliveries d
     where d.status = 'pending' order by d.subscription_id limit 1)
    union all
    select (select d.subscription_id from event_processing_service.event_deliveries d
            where d.status = 'pending' and d.subscription_id > w.id order by d.subscription_id limit 1)
    from waiting w where w.id is not null),
  ready as materialized (
    select s.id, s.max_concurrency - (
      select count(*) from event_processing_service.event_deliveries c
      where c.subscription_id = s.id and c.claimed_until is not null and c.claimed_until > now()) as room
    from waiting w cross join lateral (
      select o.id, o.max_concurrency from event_processing_service.event_subscriptions o
      where o.id = w.id and o.status = 'active' and (o.subscriber_type = 'webhook' or o.handler = any ($1::text[]))
      limit 1) s)`;

/**
 * Claims up to `$3` deliveries that are due, for their timeout and half a minute: of every subscription its oldest before
 * any gets its second. `$1` are the handlers that this node has, `$2` is the node.
 *
 * `next_attempt_at` is put to the end of the claim, so a claimed delivery is not due, and one whose node went away is due
 * again by itself. Nodes that claim at the same instant may pass a subscription's concurrency for a moment: neither sees
 * what the other has not committed.
 */
export const claimDeliveries = statement(
  "events.claim_deliveries",
  `with recursive ${waiting},
  due as materialized (
    select o.id, r.id as subscription_id
    from ready r cross join lateral (
      select d.id from event_processing_service.event_deliveries d
      where d.subscription_id = r.id and d.status = 'pending' and d.next_attempt_at <= now()
      order by d.next_attempt_at, d.id limit greatest(0, least(r.room, $3::int))
      for no key update skip locked) o),
  ranked as (
    select u.id, u.subscription_id, row_number() over (partition by u.subscription_id) as turn
    from due u),
  chosen as materialized (
    select k.id, k.subscription_id from ranked k order by k.turn, random() limit $3::int)
  update event_processing_service.event_deliveries d
  set claimed_by = $2, claimed_until = now() + (s.timeout_ms + 30000) * interval '1 millisecond',
    next_attempt_at = now() + (s.timeout_ms + 30000) * interval '1 millisecond'
  from chosen c
  join event_processing_service.event_subscriptions s on s.id = c.subscription_id
  where d.id = c.id
  returning d.id, d.namespace, d.replay_id as "replayId", d.attempts, s.id as "subscriptionId", s.endpoint, s.handler,
    s.headers, s.authentication, s.secrets, s.retry_policy as "retryPolicy", s.timeout_ms as "timeoutMs",
    (select ${eventColumns("coalesce(d.payload, e.payload)")}
     from event_processing_service.event_instances e where e.shard = d.shard and e.id = d.event_id) as event`,
);

/** Milliseconds until the next delivery is due that this node could send; null when there is none. */
export const nextDue = statement(
  "events.next_delivery_due",
  `with recursive ${waiting}
  select (extract(epoch from min(n.at) - now()) * 1000)::float8 as "inMs"
  from ready r cross join lateral (
    select d.next_attempt_at as at from event_processing_service.event_deliveries d
    where d.subscription_id = r.id and d.status = 'pending' order by d.next_attempt_at limit 1) n
  where r.room > 0`,
);

export interface OutcomeRow {
  id: string;
  attempt: number;
  status: "pending" | "delivered" | "failed";
  delayMs: number;
  entry: HistoryEntry;
  /** For a dead letter. */
  letterId: string;
  error: { code: string; type: string; message: string; stackTrace?: string } | null;
}

/**
 * Records what came of attempts, in one commit: the deliveries, the dead letters of those that failed for good, the
 * letters that were waiting for them, and how their subscriptions do. What another node has claimed meanwhile is left.
 * Locks letters, then subscriptions, in the order of their ids. Gives the subscriptions that have failed for too long.
 */
export const recordDeliveries = statement(
  "events.record_deliveries",
  `with outcome as materialized (
    select o.* from jsonb_to_recordset($2::jsonb) as o (
      id uuid, attempt int, status text, "delayMs" float8, entry jsonb, "letterId" uuid, error jsonb)),
  done as (
    update event_processing_service.event_deliveries d
    set status = o.status, attempts = o.attempt, claimed_by = null, claimed_until = null, updated_at = now(),
      next_attempt_at = now() + o."delayMs" * interval '1 millisecond',
      completed_at = case when o.status <> 'pending' then now() end,
      history = case when jsonb_array_length(d.history) >= 50 then d.history - 0 else d.history end || o.entry
    from outcome o
    where d.id = o.id and d.claimed_by = $1 and d.status = 'pending' and d.attempts = o.attempt - 1
    returning d.id, d.shard, d.namespace, d.event_id, d.subscription_id, d.status, d.attempts, d.history, d.payload,
      o.entry, o.error, o."letterId"),
  open_letters as materialized (
    select l.id, l.delivery_id from event_processing_service.dead_letter_queue l
    where l.delivery_id in (select f.id from done f where f.status <> 'pending') and l.status in ('pending', 'reprocessing')
    order by l.id for no key update),
  returned as (
    update event_processing_service.dead_letter_queue l
    set status = case f.status when 'delivered' then 'resolved' else 'pending' end,
      resolution_timestamp = case f.status when 'delivered' then now() end,
      resolution_strategy = case f.status when 'delivered' then 'manual_retry' end,
      retry_count = l.retry_count + 1, retry_history = l.retry_history || f.entry, updated_at = now()
    from open_letters w join done f on f.id = w.delivery_id
    where l.id = w.id),
  written as (
    insert into event_processing_service.dead_letter_queue
      (id, namespace, event_id, event_instance_id, subscriber_id, delivery_id, original_event, error_message, error_type,
       error_code, error_stack_trace, error_context, retry_history, retry_count, max_retries)
    select f."letterId", f.namespace, g.event->>'eventId', f.event_id, 'subscription:' || f.subscription_id, f.id,
      coalesce(g.event, '{}'), f.error->>'message', f.error->>'type',
      f.error->>'code', f.error->>'stackTrace', jsonb_build_object('attempts', f.attempts), f.history,
      f.attempts, f.attempts
    from done f
    left join lateral (
      select ${eventColumns("coalesce(f.payload, e.payload)")} as event
      from event_processing_service.event_instances e where e.shard = f.shard and e.id = f.event_id limit 1) g on true
    where f.status = 'failed' and not exists (select from open_letters w where w.delivery_id = f.id)),
  felt as materialized (
    select f.subscription_id as id, bool_or(f.status = 'delivered') as well from done f group by f.subscription_id),
  changed as materialized (
    select s.id, v.well from event_processing_service.event_subscriptions s join felt v on v.id = s.id
    where (v.well and (s.failing_since is not null or coalesce(s.last_delivered_at < now() - interval '10 seconds', true)))
      or (not v.well and s.failing_since is null)
    order by s.id for no key update of s),
  health as (
    update event_processing_service.event_subscriptions s
    set failing_since = case when c.well then null else coalesce(s.failing_since, now()) end,
      last_delivered_at = case when c.well then now() else s.last_delivered_at end
    from changed c where s.id = c.id)
  select s.id, s.failing_since as "failingSince" from felt v
  join event_processing_service.event_subscriptions s on s.id = v.id
  where not v.well and s.failing_since + s.disable_after_ms * interval '1 millisecond' < now()`,
);

/** Claims that come to nothing, for the node stops: others may go on at once, and it was no attempt. */
export const releaseDeliveries = statement(
  "events.release_deliveries",
  `update event_processing_service.event_deliveries d
   set claimed_by = null, claimed_until = null, next_attempt_at = now()
   where d.claimed_by = $1 and d.id = any ($2::uuid[]) and d.status = 'pending'`,
);

/**
 * Cancels what is pending for subscriptions that are disabled or gone, up to `$1` of them, but for what is under way; dead
 * letters that waited for it are pending again. Gives how many there were.
 */
export const cancelOrphans = statement(
  "events.cancel_orphaned_deliveries",
  `with recursive waiting (id) as (
    (select d.subscription_id from event_processing_service.event_deliveries d
     where d.status = 'pending' order by d.subscription_id limit 1)
    union all
    select (select d.subscription_id from event_processing_service.event_deliveries d
            where d.status = 'pending' and d.subscription_id > w.id order by d.subscription_id limit 1)
    from waiting w where w.id is not null),
  orphans as materialized (
    select o.id from waiting w
    left join event_processing_service.event_subscriptions s on s.id = w.id
    cross join lateral (
      select d.id from event_processing_service.event_deliveries d
      where d.subscription_id = w.id and d.status = 'pending'
        and (d.claimed_until is null or d.claimed_until < now())
      order by d.id limit $1::int for no key update skip locked) o
    where w.id is not null and (s.id is null or s.status in ('disabled', 'deleted'))),
  cancelled as (
    update event_processing_service.event_deliveries d
    set status = 'cancelled', claimed_by = null, claimed_until = null, updated_at = now(), completed_at = now()
    from orphans o where d.id = o.id
    returning d.id),
  returned as (
    update event_processing_service.dead_letter_queue l set status = 'pending', updated_at = now()
    where l.delivery_id in (select c.id from cancelled c) and l.status = 'reprocessing')
  select count(*)::int as count from cancelled`,
);

/** Nodes that meet step aside for one another. */
export const removeOldDeliveries = statement(
  "events.remove_old_deliveries",
  `delete from event_processing_service.event_deliveries d
   where d.id in (
     select o.id from event_processing_service.event_deliveries o
     where o.completed_at < now() - $1::float8 * interval '1 millisecond'
     order by o.completed_at limit 1000
     for update skip locked)`,
);

export interface DeliverySummaryRow {
  id: string;
  eventId: string;
  subscriptionId: string;
  replayId: string | null;
  status: DeliveryStatus;
  attempts: number;
  nextAttemptAt: string;
  isClaimed: boolean;
  createdAt: string;
  updatedAt: string;
  completedAt: string | null;
}

export interface DeliveryRow extends DeliverySummaryRow {
  history: HistoryEntry[];
}

const summaryColumns = `d.id, d.event_id as "eventId", d.subscription_id as "subscriptionId", d.replay_id as "replayId",
  d.status, d.attempts, d.next_attempt_at as "nextAttemptAt", d.claimed_until is not null as "isClaimed",
  d.created_at as "createdAt", d.updated_at as "updatedAt", d.completed_at as "completedAt"`;

export const readDelivery = statement(
  "events.read_delivery",
  `select ${summaryColumns}, d.history from event_processing_service.event_deliveries d
   where d.id = $2 and d.namespace = $1`,
);

/** Nothing where it is under way. Sends it again from the first attempt on, under the same webhook-id; its dead letter waits for it. */
export const retryDelivery = statement(
  "events.retry_delivery",
  `with again as (
    update event_processing_service.event_deliveries d
    set status = 'pending', attempts = 0, next_attempt_at = now(), claimed_by = null, claimed_until = null,
      completed_at = null, updated_at = now()
    where d.id = $2 and d.namespace = $1 and (d.status <> 'pending' or d.claimed_until is null or d.claimed_until < now())
    returning ${summaryColumns}, d.history),
  letters as (
    update event_processing_service.dead_letter_queue l
    set status = 'reprocessing', resolved_by = $3, updated_at = now()
    from again a where l.delivery_id = a.id and l.status = 'pending')
  select a.* from again a`,
);

export interface ListFilter {
  subscriptionId: string;
  status?: DeliveryStatus;
  /** The id below which to go on. */
  before?: string;
  limit: number;
}

/** Newest first. The filters are the client's choice, so this list is assembled. */
export function listDeliveryRows(db: Db, filter: ListFilter): Promise<DeliverySummaryRow[]> {
  const values: unknown[] = [filter.subscriptionId];
  const bind = (value: unknown) => `$${values.push(value)}`;
  const where = ["d.subscription_id = $1"];
  if (filter.status !== undefined) where.push(`d.status = ${bind(filter.status)}`);
  if (filter.before !== undefined) where.push(`d.id < ${bind(filter.before)}::uuid`);
  const text = `select ${summaryColumns} from event_processing_service.event_deliveries d
    where ${where.join(" and ")} order by d.id desc limit ${bind(filter.limit)}::int`;
  return db.unnamed<DeliverySummaryRow>(text, values);
}
