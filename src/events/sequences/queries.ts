/** The SQL of event sequences. Whoever changes one holds its row's lock, or a claim and the revision it was read with. */
import type { Json } from "../../engine/index.ts";
import { type Db, statement } from "../../foundation/database/index.ts";
import type { Failure, MemberStatus, RollbackStrategy, SequenceStatus, WaitsFor } from "./model.ts";
import type { EventFacts } from "./observe.ts";
import type { MemberBody } from "./request.ts";

export interface Rollback {
  status: "completed" | "failed" | "given_up";
  events?: { pattern: string; eventId?: string }[];
  error?: string;
}

export interface SequenceRow {
  id: string;
  namespace: string;
  sequenceId: string;
  name: string;
  description: string | null;
  version: string | null;
  status: SequenceStatus;
  metadata: { [name: string]: Json };
  strategy: RollbackStrategy | null;
  rollback: Rollback | null;
  error: (Failure & { order: number; position: number }) | null;
  requestHash: string;
  revision: number;
  createdBy: string;
  createdAt: string;
  updatedAt: string;
  startedAt: string | null;
  completedAt: string | null;
}

export interface ClaimedRow extends SequenceRow {
  /** For how long nothing has changed. */
  unchangedMs: number;
}

export interface MemberRow {
  id: string;
  sequence: string;
  position: number;
  order: number;
  required: boolean;
  waitForInstances: boolean;
  status: MemberStatus;
  eventId: string | null;
  given: boolean;
  body: MemberBody | null;
  retries: number;
  replayId: string | null;
  waitingFor: WaitsFor | null;
  error: Failure | null;
  publishedAt: string | null;
  processingTimestamp: string | null;
}

const columns = `s.id, s.namespace, s.sequence_id as "sequenceId", s.name, s.description, s.version, s.status, s.metadata,
  s.rollback_strategy as strategy, s.rollback, s.error, s.request_hash as "requestHash", s.revision,
  s.created_by as "createdBy", s.created_at as "createdAt", s.updated_at as "updatedAt", s.started_at as "startedAt",
  s.completed_at as "completedAt"`;

/** No row where the namespace has one of this name. */
export const insertSequence = statement(
  "events.insert_sequence",
  `insert into event_processing_service.event_sequences as s
     (id, namespace, sequence_id, name, description, version, status, metadata, rollback_strategy, created_by, request_hash, started_at)
   values ($1, $2, $3, $4, $5, $6, $7::text, $8, $9, $10, $11, case when $7::text = 'in_progress' then now() end)
   on conflict (namespace, sequence_id) do nothing
   returning ${columns}`,
);

/** Rows: [id, position, order, required, waits for instances, event id or null, body or null]. */
export const insertMembers = statement(
  "events.insert_sequence_members",
  `insert into event_processing_service.event_sequence_events
     (id, sequence_id, position, "order", required, wait_for_instances, event_id, given, body)
   select (e->>0)::uuid, $1, (e->>1)::integer, (e->>2)::integer, (e->>3)::boolean, (e->>4)::boolean, (e->>5)::uuid,
     e->>5 is not null, nullif(e->6, 'null')
   from jsonb_array_elements($2::jsonb) e`,
);

export const readSequence = statement(
  "events.read_sequence",
  `select ${columns} from event_processing_service.event_sequences s where s.id = $2 and s.namespace = $1`,
);

export const readSequenceByName = statement(
  "events.read_sequence_by_name",
  `select ${columns} from event_processing_service.event_sequences s where s.namespace = $1 and s.sequence_id = $2`,
);

/** Changes of one sequence follow one another. */
export const lockSequence = statement(
  "events.lock_sequence",
  "select s.revision from event_processing_service.event_sequences s where s.id = $1 for no key update",
);

export const readMembers = statement(
  "events.read_sequence_members",
  `select m.id, m.sequence_id as sequence, m.position, m."order", m.required, m.wait_for_instances as "waitForInstances", m.status,
     m.event_id as "eventId", m.given, m.body, m.retries, m.replay_id as "replayId", m.waiting_for as "waitingFor", m.error,
     m.published_at as "publishedAt", m.processing_timestamp as "processingTimestamp"
   from event_processing_service.event_sequence_events m
   where m.sequence_id = any ($1::uuid[]) order by m.sequence_id, m."order", m.position`,
);

/** Ends the claim of whoever works on it: what that decided is not written any more. */
export const changeSequence = statement(
  "events.change_sequence",
  `update event_processing_service.event_sequences s
   set status = $2::text, rollback = $3, error = $4, completed_at = case when $5::boolean then coalesce(s.completed_at, now()) end,
     started_at = case when $2::text = 'in_progress' then coalesce(s.started_at, now()) else s.started_at end,
     revision = s.revision + 1, claimed_by = null, claimed_until = null, next_look_at = now(), progressed_at = now(),
     updated_at = now()
   where s.id = $1`,
);

/**
 * Claims sequences that are due, the longest due first, for `$2` milliseconds. Nodes step aside for one another; which are
 * claimed is read once.
 */
export const claimSequences = statement(
  "events.claim_sequences",
  `with due as materialized (
     select d.id from event_processing_service.event_sequences d
     where d.status = 'in_progress' and d.next_look_at <= now() and (d.claimed_until is null or d.claimed_until < now())
     order by d.next_look_at, d.id limit $3
     for no key update skip locked)
   update event_processing_service.event_sequences s
   set claimed_by = $1, claimed_until = now() + $2::float8 * interval '1 millisecond'
   from due where s.id = due.id
   returning ${columns}, (extract(epoch from now() - s.progressed_at) * 1000)::float8 as "unchangedMs"`,
);

/** Locks it, and gives no row where the claim or the revision is another by now. */
export const recordSequence = statement(
  "events.record_sequence",
  `update event_processing_service.event_sequences s
   set status = $4, rollback = $5, error = $6, completed_at = case when $7::boolean then now() end, revision = s.revision + 1,
     claimed_by = null, claimed_until = null, next_look_at = now() + $8::float8 * interval '1 millisecond',
     progressed_at = now(), updated_at = now()
   where s.id = $1 and s.claimed_by = $2 and s.revision = $3 and s.status = 'in_progress'
   returning s.id`,
);

/** Nothing has changed: look again in `$3` milliseconds each. */
export const releaseSequences = statement(
  "events.release_sequences",
  `update event_processing_service.event_sequences s
   set claimed_by = null, claimed_until = null, next_look_at = now() + r.pause_ms * interval '1 millisecond'
   from unnest($2::uuid[], $3::float8[]) r (id, pause_ms)
   where s.id = r.id and s.claimed_by = $1`,
);

/** Rows: [id, status, event id or null, waits for, error, replay id, retries]. */
export const saveMembers = statement(
  "events.save_sequence_members",
  `update event_processing_service.event_sequence_events m
   set status = e->>1, event_id = coalesce((e->>2)::uuid, m.event_id), waiting_for = e->>3, error = nullif(e->4, 'null'),
     replay_id = (e->>5)::uuid, retries = (e->>6)::integer,
     published_at = case when e->>1 = 'pending' then null else coalesce(m.published_at, case when e->>1 = 'published' then now() end) end,
     processing_timestamp = case when e->>1 in ('processed', 'failed', 'skipped') then coalesce(m.processing_timestamp, now()) end,
     updated_at = now()
   from jsonb_array_elements($1::jsonb) e
   where m.id = (e->>0)::uuid`,
);

/** Of a sequence that was changed while its members were being published: [id, event id]. */
export const notePublished = statement(
  "events.note_published_members",
  `update event_processing_service.event_sequence_events m
   set event_id = (e->>1)::uuid, published_at = coalesce(m.published_at, now()), updated_at = now(),
     status = case when m.status = 'pending' then 'published' else m.status end
   from jsonb_array_elements($1::jsonb) e
   where m.id = (e->>0)::uuid`,
);

export interface FactsRow extends EventFacts {
  eventId: string;
}

/** What happened to events, each with the slot of its id: ledger, last deliveries, dead letters, in the order of time. */
export const readFacts = statement(
  "events.read_sequence_facts",
  `select x.id as "eventId",
     coalesce((select jsonb_agg(jsonb_build_object('replayId', r.replay_id, 'decisions', r.decisions) order by r.routed_at, r.replay_id)
       from event_processing_service.event_routings r where r.shard = x.shard and r.event_id = x.id), '[]') as routings,
     coalesce((select jsonb_agg(jsonb_build_object('subscriptionId', d.subscription_id, 'status', d.status, 'error', d.history->-1)
         order by d.created_at, d.id)
       from event_processing_service.event_deliveries d where d.event_id = x.id), '[]') as deliveries,
     coalesce((select jsonb_agg(jsonb_build_object('id', q.id, 'subscriberId', q.subscriber_id, 'status', q.status,
         'message', q.error_message, 'code', q.error_code) order by q.created_at, q.id)
       from event_processing_service.dead_letter_queue q where q.event_instance_id = x.id), '[]') as "deadLetters"
   from (select u.id, (u.slot % c.shards)::smallint as shard
     from cluster.cluster_settings c cross join unnest($1::integer[], $2::uuid[]) u (slot, id)) x`,
);

export interface EventRow {
  id: string;
  eventId: string;
  pattern: string;
  payload: Json;
  metadata: Json;
  timestamp: string;
}

const eventColumns = `e.id, e.event_id as "eventId", e.pattern, e.payload, e.metadata, e."timestamp"`;

/** Events by their ids, each with the slot of its id. */
export const readEvents = statement(
  "events.read_sequence_events",
  `select ${eventColumns}
   from cluster.cluster_settings c
   cross join unnest($2::integer[], $3::uuid[]) u (slot, id)
   join event_processing_service.event_instances e on e.shard = (u.slot % c.shards)::smallint and e.id = u.id
   where e.namespace = $1`,
);

/** Events by the ids that their publishers gave them; of several sources there may be several. */
export const findEvents = statement(
  "events.find_events_by_publishers_id",
  `select e.id, e.event_id as "eventId"
   from unnest($2::text[]) u (event_id)
   cross join lateral (
     select i.id, i.event_id from event_processing_service.event_instances i
     where i.namespace = $1 and i.event_id = u.event_id and i.event_id <> i.id::text limit 2) e`,
);

/** Takes the dead letters of some targets of an event in hand, in the order of their ids: they are routed again. */
export const takeDeadLetters = statement(
  "events.take_dead_letters_of_sequence",
  `with letters as materialized (
     select q.id from event_processing_service.dead_letter_queue q
     where q.event_instance_id = $1 and q.status = 'pending' and split_part(q.subscriber_id, ':', 2) = any ($2::text[])
     order by q.id for no key update)
   update event_processing_service.dead_letter_queue d set status = 'reprocessing', updated_at = now()
   from letters l where d.id = l.id
   returning d.id, split_part(d.subscriber_id, ':', 2) as target`,
);

/** In the order of ids; nodes that meet step aside for one another. Members go with their sequence. */
export const removeOldSequences = statement(
  "events.remove_old_sequences",
  `delete from event_processing_service.event_sequences s
   where s.id in (
     select o.id from event_processing_service.event_sequences o
     where o.completed_at < now() - $1::float8 * interval '1 millisecond'
     order by o.completed_at, o.id limit 1000
     for update skip locked)`,
);

export interface ListFilter {
  namespace: string;
  status?: SequenceStatus;
  correlationId?: string;
  causationId?: string;
  /** The id below which to go on. */
  before?: string;
  limit: number;
}

/** Newest first. The filters are the client's choice, so this list is assembled. */
export function listSequenceRows(db: Db, filter: ListFilter): Promise<SequenceRow[]> {
  const values: unknown[] = [filter.namespace];
  const bind = (value: unknown) => `$${values.push(value)}`;
  const where = ["s.namespace = $1"];
  if (filter.status !== undefined) where.push(`s.status = ${bind(filter.status)}`);
  for (const name of ["correlationId", "causationId"] as const) {
    const value = filter[name];
    if (value !== undefined) where.push(`s.metadata ? '${name}' and s.metadata->>'${name}' = ${bind(value)}`);
  }
  if (filter.before !== undefined) where.push(`s.id < ${bind(filter.before)}::uuid`);
  const text = `select ${columns} from event_processing_service.event_sequences s
    where ${where.join(" and ")} order by s.id desc limit ${bind(filter.limit)}::int`;
  return db.unnamed<SequenceRow>(text, values);
}
