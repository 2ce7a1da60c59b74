/** The verbs of the room. */
import type { Db } from "../foundation/database/index.ts";
import { type Freshness, freshnessOf, keepOfflineMs } from "./model.ts";
import { listNodes, type NodeRow, removeOldRegistrations } from "./queries.ts";

export interface NodeView extends Omit<NodeRow, "lastHeartbeat" | "silentMs" | "leaseExpired"> {
  lastHeartbeat?: string;
  freshness: Freshness;
  /** Whether others may take its shards over; they do as soon as they have seen it. */
  leaseExpired: boolean;
}

/** A cluster has machines, not thousands of them. */
const mostNodes = 500;

/** Every registered node, the newest first. */
export async function readNodes(db: Db): Promise<NodeView[]> {
  const rows = await db.query<NodeRow>(listNodes, [mostNodes]);
  return rows.map(({ lastHeartbeat, silentMs, leaseExpired, ...row }) => ({
    ...row,
    ...(lastHeartbeat !== null && { lastHeartbeat }),
    freshness: freshnessOf({ healthStatus: row.healthStatus, silentMs }),
    leaseExpired,
  }));
}

/** Removes registrations that have been OFFLINE for a day, at most a hundred at a time; gives how many. */
export async function forgetOldNodes(db: Db, { olderThanMs = keepOfflineMs } = {}): Promise<number> {
  return (await db.execute(removeOldRegistrations, [olderThanMs])).rowCount;
}
