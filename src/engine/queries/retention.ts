/**
 * What retention removes: old weeks of instances and history, and what lay beside instances that are gone.
 *
 * Every statement may run on several nodes at once. Whatever deletes rows deletes a limited number of them, so that
 * none holds locks or an old snapshot for long.
 */

import { statement } from "../../foundation/database/index.ts";

const instances = "workflow_orchestrator_service.workflow_instances";

/** Partitions that end before the retention ($1, in ms) begins, oldest first, with the instant at which it begins. */
export const readOldPartitions = statement(
  "engine.read_old_partitions",
  `select p.table_name as "table", p.part, p.begins_at as "beginsAt", p.ends_at as "endsAt", h.horizon
   from (select now() - $1::float8 * interval '1 millisecond' as horizon) h
   join workflow_orchestrator_service.engine_partitions() p on p.ends_at <= h.horizon
   order by p.ends_at, p.part`,
);

/** See the migration. 55P03 when the partition or the table is in use. */
export const retireInstances = statement(
  "engine.retire_instances",
  `select r.outcome, r.kept, r.locked_ms as "lockedMs"
   from workflow_orchestrator_service.engine_retire_instances_v1($1, $2, $3, $4) r`,
);

/** See the migration. 55P03 when the partition or the table is in use. */
export const dropHistory = statement(
  "engine.drop_history",
  "select d.outcome, d.readers from workflow_orchestrator_service.engine_drop_history_v1($1, $2) d",
);

/**
 * Looks at the next $5 instances of a week after (shard $1, id $2) and deletes those that are expired. `last` is where
 * to go on; there is no row at the end. One range of the primary key.
 */
export const trimInstances = statement(
  "engine.trim_instances",
  `with page as materialized (
     select i.shard, i.id, workflow_orchestrator_service.is_expired(i.status, i.completed_at, $6) as expired
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
