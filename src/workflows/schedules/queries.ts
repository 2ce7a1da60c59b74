/** The SQL of schedules. */
import type { OccurrenceStatus, OverlapPolicy } from "../../engine/index.ts";
import { type Db, statement } from "../../foundation/database/index.ts";
import type { ScheduleSettings, ScheduleStatus } from "./model.ts";

/** What the home needs: the row alone. */
export interface HomeRow extends ScheduleSettings {
  id: string;
  namespace: string;
  stored: "active" | "paused";
  anchorAt: string;
  plannedFrom: string;
  pausedAt: string | null;
  revision: number;
  version: number;
}

/** What people see: with what follows from its occurrences. */
export interface ScheduleRow extends HomeRow {
  status: ScheduleStatus;
  createdBy: string | null;
  createdAt: string;
  updatedAt: string;
  fired: number;
  lastExecuted: string | null;
  lastStatus: OccurrenceStatus | null;
  lastReason: string | null;
}

/** The home shard of a schedule, whose slot is the second value. */
const shard = "(select ($2::int % c.shards)::smallint from cluster.cluster_settings c)";

const homeColumns = `s.id, s.namespace, s.name, s.description, s.kind, s.target_type as "targetType", s.target_id as "targetId",
  s.target_version as "targetVersion", s.cron_expression as "cronExpression", s.interval_ms::float8 as "intervalMs",
  s.execute_at as "executeAt", s.timezone, s.start_date as "startDate", s.end_date as "endDate", s.anchor_at as "anchorAt",
  s.jitter_ms::float8 as "jitterMs", s.overlap_policy as "overlapPolicy", s.catch_up_ms::float8 as "catchUpMs", s.input,
  s.correlation_id as "correlationId", s.priority, s.status as stored, s.planned_from as "plannedFrom", s.paused_at as "pausedAt",
  s.revision, s.version`;

/** What failed last is an error until something else happens; what has no time left is completed. */
const statusColumn = `case when s.status = 'paused' then 'paused' when o.status = 'failed' then 'error'
  when s.final_at + s.jitter_ms * interval '1 millisecond' < now() then 'completed' else 'active' end`;

const scheduleColumns = `${homeColumns}, ${statusColumn} as status, s.created_by as "createdBy", s.created_at as "createdAt",
  s.updated_at as "updatedAt", coalesce(f.fired, 0)::float8 as fired, f.last as "lastExecuted", o.status as "lastStatus", o.reason as "lastReason"`;

const scheduleRows = `workflow_orchestrator_service.schedules s
   left join lateral (select w.status, w.reason from workflow_orchestrator_service.schedule_occurrences w
     where w.schedule_id = s.id order by w.planned_at desc limit 1) o on true
   left join lateral (select sum(t.fired) as fired, max(t.last_fired_at) as last
     from workflow_orchestrator_service.trigger_firings t where t.trigger_id = s.id) f on true`;

export const insertSchedule = statement(
  "workflows.insert_schedule",
  `insert into workflow_orchestrator_service.schedules
     (id, namespace, name, description, kind, target_type, target_id, target_version, cron_expression, interval_ms, execute_at,
      timezone, start_date, end_date, jitter_ms, overlap_policy, catch_up_ms, input, correlation_id, priority, anchor_at, status,
      planned_from, paused_at, final_at, created_by)
   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $21,
     $23, $24, $25)
   on conflict (namespace, name) do nothing`,
);

/** By its id or its name. */
export const readSchedule = statement(
  "workflows.read_schedule",
  `select ${scheduleColumns} from ${scheduleRows} where s.namespace = $1 and s.id = $2`,
);

export const findSchedule = statement(
  "workflows.find_schedule",
  "select s.id from workflow_orchestrator_service.schedules s where s.namespace = $1 and s.name = $2",
);

export const lockSchedule = statement(
  "workflows.lock_schedule",
  `select ${homeColumns}, now() as "now" from workflow_orchestrator_service.schedules s
   where s.namespace = $1 and s.id = $2 for update`,
);

export const readHomes = statement(
  "workflows.read_schedule_homes",
  `select ${homeColumns} from workflow_orchestrator_service.schedules s where s.id = any ($1::uuid[])`,
);

export const isNameTaken = statement(
  "workflows.is_schedule_name_taken",
  `select exists (select from workflow_orchestrator_service.schedules s
     where s.namespace = $1 and s.name = $2 and s.id <> $3) as taken`,
);

export const updateSchedule = statement(
  "workflows.update_schedule",
  `update workflow_orchestrator_service.schedules set
     name = $2, description = $3, kind = $4, target_type = $5, target_id = $6, target_version = $7, cron_expression = $8,
     interval_ms = $9, execute_at = $10, timezone = $11, start_date = $12, end_date = $13, jitter_ms = $14, overlap_policy = $15,
     catch_up_ms = $16, input = $17, correlation_id = $18, priority = $19, anchor_at = $20, status = $21, planned_from = $22,
     paused_at = $23, final_at = $24, revision = $25, version = version + 1, updated_at = now()
   where id = $1`,
);

export const deleteSchedule = statement(
  "workflows.delete_schedule",
  "delete from workflow_orchestrator_service.schedules where id = $1",
);

/** Each time is later than the one before, and none is a planned one of whole seconds. */
export const takeTriggerTime = statement(
  "workflows.take_schedule_trigger_time",
  `update workflow_orchestrator_service.schedules s set triggered_at = greatest(
     date_trunc('milliseconds', clock_timestamp())
       + case when date_trunc('second', clock_timestamp()) = date_trunc('milliseconds', clock_timestamp())
         then interval '1 millisecond' else interval '0' end,
     s.triggered_at + interval '1 millisecond')
   where s.id = $1 returning s.triggered_at as "plannedAt"`,
);

export interface ListFilter {
  namespace: string;
  status?: ScheduleStatus;
  targetId?: string;
  /** A part of the name, in any case. */
  name?: string;
  /** The id below which to go on. */
  before?: string;
  limit: number;
}

/** Newest first. The filters are the client's choice, so this list is assembled. */
export function listScheduleRows(db: Db, filter: ListFilter): Promise<ScheduleRow[]> {
  const values: unknown[] = [filter.namespace];
  const bind = (value: unknown) => `$${values.push(value)}`;
  const where = ["s.namespace = $1"];
  if (filter.status !== undefined) where.push(`${statusColumn} = ${bind(filter.status)}`);
  if (filter.targetId !== undefined) where.push(`s.target_id = ${bind(filter.targetId)}`);
  if (filter.name !== undefined) where.push(`s.name ilike ${bind(`%${filter.name.replace(/[\\%_]/g, "\\$&")}%`)}`);
  if (filter.before !== undefined) where.push(`s.id < ${bind(filter.before)}::uuid`);
  const text = `select ${scheduleColumns} from ${scheduleRows}
    where ${where.join(" and ")} order by s.id desc limit ${bind(filter.limit)}::int`;
  return db.unnamed<ScheduleRow>(text, values);
}

export interface OccurrenceRow {
  plannedAt: string;
  status: OccurrenceStatus;
  reason: string | null;
  instanceId: string | null;
  backfillId: string | null;
  occurredAt: string;
}

/** Newest planned time first. The filters are the client's choice, so this list is assembled. */
export function listOccurrenceRows(
  db: Db,
  filter: { scheduleId: string; status?: OccurrenceStatus; backfillId?: string; before?: string; limit: number },
): Promise<OccurrenceRow[]> {
  const values: unknown[] = [filter.scheduleId];
  const bind = (value: unknown) => `$${values.push(value)}`;
  const where = ["o.schedule_id = $1"];
  if (filter.status !== undefined) where.push(`o.status = ${bind(filter.status)}`);
  if (filter.backfillId !== undefined) where.push(`o.backfill_id = ${bind(filter.backfillId)}::uuid`);
  if (filter.before !== undefined) where.push(`o.planned_at < ${bind(filter.before)}::timestamptz`);
  const text = `select o.planned_at as "plannedAt", o.status, o.reason, o.instance_id as "instanceId", o.backfill_id as "backfillId",
      o.occurred_at as "occurredAt"
    from workflow_orchestrator_service.schedule_occurrences o
    where ${where.join(" and ")} order by o.planned_at desc limit ${bind(filter.limit)}::int`;
  return db.unnamed<OccurrenceRow>(text, values);
}

/** The newest occurrences that have an instance, and how it goes with it; and how many wait. */
export const readProgress = statement(
  "workflows.read_schedule_progress",
  `select (select count(*)::int from workflow_orchestrator_service.schedule_occurrences q
      where q.schedule_id = $1 and q.status = 'queued' and q.shard = ${shard}) as queued,
     (select s.instance_id from (select o.instance_id from workflow_orchestrator_service.schedule_occurrences o
        where o.shard = ${shard} and o.schedule_id = $1 and o.instance_id is not null order by o.instance_id desc limit 50) s
      cross join lateral (select w.status from workflow_orchestrator_service.workflow_instances w
        where w.shard = ${shard} and w.id = s.instance_id limit 1) i
      where i.status not in ('COMPLETED', 'FAILED', 'CANCELLED') limit 1) as "runningId"`,
);

export interface BackfillRow {
  id: string;
  from: string;
  until: string;
  overlapPolicy: OverlapPolicy;
  total: number;
  cancelledAt: string | null;
  requestedBy: string | null;
  createdAt: string;
  /** Times that its facts in the inbox still hold. */
  waiting: number;
  counts: Partial<Record<OccurrenceStatus, number>>;
}

/** The inbox is read by the shard of the schedule: a range of its primary key, which is short. */
const backfillColumns = `b.id, b.from_at as "from", b.until_at as "until", b.overlap_policy as "overlapPolicy", b.total,
  b.cancelled_at as "cancelledAt", b.requested_by as "requestedBy", b.created_at as "createdAt",
  (select coalesce(sum(jsonb_array_length(x.fact->'plannedAt')), 0)::int from workflow_orchestrator_service.inbox x
    where x.shard = ${shard} and x.kind = 'SCHEDULE' and x.instance_id = $1 and x.fact->>'backfillId' = b.id::text) as waiting,
  (select coalesce(json_object_agg(c.status, c.n), '{}') from (select o.status, count(*) as n
      from workflow_orchestrator_service.schedule_occurrences o where o.backfill_id = b.id group by o.status) c) as counts`;

export const readBackfill = statement(
  "workflows.read_schedule_backfill",
  `select ${backfillColumns} from workflow_orchestrator_service.schedule_backfills b where b.schedule_id = $1 and b.id = $3`,
);

export const listBackfills = statement(
  "workflows.list_schedule_backfills",
  `select ${backfillColumns} from workflow_orchestrator_service.schedule_backfills b
   where b.schedule_id = $1 and b.id < $3 order by b.id desc limit $4`,
);

/** A backfill whose facts have not all been taken by the schedule's home. */
export const isBackfillRunning = statement(
  "workflows.is_schedule_backfill_running",
  `select exists (select from workflow_orchestrator_service.inbox x
     where x.shard = ${shard} and x.kind = 'SCHEDULE' and x.instance_id = $1 and x.fact->>'kind' = 'backfill') as running`,
);

/**
 * What is known of planned times in a range: those that have run or wait to, and up to where the home has decided. One
 * statement, so one view of what the home's flushes wrote.
 */
export const readDecided = statement(
  "workflows.read_schedule_decided",
  `select (select coalesce(json_agg(round((extract(epoch from o.planned_at) * 1000)::float8)), '[]')
      from workflow_orchestrator_service.schedule_occurrences o
      where o.shard = ${shard} and o.schedule_id = $1 and o.planned_at between $3 and $4
        and (o.instance_id is not null or o.status = 'queued')) as ran,
     (select array_agg(t.timer_key) from workflow_orchestrator_service.timers t
      where t.instance_id = $1 and t.timer_key like '~schedule %') as timers`,
);

export const insertBackfill = statement(
  "workflows.insert_schedule_backfill",
  `insert into workflow_orchestrator_service.schedule_backfills
     (id, namespace, schedule_id, from_at, until_at, overlap_policy, total, requested_by)
   values ($1, $2, $3, $4, $5, $6, $7, $8)`,
);

export const cancelBackfill = statement(
  "workflows.cancel_schedule_backfill",
  `update workflow_orchestrator_service.schedule_backfills b set cancelled_at = coalesce(b.cancelled_at, now())
   where b.schedule_id = $1 and b.id = $2`,
);

/** Backfills that were cancelled, of several schedules. */
export const readCancelledBackfills = statement(
  "workflows.read_cancelled_schedule_backfills",
  `select b.id from workflow_orchestrator_service.schedule_backfills b
   where b.schedule_id = any ($1::uuid[]) and b.cancelled_at is not null`,
);
