/** The room's SQL: it reads nodes and leases, which the engine writes, and removes registrations nobody needs. */
import { statement } from "../foundation/database/index.ts";

export interface NodeRow {
  nodeId: string;
  nodeType: string;
  nodeVersion: string;
  capabilities: Record<string, unknown>;
  endpoints: Record<string, unknown>;
  metadata: Record<string, unknown>;
  healthStatus: "HEALTHY" | "DEGRADED" | "UNHEALTHY" | "UNKNOWN" | "OFFLINE";
  lastHeartbeat: string | null;
  registeredAt: string;
  updatedAt: string;
  draining: boolean;
  /** Milliseconds since the last heartbeat by the database's clock. */
  silentMs: number | null;
  leaseExpired: boolean;
  shards: number[];
}

/** Nodes with the newest first; there are as many as machines, and registrations of dead ones go after a day. */
export const listNodes = statement(
  "cluster.list_nodes",
  `select n.node_id as "nodeId", n.node_type as "nodeType", n.node_version as "nodeVersion", n.capabilities, n.endpoints,
     n.metadata, n.health_status as "healthStatus", n.last_heartbeat as "lastHeartbeat", n.registered_at as "registeredAt",
     n.updated_at as "updatedAt", n.draining,
     (extract(epoch from now() - n.last_heartbeat) * 1000)::float8 as "silentMs",
     n.expires_at < now() as "leaseExpired",
     coalesce((select jsonb_agg(s.shard order by s.shard) from cluster.lanes l join cluster.shard_leases s on s.lane_id = l.lane_id
       where l.node_id = n.node_id and l.closed_at is null), '[]') as shards
   from cluster.node_registrations n
   order by n.registered_at desc, n.node_id
   limit $1`,
);

/** In small batches: a registration is removed only when nothing points to its node any more. */
export const removeOldRegistrations = statement(
  "cluster.remove_old_registrations",
  `delete from cluster.node_registrations n
   where n.node_id in (
     select o.node_id from cluster.node_registrations o
     where o.health_status = 'OFFLINE' and o.updated_at < now() - $1::float8 * interval '1 millisecond'
       and not exists (select from cluster.lanes l where l.node_id = o.node_id and l.closed_at is null)
     order by o.node_id
     limit 100
     for update skip locked)`,
);
