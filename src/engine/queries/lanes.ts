/** Lanes, leases, nodes and the flush. Multi-row locks go node row, lane row, shard rows in ascending order. */

import { statement } from "../../foundation/database/index.ts";

const ms = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`;

export const readSettings = statement(
  "engine.read_settings",
  `select shards, ${ms("clock_timestamp()")} as now from cluster.cluster_settings`,
);

export const registerNode = statement(
  "engine.register_node",
  `with registered as (
     insert into cluster.node_registrations as n
       (node_id, node_type, node_version, capabilities, endpoints, metadata, health_status, last_heartbeat, expires_at)
     values ($1, 'engine', $2, $3, $4, $5, 'HEALTHY', now(), now() + $6::int * interval '1 millisecond')
     on conflict (node_id) do update set capabilities = excluded.capabilities, endpoints = excluded.endpoints,
       metadata = excluded.metadata, health_status = 'HEALTHY', last_heartbeat = now(), updated_at = now(),
       beat = n.beat + 1, expires_at = excluded.expires_at, draining = false
     returning n.node_id)
   insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event, transition_data)
   select 0, 'default', r.node_id::uuid, 'node_registry', null, 'HEALTHY', 'registered', $5::jsonb from registered r`,
);

/** Not `registerNode`: that would bring back to life a node whose lanes others have closed. */
export const announceHandlers = statement(
  "engine.announce_handlers",
  `update cluster.node_registrations n set capabilities = $2, updated_at = now()
   where n.node_id = $1 and n.health_status <> 'OFFLINE'`,
);

export const beat = statement("engine.beat", "select cluster.beat_v1($1, $2, $3) as registered");

export const deregisterNode = statement(
  "engine.deregister_node",
  `with gone as (
     update cluster.node_registrations n set health_status = 'OFFLINE', updated_at = now(), expires_at = now()
     where n.node_id = $1 and n.health_status <> 'OFFLINE' returning n.node_id)
   insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event)
   select 0, 'default', g.node_id::uuid, 'node_registry', 'HEALTHY', 'OFFLINE', 'deregistered' from gone g`,
);

/** One row with both lists: a node looks at the cluster every few seconds, and this is one statement. */
export const readCluster = statement(
  "engine.read_cluster",
  `select ${ms("now()")} as now, (select r.revision from event_processing_service.routing_revision r) as "routingRevision",
     (select coalesce(jsonb_agg(jsonb_build_object('nodeId', n.node_id, 'beat', n.beat, 'expiresAt', ${ms("n.expires_at")},
        'draining', n.draining, 'roles', n.capabilities->'roles', 'tasks', n.capabilities->'tasks',
        'openLanes', (select count(*) from cluster.lanes l where l.node_id = n.node_id and l.closed_at is null))), '[]')
      from cluster.node_registrations n
      where n.expires_at > now() - interval '1 hour'
         or exists (select 1 from cluster.lanes l where l.node_id = n.node_id and l.closed_at is null)) as nodes,
     (select coalesce(jsonb_agg(jsonb_build_object('shard', s.shard, 'laneId', s.lane_id, 'nodeId', l.node_id,
        'laneOpen', l.lane_id is not null and l.closed_at is null, 'epoch', s.epoch) order by s.shard), '[]')
      from cluster.shard_leases s left join cluster.lanes l on l.lane_id = s.lane_id) as leases`,
);

/** A second time is the same lane: the first answer was lost. */
export const openLane = statement(
  "engine.open_lane",
  "insert into cluster.lanes (lane_id, node_id) values ($1, $2) on conflict do nothing",
);
export const abandonLane = statement("engine.abandon_lane", "select cluster.abandon_lane_v1($1)");
export const closeLanes = statement("engine.close_lanes", "select cluster.close_lanes_v1($1, $2) as closed");

/** Ends whoever keeps a backend waiting: a paused client's statement holds its locks for ever. */
export const endBlockers = statement(
  "engine.end_blockers",
  "select count(pg_terminate_backend(b.pid)) as ended from unnest(pg_blocking_pids($1)) b (pid)",
);

export const acquireShard = statement(
  "engine.acquire_shard",
  "select a.epoch, a.takeovers, a.folding from cluster.acquire_shard_v1($1, $2, $3) a",
);

export const noteFolding = statement(
  "engine.note_folding",
  `update cluster.shard_leases set folding = $3,
     suspect = case when $3::uuid is null and folding = suspect then null else suspect end
   where shard = $1 and lane_id = $2`,
);

export const flush = statement(
  "engine.flush",
  `select f.outcome, ${ms("f.at")} as at
   from workflow_orchestrator_service.flush_v2($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) f`,
);

/** As `flush`, of a batch that has to do with events or schedules. */
export const flushWithEvents = statement(
  "engine.flush_with_events",
  `select f.outcome, ${ms("f.at")} as at
   from workflow_orchestrator_service.flush_v3($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) f`,
);

export const notify = statement("engine.notify", "select pg_notify($1, $2)");

export const ensurePartitions = statement(
  "engine.ensure_partitions",
  `select workflow_orchestrator_service.engine_ensure_partitions(now() - interval '1 day', now() + interval '8 days') as made`,
);
