/** What the home of a schedule reads, and how the control plane reaches it. */

import { statement } from "../../foundation/database/index.ts";

const ms = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;

/**
 * Timers by the index of those of schedules (an id leads to one shard, and where the shard is named the index may be passed
 * over); the newest starts and the queue by theirs of occurrences. An instance that is gone has ended; the limit of one keeps
 * each from being looked for among all of its shard. In JSON instants come rounded to the milliseconds with which they were
 * written.
 */
export const readSchedules = statement(
  "engine.read_schedules",
  `select x.shard, x.id,
     (select coalesce(json_agg(json_build_object('dueAt', round(${ms("t.due_at")}), 'key', t.timer_key) order by t.due_at, t.timer_key), '[]')
      from workflow_orchestrator_service.timers t
      where t.instance_id = x.id and t.timer_key like '~schedule %') as timers,
     (select coalesce(json_agg(json_build_object('instanceId', s.instance_id, 'plannedAt', round(${ms("s.planned_at")})) order by s.instance_id desc), '[]')
      from (select o.instance_id, o.planned_at from workflow_orchestrator_service.schedule_occurrences o
        where o.shard = x.shard and o.schedule_id = x.id and o.instance_id is not null
        order by o.instance_id desc limit 50) s
      cross join lateral (select w.status from workflow_orchestrator_service.workflow_instances w
        where w.shard = x.shard and w.id = s.instance_id limit 1) i
      where i.status not in ('COMPLETED', 'FAILED', 'CANCELLED')) as running,
     (select coalesce(json_agg(json_build_object('plannedAt', round(${ms("q.planned_at")}), 'backfillId', q.backfill_id) order by q.planned_at), '[]')
      from (select o.planned_at, o.backfill_id from workflow_orchestrator_service.schedule_occurrences o
        where o.shard = x.shard and o.schedule_id = x.id and o.status = 'queued'
        order by o.planned_at limit 1000) q) as queued,
     (select round(${ms("o.planned_at")}) from workflow_orchestrator_service.schedule_occurrences o
      where o.shard = x.shard and o.schedule_id = x.id and o.backfill_id is null
      order by o.planned_at desc limit 1) as "lastPlannedAt"
   from unnest($1::smallint[], $2::uuid[]) x (shard, id)`,
);

export const readQueued = statement(
  "engine.read_queued_schedules",
  `select distinct o.shard, o.schedule_id as id from workflow_orchestrator_service.schedule_occurrences o
   where o.shard = any ($1::smallint[]) and o.status = 'queued' limit $2`,
);
