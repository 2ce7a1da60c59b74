/** The SQL of dead letters. */
import type { Json } from "../../engine/index.ts";
import { type Db, statement } from "../../foundation/database/index.ts";
import { isUuid } from "../../foundation/ids.ts";
import { isExact, patternRegex } from "../filters.ts";
import type { LetterFilter, LetterStatus } from "./model.ts";

export interface LetterSummaryRow {
  id: string;
  namespace: string;
  eventId: string | null;
  eventInstanceId: string | null;
  pattern: string | null;
  subscriberId: string;
  deliveryId: string | null;
  errorMessage: string;
  errorType: string;
  errorCode: string;
  retryCount: number;
  maxRetries: number;
  status: LetterStatus;
  resolutionTimestamp: string | null;
  resolutionStrategy: string | null;
  resolvedBy: string | null;
  resolutionNotes: string | null;
  createdAt: string;
  updatedAt: string;
}

export interface LetterRow extends LetterSummaryRow {
  originalEvent: Json;
  errorStackTrace: string | null;
  errorContext: Json;
  retryHistory: Json[];
}

const summaryColumns = `l.id, l.namespace, l.event_id as "eventId", l.event_instance_id as "eventInstanceId",
  coalesce(l.original_event->>'pattern', l.original_event->>'type') as pattern, l.subscriber_id as "subscriberId",
  l.delivery_id as "deliveryId", l.error_message as "errorMessage", l.error_type as "errorType",
  l.error_code as "errorCode", l.retry_count as "retryCount", l.max_retries as "maxRetries", l.status,
  l.resolution_timestamp as "resolutionTimestamp", l.resolution_strategy as "resolutionStrategy",
  l.resolved_by as "resolvedBy", l.resolution_notes as "resolutionNotes", l.created_at as "createdAt",
  l.updated_at as "updatedAt"`;

const columns = `${summaryColumns}, l.original_event as "originalEvent", l.error_stack_trace as "errorStackTrace",
  l.error_context as "errorContext", l.retry_history as "retryHistory"`;

export const readLetter = statement(
  "events.read_dead_letter",
  `select ${columns} from event_processing_service.dead_letter_queue l where l.id = $2 and l.namespace = $1`,
);

/** Nothing when it is not pending any more. */
export const takeLetter = statement(
  "events.take_dead_letter",
  `update event_processing_service.dead_letter_queue l set status = 'reprocessing', resolved_by = $3, updated_at = now()
   where l.id = $2 and l.namespace = $1 and l.status = 'pending'
   returning ${columns}`,
);

/** Resolved or discarded. Nothing when it was already. */
export const closeLetter = statement(
  "events.close_dead_letter",
  `update event_processing_service.dead_letter_queue l
   set status = $3, resolution_timestamp = now(), resolution_strategy = $4, resolved_by = $5, resolution_notes = $6,
     updated_at = now()
   where l.id = $2 and l.namespace = $1 and l.status in ('pending', 'reprocessing')
   returning ${columns}`,
);

/** Whether the delivery of a letter could be sent again: its row, the event and the state of its subscription. */
export const readDeliveryOfLetter = statement(
  "events.read_delivery_of_dead_letter",
  `select d.id, d.shard, d.event_id as "eventId", s.status as "subscriptionStatus", e.id is not null as "hasEvent"
   from event_processing_service.event_deliveries d
   left join event_processing_service.event_subscriptions s on s.id = d.subscription_id and s.status <> 'deleted'
   left join event_processing_service.event_instances e on e.shard = d.shard and e.id = d.event_id
   where d.id = $1 for no key update of d`,
);

export const rearmDelivery = statement(
  "events.rearm_delivery",
  `update event_processing_service.event_deliveries d
   set status = 'pending', attempts = 0, next_attempt_at = now(), claimed_by = null, claimed_until = null,
     completed_at = null, updated_at = now()
   where d.id = $1 and d.status <> 'pending'`,
);

/** Another payload is another delivery: under the old id a subscriber could take it for the one that it has seen. */
export const insertEditedDelivery = statement(
  "events.insert_edited_delivery",
  `with made as (
    insert into event_processing_service.event_deliveries
      (id, shard, namespace, event_id, subscription_id, replay_id, payload)
    select $2, d.shard, d.namespace, d.event_id, d.subscription_id, d.replay_id, $3::jsonb
    from event_processing_service.event_deliveries d where d.id = $1
    returning id)
  update event_processing_service.dead_letter_queue l set delivery_id = m.id from made m where l.id = $4`,
);

export interface TriggerLetterRow {
  id: string;
  namespace: string;
  eventInstanceId: string;
  subscriberId: string;
  /** Until its next retry; below 0 when it is due. */
  inMs: number;
}

/** Letters of triggers whose errors may pass, with the time of their next automatic retry: after 1, 2, 4, … 60 s. */
export const readTriggerLetters = statement(
  "events.read_trigger_letters",
  `select l.id, l.namespace, l.event_instance_id as "eventInstanceId", l.subscriber_id as "subscriberId",
     (extract(epoch from l.updated_at - now()) * 1000 + least(60000, 1000 * 2 ^ l.retry_count))::float8 as "inMs"
   from event_processing_service.dead_letter_queue l
   where l.status = 'pending' and l.subscriber_id like 'trigger:%' and l.retry_count < 5
     and l.error_type = any ($1::text[]) and l.event_instance_id is not null
   order by l.updated_at limit 200`,
);

/** In the order of ids. Those that another node has taken meanwhile are left out. */
export const takeTriggerLetters = statement(
  "events.take_trigger_letters",
  `with mine as materialized (
    select l.id from event_processing_service.dead_letter_queue l
    where l.id = any ($1::uuid[]) and l.status = 'pending' order by l.id for no key update skip locked)
  update event_processing_service.dead_letter_queue l set status = 'reprocessing', updated_at = now()
  from mine m where l.id = m.id returning l.id`,
);

export const removeOldLetters = statement(
  "events.remove_old_dead_letters",
  `delete from event_processing_service.dead_letter_queue l
   where l.id in (
     select o.id from event_processing_service.dead_letter_queue o
     where o.status in ('resolved', 'discarded') and o.updated_at < now() - $1::float8 * interval '1 millisecond'
     order by o.updated_at limit 1000
     for update skip locked)`,
);

interface Place {
  namespace: string;
  /** The id below which to go on. */
  before?: string;
  /** The id above which to go on. */
  after?: string;
}

function whereOf(filter: LetterFilter & Place, values: unknown[]): string {
  const bind = (value: unknown) => `$${values.push(value)}`;
  const name = "coalesce(l.original_event->>'pattern', l.original_event->>'type')";
  const where = [`l.namespace = ${bind(filter.namespace)}`];
  const { pattern, eventId } = filter;
  if (filter.status !== undefined) where.push(`l.status = ${bind(filter.status)}`);
  if (filter.errorTypes !== undefined) where.push(`l.error_type = any (${bind(filter.errorTypes)}::text[])`);
  if (filter.errorCode !== undefined) where.push(`l.error_code = ${bind(filter.errorCode)}`);
  if (filter.subscriberId !== undefined) where.push(`l.subscriber_id = ${bind(filter.subscriberId)}`);
  if (pattern !== undefined) {
    where.push(isExact(pattern) ? `${name} = ${bind(pattern)}` : `${name} ~ ${bind(patternRegex(pattern))}`);
  }
  if (eventId !== undefined) {
    const row = isUuid(eventId) ? ` or l.event_instance_id = ${bind(eventId)}::uuid` : "";
    where.push(`(l.event_id = ${bind(eventId)}${row})`);
  }
  if (filter.createdAfter !== undefined) where.push(`l.created_at >= ${bind(filter.createdAfter)}::timestamptz`);
  if (filter.createdBefore !== undefined) where.push(`l.created_at < ${bind(filter.createdBefore)}::timestamptz`);
  if (filter.minRetryCount !== undefined) where.push(`l.retry_count >= ${bind(filter.minRetryCount)}`);
  if (filter.maxRetryCount !== undefined) where.push(`l.retry_count <= ${bind(filter.maxRetryCount)}`);
  if (filter.before !== undefined) where.push(`l.id < ${bind(filter.before)}::uuid`);
  if (filter.after !== undefined) where.push(`l.id > ${bind(filter.after)}::uuid`);
  return where.join(" and ");
}

/** Newest first. The filters are the client's choice, so this list is assembled. */
export function listLetterRows(db: Db, filter: LetterFilter & Place & { limit: number }): Promise<LetterSummaryRow[]> {
  const values: unknown[] = [];
  const where = whereOf(filter, values);
  return db.unnamed<LetterSummaryRow>(
    `select ${summaryColumns} from event_processing_service.dead_letter_queue l
     where ${where} order by l.id desc limit $${values.push(filter.limit)}::int`,
    values,
  );
}

/** The ids of a page of them, the oldest first. */
export async function letterIds(db: Db, filter: LetterFilter & Place & { limit: number }): Promise<string[]> {
  const values: unknown[] = [];
  const where = whereOf(filter, values);
  const rows = await db.unnamed<{ id: string }>(
    `select l.id from event_processing_service.dead_letter_queue l
     where ${where} order by l.id limit $${values.push(filter.limit)}::int`,
    values,
  );
  return rows.map(({ id }) => id);
}

/** Counts to `most` at the most. */
export async function countLetters(db: Db, filter: LetterFilter & Place, most: number): Promise<number> {
  const values: unknown[] = [];
  const where = whereOf(filter, values);
  const [row] = await db.unnamed<{ n: number }>(
    `select count(*)::int as n from (
       select from event_processing_service.dead_letter_queue l where ${where} limit $${values.push(most)}::int) c`,
    values,
  );
  return row!.n;
}

/** Up to a thousand; none that is being reprocessed. Gives how many there were. */
export async function purgeLetters(db: Db, filter: LetterFilter & Place): Promise<number> {
  const values: unknown[] = [];
  const where = whereOf(filter, values);
  const rows = await db.unnamed<{ id: string }>(
    `delete from event_processing_service.dead_letter_queue q where q.id in (
       select l.id from event_processing_service.dead_letter_queue l
       where ${where} and l.status <> 'reprocessing' order by l.id limit 1000 for update skip locked)
     returning q.id`,
    values,
  );
  return rows.length;
}
