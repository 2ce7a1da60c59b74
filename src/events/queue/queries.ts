/** The SQL of the event queue: its state, its checkpoints, and the counting of what was routed. */
import { statement } from "../../foundation/database/index.ts";
import type { QueueConfig, QueueMetrics, Rates, StoredStatus } from "./model.ts";

export interface StateRow {
  id: string;
  status: StoredStatus;
  config: QueueConfig;
  metrics: QueueMetrics;
  checkpointId: string | null;
  countedUntil: string;
  sampledAt: string;
  sampledAccepted: number;
  sampledProcessed: number;
  rates: Rates;
  changedBy: string | null;
  createdAt: string;
  updatedAt: string;
}

const columns = `q.id, q.status, q.config, q.queue_metrics as metrics, q.checkpoint_id as "checkpointId",
  q.counted_until as "countedUntil", q.sampled_at as "sampledAt", q.sampled_accepted as "sampledAccepted",
  q.sampled_processed as "sampledProcessed", q.rates, q.changed_by as "changedBy", q.created_at as "createdAt",
  q.updated_at as "updatedAt"`;

export const readQueue = statement(
  "events.read_queue",
  `select ${columns} from event_processing_service.event_queue_state q where q.id = $1`,
);

/** What a producer's look needs. */
export const readQueueStatus = statement(
  "events.read_queue_status",
  "select q.status, q.config from event_processing_service.event_queue_state q where q.id = $1",
);

/** Changes of the queue follow one another: one row, locked until the transaction ends. */
export const lockQueue = statement(
  "events.lock_queue",
  `select ${columns} from event_processing_service.event_queue_state q where q.id = $1 for no key update`,
);

export const setQueueStatus = statement(
  "events.set_queue_status",
  `update event_processing_service.event_queue_state q set status = $2, changed_by = $3, updated_at = now()
   where q.id = $1 returning ${columns}`,
);

export const setQueueConfig = statement(
  "events.set_queue_config",
  `update event_processing_service.event_queue_state q set config = $2, changed_by = $3, updated_at = now()
   where q.id = $1 returning ${columns}`,
);

/** In the transaction of whatever decides where events go. */
export const routingChanged = statement(
  "events.queue_changes_routing",
  "select event_processing_service.routing_changed() as revision",
);

export interface Measured {
  now: string;
  /** Up to which everything is routed; what is below it is counted for good. */
  horizon: string;
  /** Between `$1` and the horizon. */
  processedBelow: number;
  errorsBelow: number;
  /** From the horizon on. */
  processedAbove: number;
  errorsAbove: number;
  acceptedAbove: number;
  acceptedBelow: number;
  /** Of a sample: the newest few of each shard. */
  sampled: number;
  averageMs: number;
  /** The newest event that was routed. */
  lastRouted: string | null;
}

/**
 * Counts what happened to events with ids from `$1` on: accepted, routed, set aside as dead letters. `$2` is when the oldest
 * waiting one was accepted; null where none waits. Below the horizon, which is half a minute ago and before that one, everything
 * that was accepted is routed. Ranges of the primary keys, shard by shard (`offset 0` keeps them apart): nothing before `$1` is read.
 *
 * An event that is routed again as a replay is not counted again.
 */
export const measureQueue = statement(
  "events.measure_queue",
  `with bounds as materialized (
     select greatest($1::uuid, workflow_orchestrator_service.uuid_floor(
       least(now() - interval '30 seconds', $2::timestamptz - interval '10 seconds'))) horizon
   ), shards as materialized (
     select s::smallint as shard from cluster.cluster_settings c cross join lateral generate_series(0, c.shards - 1) s
   ), accepted as (
     select count(*) filter (where e.id < b.horizon) below, count(*) filter (where e.id >= b.horizon) above
     from bounds b cross join shards s
     cross join lateral (
       select i.id from event_processing_service.event_instances i where i.shard = s.shard and i.id >= $1::uuid offset 0) e
   ), routed as (
     select count(*) filter (where r.event_id < b.horizon) below, count(*) filter (where r.event_id >= b.horizon) above
     from bounds b cross join shards s
     cross join lateral (
       select l.event_id from event_processing_service.event_routings l
       where l.shard = s.shard and l.event_id >= $1::uuid
         and l.replay_id = '00000000-0000-0000-0000-000000000000' offset 0) r
   ), errors as (
     select count(*) filter (where d.id < b.horizon) below, count(*) filter (where d.id >= b.horizon) above
     from bounds b cross join (
       select q.id from event_processing_service.dead_letter_queue q where q.id >= $1::uuid) d
   ), newest as (
     select n.event_id, extract(epoch from n.routed_at - e.accepted_at) * 1000 as took_ms
     from shards s
     cross join lateral (
       select l.event_id, l.routed_at from event_processing_service.event_routings l
       where l.shard = s.shard and l.event_id >= $1::uuid
         and l.replay_id = '00000000-0000-0000-0000-000000000000'
       order by l.event_id desc limit 5) n
     cross join lateral (
       select i.accepted_at from event_processing_service.event_instances i
       where i.shard = s.shard and i.id = n.event_id limit 1) e
   ), sample as (
     select count(*)::integer as sampled, coalesce(avg(greatest(n.took_ms, 0)), 0)::float8 as average,
       (select m.event_id from newest m order by m.event_id desc limit 1) as last_routed
     from newest n
   )
   select now() as now, b.horizon, r.below as "processedBelow", r.above as "processedAbove",
     d.below as "errorsBelow", d.above as "errorsAbove", a.below as "acceptedBelow", a.above as "acceptedAbove",
     s.sampled, s.average as "averageMs", s.last_routed as "lastRouted"
   from bounds b, routed r, errors d, accepted a, sample s`,
);

/** Whoever measured from `$2` on writes it; where another node was faster, nothing is written. */
export const saveMetrics = statement(
  "events.save_queue_metrics",
  `update event_processing_service.event_queue_state q
   set counted_until = $3, queue_metrics = $4, checkpoint_id = coalesce($5, q.checkpoint_id), sampled_at = $6,
     sampled_accepted = $7, sampled_processed = $8, rates = $9, updated_at = now()
   where q.id = $1 and q.counted_until = $2::uuid and q.sampled_at <= $6::timestamptz`,
);

export interface CheckpointRow {
  id: string;
  queueId: string;
  checkpointId: string | null;
  eventCount: number;
  reason: "asked" | "paused" | "drained" | "stopped";
  createdAt: string;
}

const checkpointColumns = `c.id, c.queue_id as "queueId", c.checkpoint_id as "checkpointId", c.event_count as "eventCount",
  c.reason, c.created_at as "createdAt"`;

export const insertCheckpoint = statement(
  "events.insert_queue_checkpoint",
  `insert into event_processing_service.queue_checkpoints as c (id, queue_id, checkpoint_id, event_count, reason)
   values ($1, $2, $3, $4, $5) returning ${checkpointColumns}`,
);

/** All but the newest `$2`. */
export const removeOldCheckpoints = statement(
  "events.remove_old_queue_checkpoints",
  `delete from event_processing_service.queue_checkpoints c
   where c.queue_id = $1 and c.id <= (
     select o.id from event_processing_service.queue_checkpoints o
     where o.queue_id = $1 order by o.id desc offset $2 limit 1)`,
);

/** Newest first; `$2` is the id below which to go on, null for the first page. */
export const listCheckpoints = statement(
  "events.list_queue_checkpoints",
  `select ${checkpointColumns} from event_processing_service.queue_checkpoints c
   where c.queue_id = $1 and ($2::uuid is null or c.id < $2) order by c.id desc limit $3`,
);
