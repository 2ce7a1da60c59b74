/** Events: what intake writes and what routing and look-back read. */

import { statement } from "../../foundation/database/index.ts";

const ms = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;

/** One row with `stale` set, or one for each event that is new; an event without a row was accepted before. */
export const acceptEvents = statement(
  "engine.accept_events",
  `select a.event as id, a.stale, a.inbox_shard as shard, a.inbox_id as "inboxId", ${ms("a.accepted_at")} as at
   from event_processing_service.accept_events_v1($1, $2) a`,
);

/** The first events with these keys: an index look-up each. `n` counts from 1. */
export const firstEvents = statement(
  "engine.first_events",
  `select x.n::integer, k.id, k.event_id as "eventId", ${ms("k.accepted_at")} as at
   from unnest($1::smallint[], $2::text[], $3::text[], $4::text[]) with ordinality x (shard, namespace, source_key, event_id, n)
   join event_processing_service.event_keys k
     on k.shard = x.shard and k.namespace = x.namespace and k.source_key = x.source_key and k.event_id = x.event_id`,
);

const eventColumns = `e.shard, e.id, e.namespace, e.event_id as "eventId", e.pattern, e.version, e.source, e.source_key as "sourceKey",
  ${ms('e."timestamp"')} as timestamp, e.payload, e.metadata, e.partition_key as "partitionKey", ${ms("e.accepted_at")} as "acceptedAt"`;

export const readEvents = statement(
  "engine.read_events",
  `select ${eventColumns}
   from unnest($1::smallint[], $2::uuid[]) x (shard, id)
   cross join lateral (
     select * from event_processing_service.event_instances w where w.shard = x.shard and w.id = x.id) e`,
);

/**
 * The open waits with these keys and the revision, of one snapshot. As json, for there is one row whatever is found. The limit,
 * which is never reached, keeps the planner from hashing all open waits: a plan that is made while there are few of them
 * would do so for ever, and read all of them for each event. The keys come as jsonb, whose length the planner does not look
 * at: a plan for all is as good as one for each, so it is made once.
 */
export const readWaitsFor = statement(
  "engine.read_waits_for",
  `select r.revision,
     (select coalesce(json_agg(json_build_array(x.n - 1, s.shard, s.workflow_instance_id, s.path)
          order by x.n, s.created_at, s.workflow_instance_id, s.path), '[]')
      from jsonb_array_elements($1::jsonb) with ordinality x (e, n)
      cross join lateral (
        select w.shard, w.workflow_instance_id, w.path, w.created_at
        from workflow_orchestrator_service.workflow_event_subscriptions w
        where w.namespace = x.e->>0 and w.event_pattern = x.e->>1 and w.match_key = x.e->>2 and w.status = 'active'
        limit 100000000) s) as waits
   from event_processing_service.routing_revision r`,
);

export const readRoutingRevision = statement(
  "engine.read_routing_revision",
  "select r.revision from event_processing_service.routing_revision r",
);

/**
 * Look-back: by key, or by the name where a wait has none. Ids are in order of time, and an event's is made shortly before
 * it is accepted, so the ranges begin a little before `since`. What was accepted before its shape was known, or while it
 * became so, has no key and is found by its name; what it has too is found twice.
 */
export const lookBack = statement(
  "engine.look_back",
  `select y.n::integer, ${eventColumns}
   from (
     select x.*, r.revision, to_timestamp(x.since / 1000) as since_at,
       coalesce(x.after, workflow_orchestrator_service.uuid_floor(to_timestamp(x.since / 1000) - interval '10 seconds')) as floor,
       case when x.key is null then 'ffffffff-ffff-ffff-ffff-ffffffffffff'
         else coalesce(workflow_orchestrator_service.uuid_floor(r.registered_at + interval '10 seconds'),
           '00000000-0000-0000-0000-000000000000') end as keyless
     from unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::uuid[], $7::text[])
       with ordinality x (namespace, pattern, key, since, after, names, n)
     left join lateral (
       select max(s.registered_at) as registered_at, max(s.revision) as revision
       from event_processing_service.event_wait_shapes s
       where x.key is not null and s.namespace = x.namespace and s.pattern = x.pattern
       having max(s.registered_at) + interval '3 seconds' > to_timestamp(x.since / 1000)) r on true) y
   cross join lateral (
     select k.* from (
       select v.* from (
         select m.shard, m.id from event_processing_service.event_match_keys m
         where y.key is not null and m.namespace = y.namespace and m.match_key = y.key and m.id > y.floor
         order by m.id) f
       cross join lateral (
         select * from event_processing_service.event_instances w
         where w.shard = f.shard and w.id = f.id and w.accepted_at >= y.since_at) v
       limit $6) k
     union all
     select n.* from (
       select w.* from event_processing_service.event_instances w
       where y.names is null and w.namespace = y.namespace and w.pattern = y.pattern and w.id > y.floor
         and w.id < y.keyless and (y.key is null or w.keys_revision < y.revision) and w.accepted_at >= y.since_at
       order by w.id limit $6) n
     union all
     select o.* from (
       select w.* from event_processing_service.event_instances w
       where y.names is not null and w.namespace = y.namespace and w.id > y.floor and w.id < y.keyless
         and w.keys_revision < y.revision and w.pattern ~ y.names and w.accepted_at >= y.since_at
       order by w.id limit $6) o) e
   order by y.n, e.id`,
);

/** The seconds are for clocks: of whoever wrote the floor, and of a database that has failed over to a slower one. */
export const readOpenWaits = statement(
  "engine.read_open_waits",
  `select s.shard, s.workflow_instance_id as "instanceId", s.path, s.namespace, s.event_pattern as pattern, s.match_key as key,
     ${ms("coalesce(s.since, s.created_at)")} as since, ${ms("s.created_at")} as "openedAt"
   from unnest($1::smallint[]) x (shard)
   left join event_processing_service.look_back_floors f on f.shard = x.shard
   cross join lateral (
     select * from workflow_orchestrator_service.workflow_event_subscriptions w
     where w.shard = x.shard and w.status = 'active' and w.created_at >= coalesce(f.floor - interval '10 seconds', '-infinity')) s`,
);

/** Most programs wait as others do: nothing is new then, and nothing changes. */
export const registerShapes = statement(
  "engine.register_shapes",
  `with wanted as (
     select e->>0 as namespace, e->>1 as pattern, array(select jsonb_array_elements_text(e->2)) as paths
     from jsonb_array_elements($1::jsonb) e
   ), changed as materialized (
     select event_processing_service.routing_changed() as revision
     where exists (
       select from wanted w where not exists (
         select from event_processing_service.event_wait_shapes s
         where s.namespace = w.namespace and s.pattern = w.pattern and s.paths = w.paths)))
   insert into event_processing_service.event_wait_shapes (namespace, pattern, paths, revision)
   select w.namespace, w.pattern, w.paths, c.revision from wanted w cross join changed c
   on conflict do nothing`,
);

export const readShapes = statement(
  "engine.read_shapes",
  `select r.revision,
     (select coalesce(json_agg(json_build_object('namespace', s.namespace, 'pattern', s.pattern, 'paths', s.paths)), '[]')
      from event_processing_service.event_wait_shapes s) as shapes
   from event_processing_service.routing_revision r`,
);

/** Few have one correlation, of one workflow there may be many: the workflow is no way to find them. */
export const readOpenInstances = statement(
  "engine.read_open_instances",
  `select i.shard, i.id from workflow_orchestrator_service.workflow_instances i
   where i.namespace = $1 and i.correlation_id = $2 and (i.workflow_id = $3) is true and i.status not in ('COMPLETED', 'FAILED', 'CANCELLED')
   order by i.id limit $4`,
);

export const deleteExpiredEventKeys = statement(
  "engine.delete_expired_event_keys",
  `delete from event_processing_service.event_keys k
   where ctid = any (array(select d.ctid from event_processing_service.event_keys d where d.expires_at < now() limit 1000))`,
);

/** See the migration: gives the name of what was dropped, or null. 55P03 when it is in use. */
export const dropOldEvents = statement(
  "engine.drop_old_events",
  "select event_processing_service.drop_old_events_v1($1) as dropped",
);

/** What became of planned times before $1. The index by time knows ranges of pages only. */
export const deleteOldOccurrences = statement(
  "engine.delete_old_occurrences",
  `delete from workflow_orchestrator_service.schedule_occurrences o
   where ctid = any (array(
     select d.ctid from workflow_orchestrator_service.schedule_occurrences d where d.occurred_at < $1 limit 1000))`,
);
