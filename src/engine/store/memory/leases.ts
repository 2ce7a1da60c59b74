/** Nodes, lanes and shard leases on memory tables, as the `cluster` functions of the migration have them. */

import type { Acquired, ClusterView } from "../contract.ts";
import { isLaneOpen, shardEntity, type Tables } from "./tables.ts";

const hourMs = 3_600_000;
const minuteMs = 60_000;

export function register(
  tables: Tables,
  node: { nodeId: string; leaseMs: number; roles: string[]; tasks: string[] },
): void {
  const known = tables.nodes.get(node.nodeId);
  tables.nodes.set(node.nodeId, {
    nodeId: node.nodeId,
    beat: known === undefined ? 0 : known.beat + 1,
    expiresAt: tables.now() + node.leaseMs,
    draining: false,
    health: "HEALTHY",
    roles: [...node.roles],
    tasks: [...node.tasks],
  });
  note(tables, { entity: "node_registry", id: node.nodeId, from: null, to: "HEALTHY", event: "registered" });
}

export function announce(tables: Tables, what: { nodeId: string; tasks: string[] }): void {
  const node = tables.nodes.get(what.nodeId);
  if (node !== undefined && node.health !== "OFFLINE") node.tasks = [...what.tasks];
}

export function beat(tables: Tables, what: { nodeId: string; leaseMs: number; draining: boolean }): boolean {
  const node = tables.nodes.get(what.nodeId);
  if (node === undefined || node.health === "OFFLINE") return false;
  node.beat += 1;
  node.draining = what.draining;
  node.expiresAt = tables.now() + what.leaseMs;
  return true;
}

export function deregister(tables: Tables, nodeId: string): void {
  const node = tables.nodes.get(nodeId);
  if (node === undefined || node.health === "OFFLINE") return;
  node.health = "OFFLINE";
  node.expiresAt = tables.now();
  note(tables, { entity: "node_registry", id: nodeId, from: "HEALTHY", to: "OFFLINE", event: "deregistered" });
}

export function cluster(tables: Tables): ClusterView {
  const now = tables.now();
  const openLanes = (nodeId: string) =>
    [...tables.lanes.values()].filter((lane) => lane.nodeId === nodeId && lane.closedAt === null).length;
  return {
    now,
    routingRevision: tables.routingRevision,
    nodes: [...tables.nodes.values()]
      .map(({ nodeId, beat, expiresAt, draining, roles, tasks }) => ({
        nodeId,
        beat,
        expiresAt,
        draining,
        roles: [...roles],
        tasks: [...tasks],
        openLanes: openLanes(nodeId),
      }))
      .filter((node) => node.expiresAt > now - hourMs || node.openLanes > 0),
    leases: tables.leases.map(({ shard, laneId, epoch }) => ({
      shard,
      laneId,
      nodeId: laneId === null ? null : (tables.lanes.get(laneId)?.nodeId ?? null),
      laneOpen: isLaneOpen(tables, laneId),
      epoch,
    })),
  };
}

export function openLane(tables: Tables, { laneId, nodeId }: { laneId: string; nodeId: string }): void {
  if (!tables.lanes.has(laneId)) tables.lanes.set(laneId, { laneId, nodeId, openedAt: tables.now(), closedAt: null });
}

export function abandonLane(tables: Tables, laneId: string): void {
  for (const lease of tables.leases) {
    if (lease.laneId !== laneId) continue;
    lease.laneId = null;
    lease.epoch += 1;
  }
  const lane = tables.lanes.get(laneId);
  if (lane !== undefined) lane.closedAt ??= tables.now();
}

export function closeLanes(tables: Tables, { nodeId, beat }: { nodeId: string; beat: number }): number {
  const node = tables.nodes.get(nodeId);
  const now = tables.now();
  if (node === undefined || node.beat !== beat || node.expiresAt >= now) return -1;
  let closed = 0;
  for (const lane of tables.lanes.values()) {
    if (lane.nodeId !== nodeId || lane.closedAt !== null) continue;
    lane.closedAt = now;
    closed += 1;
  }
  if (node.health !== "OFFLINE") {
    note(tables, { entity: "node_registry", id: nodeId, from: node.health, to: "OFFLINE", event: "liveness_expired" });
    node.health = "OFFLINE";
  }
  return closed;
}

export function acquire(
  tables: Tables,
  { shard, laneId, nodeId }: { shard: number; laneId: string; nodeId: string },
): Acquired | undefined {
  const lease = tables.leases[shard];
  if (lease === undefined || isLaneOpen(tables, lease.laneId) || !isLaneOpen(tables, laneId)) return undefined;
  const now = tables.now();
  const takenOver = lease.laneId !== null;
  if (!takenOver) lease.takeovers = 0;
  else if (lease.takenOverAt !== null && lease.takenOverAt > now - minuteMs)
    lease.takeovers = Math.min(lease.takeovers + 1, 1000);
  else lease.takeovers = 1;
  lease.takenOverAt = takenOver ? now : null;
  lease.laneId = laneId;
  lease.epoch += 1;
  note(tables, {
    entity: "shard",
    id: shardEntity(shard),
    shard,
    from: takenOver ? "HELD" : "FREE",
    to: "HELD",
    event: takenOver ? "taken_over" : "acquired",
    data: { node: nodeId, lane: laneId, epoch: lease.epoch },
  });
  const { folding, suspect } = lease;
  lease.suspect = takenOver ? (folding ?? suspect) : null;
  lease.folding = null;
  const guilty = takenOver && folding === suspect ? folding : null;
  return { epoch: lease.epoch, takeovers: lease.takeovers, folding: guilty };
}

export function noteFolding(
  tables: Tables,
  { shard, laneId, instanceId }: { shard: number; laneId: string; instanceId: string | null },
): void {
  const lease = tables.leases[shard];
  if (lease === undefined || lease.laneId !== laneId) return;
  if (instanceId === null && lease.folding === lease.suspect) lease.suspect = null;
  lease.folding = instanceId;
}

function note(
  tables: Tables,
  change: {
    entity: "shard" | "node_registry";
    id: string;
    shard?: number;
    from: string | null;
    to: string;
    event: string;
    data?: object;
  },
): void {
  tables.transitions.push({
    shard: change.shard ?? 0,
    entityId: change.id,
    entityType: change.entity,
    from: change.from,
    to: change.to,
    event: change.event,
    data: change.data === undefined ? null : JSON.stringify(change.data),
    at: tables.now(),
  });
}
