/**
 * Which shards this node owns: it takes those that rendezvous hashing gives it, hands over those that belong to another
 * live node, and closes the lanes of nodes whose beat has stopped (PROTOCOLS 2).
 */

import { createHash } from "node:crypto";
import { type ClusterView, type NodeRow, StoreError } from "../store/contract.ts";
import { parkedChange } from "../store/rows.ts";
import type { Core, OwnedShard } from "./core.ts";
import { sayParked } from "./engine_lines.ts";
import type { Turns } from "./turns.ts";
import { addExtra, emptyWork } from "./work.ts";

export interface Ownership {
  /** Looks at the cluster once: rescues, acquires, hands over. */
  tick(): Promise<void>;
  /** Hands every shard over. */
  releaseAll(): Promise<void>;
  /** Whether other nodes could take shards now. */
  readonly othersLive: boolean;
}

export interface OwnershipReactions {
  /** A shard has been acquired: load what is due, open it, fold its ready instances. */
  acquired(shards: OwnedShard[]): Promise<void>;
  /** A shard is being let go: its running steps with the paths that go on here. */
  runsOf(shard: number): { path: string; resident: Parameters<Turns["forget"]>[0] }[];
  released(shard: number): void;
  /** The runner of these awaited steps is gone, or their time is up. */
  abandoned(what: { instanceId: string; shard: number; path: string }): void;
}

const takeoversUntilCareful = 2;

export function createOwnership(core: Core, turns: Turns, reactions: OwnershipReactions): Ownership {
  /** The first look at a beat that has not changed since. */
  const observed = new Map<string, { beat: number; atMs: number }>();
  /** The last look met no fault of the store. */
  let sighted = false;
  let othersLive = false;

  async function tick(): Promise<void> {
    // While the store was away nobody could beat: whoever lives gets the time to do so.
    if (!sighted) observed.clear();
    sighted = false;
    await look();
    sighted = true;
  }

  async function look(): Promise<void> {
    const { lane } = core;
    const askedMs = core.clock.monotonicMs();
    const view = await core.store.cluster();
    if (core.clock.monotonicMs() - askedMs > core.leaseMs / 2) observed.clear();
    core.time.learn(view.now);
    core.routing.atLeast(view.routingRevision).catch((error: unknown) => {
      core.log.debug({ err: error }, "where events go cannot be read; it is read when the next event comes");
    });
    await rescue(view);
    if (core.stopping || lane !== core.lane) return;
    if (lane.opened && view.nodes.some((node) => node.nodeId === core.nodeId && node.openLanes === 0)) {
      // Without shards nothing is flushed, and no flush would ever say so.
      lane.lose("others closed it");
      return;
    }
    const live = view.nodes.filter((node) => isLive(node, view.now));
    othersLive = live.some((node) => node.nodeId !== core.nodeId);
    // A node that the others take for dead must not compete with them.
    if (!live.some((node) => node.nodeId === core.nodeId)) return;
    noteHandlers(live);
    abandonAwaited(view);
    const mine = new Set<number>();
    for (let shard = 0; shard < core.shardCount; shard++) {
      if (preferred(shard, live) === core.nodeId) mine.add(shard);
    }
    await acquire(view, mine);
    const surplus = [...core.shards.values()].filter((owned) => owned.phase === "open" && !mine.has(owned.shard));
    if (surplus.length > 0) await release(surplus);
  }

  /** Which live nodes have which handlers: a step without one here goes to one of them. */
  function noteHandlers(live: NodeRow[]): void {
    core.handlersElsewhere.clear();
    for (const { nodeId, tasks } of live) {
      if (nodeId === core.nodeId) continue;
      for (const taskId of tasks) {
        const nodes = core.handlersElsewhere.get(taskId);
        if (nodes === undefined) core.handlersElsewhere.set(taskId, [nodeId]);
        else nodes.push(nodeId);
      }
    }
  }

  function isLive(node: NodeRow, now: number): boolean {
    return node.expiresAt > now && !node.draining && node.roles.includes("engine");
  }

  /** A dead node's lanes are closed when its beat has expired and was seen unchanged for half a lease. */
  async function rescue(view: ClusterView): Promise<void> {
    const now = core.clock.monotonicMs();
    for (const node of view.nodes) {
      if (node.nodeId === core.nodeId || node.openLanes === 0) {
        observed.delete(node.nodeId);
        continue;
      }
      const seen = observed.get(node.nodeId);
      if (seen === undefined || seen.beat !== node.beat) {
        observed.set(node.nodeId, { beat: node.beat, atMs: now });
        continue;
      }
      if (node.expiresAt >= view.now || now - seen.atMs < core.leaseMs / 2) continue;
      try {
        const closed = await core.store.closeLanes({ nodeId: node.nodeId, beat: node.beat });
        if (closed < 0) continue;
        core.log.warn({ node: node.nodeId, lanes: closed }, "a node's lease ran out; its lanes are closed");
        for (const lease of view.leases) if (lease.nodeId === node.nodeId) lease.laneOpen = false;
      } catch (error) {
        // Somebody held the lane's row and has been ended; the next look tries again.
        if (!(error instanceof StoreError)) throw error;
        core.log.warn({ err: error, node: node.nodeId }, "the lanes of a dead node could not be closed yet");
      }
    }
  }

  async function acquire(view: ClusterView, mine: Set<number>): Promise<void> {
    const { lane } = core;
    for (const lease of view.leases) {
      if (core.shards.has(lease.shard)) continue;
      // Ours already: the answer to an earlier question was lost. Whether it was a takeover is not known any more.
      const kept = lease.laneId === lane.laneId ? { epoch: lease.epoch, takeovers: 1, folding: null } : undefined;
      if (kept === undefined && (!mine.has(lease.shard) || lease.laneOpen)) continue;
      if (core.stopping || lane !== core.lane) return;
      const got = kept ?? (await core.store.acquire({ shard: lease.shard, laneId: lane.laneId, nodeId: core.nodeId }));
      if (got === undefined || lane !== core.lane) continue;
      const owned: OwnedShard = {
        shard: lease.shard,
        epoch: got.epoch,
        phase: "folding",
        underWay: new Set(),
        timersUntil: 0,
        timersFrom: 0,
        foldAfter: null,
        takeover: got.takeovers > 0,
        careful: got.takeovers >= takeoversUntilCareful,
      };
      core.shards.set(owned.shard, owned);
      if (got.folding !== null && got.takeovers > 0) await parkSuspect(owned, got.folding);
    }
    // Those of an earlier look whose opening failed are among them.
    const unopened = [...core.shards.values()].filter((owned) => owned.phase === "folding");
    if (unopened.length > 0) await reactions.acquired(unopened);
  }

  /** Two owners died while they folded this instance alone: it is set aside. */
  async function parkSuspect(owned: OwnedShard, instanceId: string): Promise<void> {
    const [stored] = await core.store.instances([{ shard: owned.shard, id: instanceId }]);
    if (stored === undefined || !stored.ready) return;
    core.log.error({ instance: instanceId }, "an instance ended two nodes while it was folded, and is parked");
    const work = emptyWork({ shard: owned.shard, instanceId });
    const error = "Two nodes died while they folded it";
    work.change = parkedChange(stored, { error, fact: "fold", at: core.time.now() });
    sayParked(core, work, stored, error);
    core.lane.submit(work);
    await core.lane.drained();
  }

  /**
   * Lets shards go. No step begins on them any more; steps that go on here are written as RUNNING with this node as
   * their runner, and the leases are emptied in the lane's own flush, after everything that is queued for them.
   */
  async function release(shards: OwnedShard[]): Promise<void> {
    const { lane } = core;
    await Promise.all(
      shards.map(
        (owned) =>
          new Promise<void>((resolve) => {
            owned.phase = "releasing";
            for (const { path, resident } of reactions.runsOf(owned.shard)) {
              turns.apply(resident, { fact: { kind: "released", path, runner: core.nodeId } });
            }
            const work = emptyWork({ shard: owned.shard, instanceId: `shard ${owned.shard}` });
            addExtra(work, "shardsReleased", `[${owned.shard}]`);
            work.committed = () => {
              drop(owned);
              resolve();
            };
            work.dropped = work.refused = () => resolve();
            lane.submit(work);
          }),
      ),
    );
    await core.store.hint({ leases: true }).catch(() => {});
  }

  function drop(owned: OwnedShard): void {
    if (core.shards.get(owned.shard) !== owned) return;
    core.shards.delete(owned.shard);
    for (const resident of [...core.residents.values()]) if (resident.shard === owned.shard) turns.forget(resident);
    reactions.released(owned.shard);
  }

  /** Steps that another node kept at a hand-over run again once it is gone or their time is up. */
  function abandonAwaited(view: ClusterView): void {
    const alive = new Set(view.nodes.filter((node) => node.expiresAt > view.now).map((node) => node.nodeId));
    for (const resident of [...core.residents.values()]) {
      for (const [path, { runner, untilAt }] of [...resident.awaited]) {
        const live = resident.state.live[path];
        if (live?.runner !== runner) {
          resident.awaited.delete(path);
        } else if (!alive.has(runner) || runner === core.nodeId || view.now > untilAt + core.leaseMs) {
          resident.awaited.delete(path);
          reactions.abandoned({ instanceId: resident.id, shard: resident.shard, path });
        }
      }
    }
  }

  return {
    tick,
    releaseAll: () => release([...core.shards.values()]),
    get othersLive() {
      return othersLive;
    },
  };
}

/** Rendezvous hashing: each shard goes to the live node with the highest hash, so a join or a leave moves only its share. */
function preferred(shard: number, live: NodeRow[]): string | undefined {
  let best: string | undefined;
  let bestHash = "";
  for (const { nodeId } of live) {
    const hash = weight(shard, nodeId);
    if (best === undefined || hash > bestHash) {
      best = nodeId;
      bestHash = hash;
    }
  }
  return best;
}

const weights = new Map<string, string>();

function weight(shard: number, nodeId: string): string {
  const key = `${shard}:${nodeId}`;
  let hash = weights.get(key);
  if (hash === undefined) {
    if (weights.size > 100_000) weights.clear();
    hash = createHash("sha256").update(key).digest("hex").slice(0, 16);
    weights.set(key, hash);
  }
  return hash;
}
