/**
 * Brings instances into memory: those that something happens to, one batch for all that come together, and after
 * acquiring a shard those that have work to do, page by page within the budget of memory.
 */

import { thaw } from "../fold.ts";
import { isFinal } from "../machine/state.ts";
import type { StoredInstance } from "../store/contract.ts";
import { encodeTimer, parkedChange } from "../store/rows.ts";
import type { Core, Delivery, OwnedShard } from "./core.ts";
import type { Resident } from "./resident.ts";
import { LaneLost, type Turns } from "./turns.ts";
import { emptyWork, isEmpty, type Work } from "./work.ts";

const batchLimit = 200;
const pageLimit = 200;

export interface Loading {
  /** Gives a fact to an instance, loading it if need be. */
  deliver(what: { shard: number; instanceId: string }, delivery: Delivery): void;
  /** Folds the ready instances of a shard as far as memory allows; called again while it is not done. */
  foldReady(owned: OwnedShard): Promise<void>;
  /** Drops whatever waits to be loaded. */
  clear(): void;
}

export function createLoading(core: Core, turns: Turns): Loading {
  const waiting = new Map<string, { shard: number; deliveries: Delivery[] }>();
  let busy = false;

  function deliver(what: { shard: number; instanceId: string }, delivery: Delivery): void {
    const resident = core.residents.get(what.instanceId);
    if (resident !== undefined) {
      turns.apply(resident, delivery);
      return;
    }
    const entry = waiting.get(what.instanceId);
    if (entry !== undefined) {
      entry.deliveries.push(delivery);
      return;
    }
    waiting.set(what.instanceId, { shard: what.shard, deliveries: [delivery] });
    if (!busy) {
      busy = true;
      core.clock.soon(() => void loadAll());
    }
  }

  async function loadAll(): Promise<void> {
    while (waiting.size > 0) {
      const batch = [...waiting].slice(0, batchLimit).map(([id, { shard }]) => ({ id, shard }));
      try {
        await load(batch);
      } catch (error) {
        core.log.warn({ err: error }, "instances could not be loaded; what was to happen to them is tried again");
        for (const { id } of batch) fail(id, error instanceof Error ? error : new Error(String(error)));
      }
    }
    busy = false;
  }

  function fail(instanceId: string, error: Error): void {
    const entry = waiting.get(instanceId);
    waiting.delete(instanceId);
    for (const delivery of entry?.deliveries ?? []) delivery.failed?.(error);
  }

  /** Rows are as old as their read: until all of them are taken in, whoever leaves memory is noted in `left`. */
  async function load(batch: { id: string; shard: number }[]): Promise<void> {
    const lane = core.lane;
    const owners = new Map(batch.map(({ shard }) => [shard, core.shards.get(shard)]));
    const left = new Set<string>();
    core.reads.add(left);
    try {
      const rows = await core.store.instances(batch);
      const found = new Map(rows.map((stored) => [stored.id, stored]));
      for (const { id, shard } of batch) {
        if (lane !== core.lane || core.shards.get(shard) === undefined) {
          fail(id, new LaneLost("the shard is not held any more"));
          continue;
        }
        const owned = owners.get(shard);
        const stored = found.get(id);
        let resident: Resident | "stale" | "broken" | undefined = core.residents.get(id);
        // It, or its shard, came and went while we read: the row may be older than what was written of it.
        if (resident === undefined && (left.has(id) || core.shards.get(shard) !== owned)) resident = "stale";
        if (resident === undefined && owned !== undefined && stored !== undefined && !isOver(stored)) {
          resident = await admit(stored, { owned, left });
        }
        // What is stale stays in the queue and is read again.
        if (resident === "stale") continue;
        if (resident === undefined || resident === "broken") discard(id, shard, stored);
        else handOver(id, resident);
      }
    } finally {
      core.reads.delete(left);
    }
  }

  function isOver(stored: StoredInstance): boolean {
    return isFinal(stored.status) || stored.parked;
  }

  function handOver(id: string, resident: Resident): void {
    const entry = waiting.get(id);
    waiting.delete(id);
    for (const delivery of entry?.deliveries ?? []) {
      if (resident.gone) deliver({ shard: resident.shard, instanceId: id }, delivery);
      else turns.apply(resident, delivery);
    }
  }

  /** Nothing can happen to it any more: inbox rows and timers that name it are consumed without effect. */
  function discard(id: string, shard: number, stored: StoredInstance | undefined): void {
    const entry = waiting.get(id);
    waiting.delete(id);
    const why =
      stored === undefined
        ? "no such instance"
        : stored.parked
          ? "the instance is parked"
          : `the instance is ${stored.status}`;
    let cancelled = false;
    for (const delivery of entry?.deliveries ?? []) {
      const work = emptyWork({ shard, instanceId: id });
      const { fact, inboxId } = delivery;
      const parked = stored?.parked === true && !isFinal(stored.status);
      const cancels = parked && fact.kind === "cancel" && !cancelled;
      if (cancels) {
        cancelled = true;
        cancelParked(work, stored, fact.reason);
      }
      if (fact.kind === "timer")
        work.timersCleared.push(encodeTimer({ shard, instanceId: id, key: fact.key, dueAt: fact.dueAt }));
      if (inboxId !== undefined) work.inboxConsumed.push(`[${shard},${inboxId}]`);
      const done = () => {
        if (inboxId !== undefined) core.shards.get(shard)?.underWay.delete(inboxId);
      };
      work.committed = () => {
        done();
        delivery.settled?.({ ignored: cancels ? undefined : why, resident: undefined });
      };
      work.dropped = () => {
        done();
        delivery.failed?.(new LaneLost("the lane was lost"));
      };
      work.refused = (error) => {
        done();
        delivery.failed?.(error);
      };
      if (isEmpty(work)) work.committed();
      else core.lane.submit(work);
    }
  }

  /** An instance that the engine cannot continue can still be ended by whoever owns it. */
  function cancelParked(work: Work, stored: StoredInstance, reason: string): void {
    const now = core.time.now();
    work.change = {
      shard: stored.shard,
      id: stored.id,
      status: "CANCELLED",
      ready: false,
      currentStepId: null,
      awaitingTaskId: null,
      completedAt: now,
      cancelation: JSON.stringify({
        reason,
        requestedBy: "operator",
        requestedAt: new Date(now).toISOString(),
        source: "USER",
        shouldCompensate: false,
      }),
    };
    work.waitsAbandoned.push(`[${stored.shard},"${stored.id}"]`);
    work.transitions.push(
      JSON.stringify([
        stored.shard,
        stored.namespace,
        stored.id,
        stored.status,
        "CANCELLED",
        "workflow_cancelled",
        null,
      ]),
    );
  }

  /**
   * Makes a stored instance resident. One that has work to do goes on with it first: only then is it what its owner
   * would have in memory. (A birth that was accepted but not begun waits for its START in the inbox.) `stale`: the row
   * is older than what this or another node wrote since, and nothing was done; `broken`: it is being parked.
   */
  async function admit(
    stored: StoredInstance,
    read: { owned: OwnedShard; left: ReadonlySet<string> },
  ): Promise<Resident | "stale" | "broken"> {
    const program = core.compiled(stored.definitionId) ?? (await core.programs(stored.definitionId));
    const again = core.residents.get(stored.id);
    if (again !== undefined) return again;
    const { owned, left } = read;
    if (core.shards.get(stored.shard) !== owned || left.has(stored.id)) return "stale";
    let resident: Resident;
    try {
      resident = residentOf(stored, program);
    } catch (error) {
      parkStored(stored, error);
      return "broken";
    }
    core.residents.set(resident.id, resident);
    if (stored.ready) turns.apply(resident, { fact: { kind: "resumed", takeover: owned.takeover } });
    return resident;
  }

  /** The fold broke on this instance: it is set aside with its error, and the rest goes on. */
  function parkStored(stored: StoredInstance, error: unknown): void {
    core.log.error({ err: error, instance: stored.id }, "an instance cannot be folded and is parked");
    const work = emptyWork({ shard: stored.shard, instanceId: stored.id });
    work.change = parkedChange(stored, { error, fact: "fold", at: core.time.now() });
    core.lane.submit(work);
  }

  async function foldReady(owned: OwnedShard): Promise<void> {
    while (owned.foldAfter !== undefined && core.residents.size < core.limits.residents) {
      if (core.shards.get(owned.shard) !== owned || owned.phase === "releasing") return;
      const limit = owned.careful ? 1 : pageLimit;
      const left = new Set<string>();
      core.reads.add(left);
      try {
        const page = await core.store.readyInstances({ shard: owned.shard, after: owned.foldAfter, limit });
        if (core.shards.get(owned.shard) !== owned) return;
        for (const stored of page) await foldOne(owned, stored, left);
        owned.foldAfter = page.length < limit ? undefined : page.at(-1)!.id;
      } finally {
        core.reads.delete(left);
      }
    }
  }

  async function foldOne(owned: OwnedShard, stored: StoredInstance, left: Set<string>): Promise<void> {
    if (core.residents.has(stored.id) || left.has(stored.id) || isFinal(stored.status) || stored.parked) return;
    const { shard } = owned;
    if (!owned.careful) {
      await admit(stored, { owned, left });
      return;
    }
    // The last owners died one after the other, perhaps of this very instance: the next death names it.
    const { lane } = core;
    await core.store.noteFolding({ shard, laneId: lane.laneId, instanceId: stored.id });
    await admit(stored, { owned, left });
    await lane.drained();
    await core.store.noteFolding({ shard, laneId: lane.laneId, instanceId: null });
  }

  function clear(): void {
    for (const id of [...waiting.keys()]) fail(id, new LaneLost("the lane was lost"));
  }

  return { deliver, foldReady, clear };
}

/** What is in memory of a stored instance. */
export function residentOf(stored: StoredInstance, program: Resident["program"]): Resident {
  return {
    id: stored.id,
    shard: stored.shard,
    namespace: stored.namespace,
    program,
    state: thaw(program, stored),
    facts: factsOf({ ...stored, version: program.version }),
    references: stored.references,
    ready: stored.ready,
    frozenSeq: stored.stateSeq,
    pending: 0,
    gone: false,
    running: new Map(),
    awaited: new Map(),
  };
}

/** What expressions see as `instance`. */
export function factsOf(instance: {
  id: string;
  namespace: string;
  workflowId: string;
  version: string | number;
  correlationId: string | null;
  startedBy: string | null;
  priority: number;
  startedAt: number;
}): Resident["facts"] {
  return {
    id: instance.id,
    namespace: instance.namespace,
    workflowId: instance.workflowId,
    version: instance.version,
    correlationId: instance.correlationId,
    startedBy: instance.startedBy,
    priority: instance.priority,
    startedAt: new Date(instance.startedAt).toISOString(),
  };
}
