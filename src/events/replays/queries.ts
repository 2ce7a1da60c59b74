/** The SQL of replays. Whoever changes a row while it is running holds its claim; only `cancel` does not. */
import { statement } from "../../foundation/database/index.ts";
import type { EventColumns } from "../deliveries/queries.ts";
import type { replayStatuses } from "./contract.ts";

export interface ReplayRow {
  id: string;
  namespace: string;
  eventPattern: string;
  fromAt: string;
  toAt: string;
  filter: string | null;
  targets: string[] | null;
  onlyMissing: boolean;
  status: (typeof replayStatuses)[number];
  error: string | null;
  requestedBy: string;
  found: number;
  replayed: number;
  cursor: string | null;
  createdAt: string;
  completedAt: string | null;
}

const columns = `r.id, r.namespace, r.event_pattern as "eventPattern", r.from_at as "fromAt", r.to_at as "toAt", r.filter,
  r.targets, r.only_missing as "onlyMissing", r.status, r.error, r.requested_by as "requestedBy", r.found, r.replayed,
  r.cursor, r.created_at as "createdAt", r.completed_at as "completedAt"`;

/**
 * It ends now at the latest: what is accepted from now on is not replayed. One of what is missing ends a little later: an
 * event that comes while the subscription is being enabled may still be routed past it.
 */
export const insertReplay = statement(
  "events.insert_replay",
  `insert into event_processing_service.event_replays as r
     (id, namespace, event_pattern, from_at, to_at, filter, targets, only_missing, requested_by)
   values ($1, $2, $3, $4::timestamptz,
     case when $8 then now() + interval '10 seconds' else least($5::timestamptz, now()) end, $6, $7, $8, $9)
   returning ${columns}`,
);

export const readReplay = statement(
  "events.read_replay",
  `select ${columns} from event_processing_service.event_replays r where r.id = $2 and r.namespace = $1`,
);

/** Newest first; `$2` is the id below which to go on, null for the first page. */
export const listReplays = statement(
  "events.list_replays",
  `select ${columns} from event_processing_service.event_replays r
   where r.namespace = $1 and ($2::uuid is null or r.id < $2) order by r.id desc limit $3`,
);

/** The page that is under way at this moment is still replayed. */
export const cancelReplay = statement(
  "events.cancel_replay",
  `update event_processing_service.event_replays r set status = 'cancelled', completed_at = now()
   where r.id = $2 and r.namespace = $1 and r.status = 'running'
   returning ${columns}`,
);

/** Claims the oldest replay that nobody works on, for `$2` milliseconds; `$3` are those that this node has. */
export const claimReplay = statement(
  "events.claim_replay",
  `update event_processing_service.event_replays r
   set claimed_by = $1, claimed_until = now() + $2::float8 * interval '1 millisecond'
   where r.id = (
     select o.id from event_processing_service.event_replays o
     where o.status = 'running' and o.id <> all ($3::uuid[]) and (o.claimed_until is null or o.claimed_until < now())
     order by o.id limit 1
     for no key update skip locked)
   returning ${columns}`,
);

/** Moves the cursor and renews the claim; no row when the claim is lost or the replay was cancelled. */
export const recordPage = statement(
  "events.record_replay_page",
  `update event_processing_service.event_replays r
   set cursor = $4, found = r.found + $5, replayed = r.replayed + $6,
     claimed_until = now() + $3::float8 * interval '1 millisecond'
   where r.id = $1 and r.claimed_by = $2 and r.status = 'running'
   returning r.id`,
);

/** Completed, or failed with an error. */
export const endReplay = statement(
  "events.end_replay",
  `update event_processing_service.event_replays
   set status = case when $3::text is null then 'completed' else 'failed' end, error = $3, completed_at = now(),
     claimed_by = null, claimed_until = null
   where id = $1 and claimed_by = $2 and status = 'running'`,
);

/** Lets another node go on at once. */
export const releaseReplay = statement(
  "events.release_replay",
  `update event_processing_service.event_replays set claimed_by = null, claimed_until = null
   where id = $1 and claimed_by = $2`,
);

export const removeOldReplays = statement(
  "events.remove_old_replays",
  `delete from event_processing_service.event_replays r
   where r.id in (
     select o.id from event_processing_service.event_replays o
     where o.completed_at < now() - $1::float8 * interval '1 millisecond'
     order by o.completed_at limit 1000
     for update skip locked)`,
);

export interface PageRow {
  id: string;
  /** Undefined where pattern, time or what the target has got say no. */
  event: EventColumns | null;
}

/** Whether event `p` is one: its name, its time, and with `$9` that subscription `$9` has not got it and will not. */
const fits = `p.pattern ~ $6 and p.accepted_at >= $7 and p.accepted_at < $8 and ($9::uuid is null or not exists (
  select from event_processing_service.event_deliveries d
  where d.event_id = p.id and d.subscription_id = $9 and d.status in ('delivered', 'pending')))`;

const page = (more: string) => `with page as materialized (
    select e.id, e.event_id, e.pattern, e.payload, e.metadata, e.source, e.source_key, e.timestamp, e.accepted_at,
      e.partition_key
    from event_processing_service.event_instances e
    where e.namespace = $1 and e.id > $2 and e.id < $3${more} order by e.id limit $5)
  select p.id, case when ${fits} then jsonb_build_object('id', p.id, 'eventId', p.event_id, 'pattern', p.pattern,
    'payload', p.payload, 'metadata', p.metadata, 'source', p.source, 'sourceKey', p.source_key,
    'timestamp', p.timestamp, 'acceptedAt', p.accepted_at, 'partitionKey', p.partition_key) end as event
  from page p order by p.id`;

/** The next `$5` events of a namespace between two ids, in the order of their ids, and which of them are meant. */
export const readPage = statement("events.read_replay_page", page(" and $4::text is not null"));

/** The same of one name, `$4`. */
export const readPageOfName = statement("events.read_replay_page_of_name", page(" and e.pattern = $4"));
