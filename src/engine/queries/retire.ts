/** Ends what dead programs left open, for whoever knows that they are dead. */
import { statement } from "../../foundation/database/index.ts";

/** Their leases end now; gives what `closeLanes` asks for. */
export const expireNodes = statement(
  "engine.expire_nodes",
  `update cluster.node_registrations n set expires_at = now() - interval '1 millisecond'
   where n.health_status <> 'OFFLINE'
     or exists (select from cluster.lanes l where l.node_id = n.node_id and l.closed_at is null)
   returning n.node_id as "nodeId", n.beat`,
);

/** A lane whose node was never registered, or was forgotten. */
export const closeStrayLanes = statement(
  "engine.close_stray_lanes",
  `update cluster.lanes l set closed_at = now()
   where l.closed_at is null
     and not exists (select from cluster.node_registrations n where n.node_id = l.node_id)`,
);
