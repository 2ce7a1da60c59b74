/**
 * What retention removes: old weeks of instances and history, and what lay beside instances that are gone.
 *
 * Every statement may run on several nodes at once. Whatever deletes rows deletes a limited number of them, so that
 * none holds locks or an old snapshot for long.
 */

import { statement } from "../../foundation/database/index.ts";

const instances = "workflow_orchestrator_service.workflow_instances";

/** The present moment, where a retention of $1 ms begins now, and where the first week begins that is not old as a whole. */
export const readHorizon = statement(
  "engine.read_horizon",
  `select h.at, h.horizon, date_trunc('week', h.horizon, 'UTC') as young
   from (select now() as at, now() - $1::float8 * interval '1 millisecond' as horizon) h`,
);

/** Partitions that end before the retention begins ($1), oldest first. */
export const readOldPartitions = statement(
  "engine.read_old_partitions",
  `select p.table_name as "table", p.part, p.begins_at as "beginsAt", p.ends_at as "endsAt"
   from workflow_orchestrator_service.engine_partitions() p where p.ends_at <= $1
   order by p.ends_at, p.part`,
);

/** See the migration. Changes nothing. */
export const lookAtInstances = statement(
  "engine.look_at_instances",
  "select l.verdict, l.kept from workflow_orchestrator_service.engine_look_at_instances_v1($1, $2, $3, $4, $5) l",
);

/** See the migration. 55P03 when the partition or the table is in use. */
export const retireInstances = statement(
  "engine.retire_instances",
  `select r.outcome, r.kept, r.locked_ms as "lockedMs"
   from workflow_orchestrator_service.engine_retire_instances_v2($1, $2, $3, $4, $5) r`,
);

/** See the migration. 55P03 when the partition or the table is in use. */
export const retireHistory = statement(
  "engine.retire_history",
  "select h.outcome, h.readers, h.kept from workflow_orchestrator_service.engine_retire_history_v1($1, $2, $3) h",
);

/**
 * Instances that began at $2 or later and whose own retention has passed at $1, at most $3 of them, the longest expired
 * first. A range of the index of those that have one.
 */
export const readExpired = statement(
  "engine.read_expired",
  `select i.shard, i.id, i.version from ${instances} i
   where i.expires_at is not null and i.expires_at < $1 and i.id >= workflow_orchestrator_service.uuid_floor($2)
   order by i.expires_at limit $3`,
);

/** See the migration: of instances (shards $1, ids $2, versions $3) that are expired at $4, with at most $5 rows of a kind. */
export const deleteInstances = statement(
  "engine.delete_instances",
  "select d.shards, d.ids, d.more from workflow_orchestrator_service.engine_delete_instances_v1($1, $2, $3, $4, $5) d",
);

/** See the migration: of instances that are gone (shards $1, ids $2) at most $3 rows of a kind. */
export const deleteBelongings = statement(
  "engine.delete_belongings",
  "select workflow_orchestrator_service.engine_delete_belongings_v1($1, $2, $3) as deleted",
);

/** At most $2 lines of execution logs whose own retention has passed at $1. A range of the index of those that have one. */
export const deleteExpiredLogs = statement(
  "engine.delete_expired_logs",
  `with page as materialized (
     select l.shard, l.instance_id, l.id, l.recorded_at from workflow_orchestrator_service.execution_logs l
     where l.expires_at is not null and l.expires_at < $1 order by l.expires_at limit $2)
   delete from workflow_orchestrator_service.execution_logs d using page p
   where d.shard = p.shard and d.instance_id = p.instance_id and d.id = p.id and d.recorded_at = p.recorded_at`,
);

/**
 * Looks at the next $5 instances of a week after (shard $1, id $2) and deletes those that are expired as of $6 and $7. `last` is where
 * to go on; there is no row at the end. One range of the primary key.
 */
export const trimInstances = statement(
  "engine.trim_instances",
  `with page as materialized (
     select i.shard, i.id, workflow_orchestrator_service.is_expired(i.status, i.completed_at, i.expires_at, $6, $7) as expired
     from ${instances} i
     where i.id >= workflow_orchestrator_service.uuid_floor($3) and i.id < workflow_orchestrator_service.uuid_floor($4)
       and (i.shard, i.id) > ($1::smallint, $2::uuid)
     order by i.shard, i.id limit $5),
   gone as (delete from ${instances} i using page p where p.expired and i.shard = p.shard and i.id = p.id returning i.id)
   select p.shard, p.id, (select count(*) from gone) as removed from page p order by p.shard desc, p.id desc limit 1`,
);

/**
 * The next three delete what belonged to instances older than $1 that are gone. Old rows are a range of an index (waits:
 * one of each shard), and each is looked up among the instances once, so a round costs as many look-ups as old instances
 * still have rows. Nothing is written for an instance before its own row, except payloads, which are younger than that.
 */
export const deleteStrayWaits = statement(
  "engine.delete_stray_waits",
  `delete from workflow_orchestrator_service.workflow_event_subscriptions s
   where s.ctid = any (array(
     select x.ctid from cluster.shard_leases l cross join lateral (
       select d.ctid from workflow_orchestrator_service.workflow_event_subscriptions d
       where d.shard = l.shard and d.workflow_instance_id < workflow_orchestrator_service.uuid_floor($1)
         and not exists (select from ${instances} i where i.shard = d.shard and i.id = d.workflow_instance_id)
       limit 1000) x
     limit 1000))`,
);

export const deleteStrayPayloads = statement(
  "engine.delete_stray_payloads",
  `delete from workflow_orchestrator_service.payloads p
   where p.ctid = any (array(
     select d.ctid from workflow_orchestrator_service.payloads d
     where d.instance_id < workflow_orchestrator_service.uuid_floor($1)
       and not exists (select from ${instances} i where i.shard = d.shard and i.id = d.instance_id)
     limit 1000))`,
);

/** Instances take their timers back when they end; this is for those that an operator ended. Reads all timers' keys. */
export const deleteStrayTimers = statement(
  "engine.delete_stray_timers",
  `delete from workflow_orchestrator_service.timers t
   where t.ctid = any (array(
     select d.ctid from workflow_orchestrator_service.timers d
     where d.instance_id < workflow_orchestrator_service.uuid_floor($1)
       and not exists (select from ${instances} i where i.shard = d.shard and i.id = d.instance_id)
     limit 1000))`,
);

/** See the migration. Nearly always looks at a dozen rows of a catalog and changes nothing. */
export const forgetEmptiness = statement(
  "engine.forget_emptiness",
  "select workflow_orchestrator_service.engine_forget_emptiness_v1() as forgotten",
);
