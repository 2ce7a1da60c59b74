/**
 * Brings instances into memory: those that something happens to, one batch for all that come together, and after
 * acquiring a shard those that have work to do, page by page within the budget of memory.
 */

import { shardOf } from "../../foundation/ids.ts";
import { thaw } from "../fold.ts";
import { isFinal, retryKey } from "../machine/state.ts";
import type { StoredInstance } from "../store/contract.ts";
import { encodeMessage, encodeTimer, parkedChange } from "../store/rows.ts";
import type { Core, Delivery, OwnedShard } from "./core.ts";
import { sayParked } from "./engine_lines.ts";
import { limitIdOf } from "./limits.ts";
import { enterMemory, newResident, type Resident } from "./resident.ts";
import { tallyEnd, tallyStart } from "./tallies.ts";
import { LaneLost, type Turns } from "./turns.ts";
import { addExtra, emptyWork, isEmpty, type Work } from "./work.ts";

const batchLimit = 200;
const pageLimit = 200;
const reloadPauseMs = 250;

export interface Loading {
  /** Whether an instance is being read again; results that come meanwhile are not lost. */
  isReloading(instanceId: string): boolean;
  /** Gives a fact to an instance, loading it if need be. */
  deliver(what: { shard: number; instanceId: string }, delivery: Delivery): void;
  /**
   * Reads an instance again that was in memory and whose memory is void, and gives it these facts. It goes on from its
   * rows as long as the shard is held: nobody else would begin it.
   */
  reload(what: { shard: number; instanceId: string }, replay: Delivery[]): void;
  /** Folds the ready instances of a shard as far as memory allows; called again while it is not done. */
  foldReady(owned: OwnedShard): Promise<void>;
  /** Drops whatever waits to be loaded. */
  clear(): void;
}

export function createLoading(core: Core, turns: Turns): Loading {
  /** `again`: it was in memory under this owner, so nothing of it was interrupted by the death of another. */
  const waiting = new Map<string, { shard: number; deliveries: Delivery[]; again: boolean }>();
  const reloading = new Set<string>();
  let busy = false;

  function deliver(what: { shard: number; instanceId: string }, delivery: Delivery, again = false): void {
    const resident = core.residents.get(what.instanceId);
    if (resident !== undefined) {
      if (isForeign(resident, delivery)) tellUnknown(delivery);
      else turns.apply(resident, delivery);
      return;
    }
    const entry = waiting.get(what.instanceId);
    if (entry !== undefined) {
      entry.deliveries.push(delivery);
      entry.again ||= again;
      return;
    }
    waiting.set(what.instanceId, { shard: what.shard, deliveries: [delivery], again });
    if (!busy) {
      busy = true;
      core.clock.soon(() => void loadAll());
    }
  }

  function reload(what: { shard: number; instanceId: string }, replay: Delivery[]): void {
    const owned = core.shards.get(what.shard);
    reloading.add(what.instanceId);
    for (const delivery of replay.length > 0 ? replay : [{ fact: { kind: "continued" as const } }]) {
      const retried: Delivery = {
        ...delivery,
        failed(error) {
          const held = owned !== undefined && core.shards.get(what.shard) === owned && owned.phase !== "releasing";
          if (!held) delivery.failed?.(error);
          else core.clock.schedule(reloadPauseMs, () => deliver(what, retried, true));
        },
      };
      deliver(what, retried, true);
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
        if (stored !== undefined && !dropForeign(stored)) continue;
        let resident: Resident | "stale" | "broken" | undefined = core.residents.get(id);
        // It, or its shard, came and went while we read: the row may be older than what was written of it.
        if (resident === undefined && (left.has(id) || core.shards.get(shard) !== owned)) resident = "stale";
        if (resident === undefined && owned !== undefined && stored !== undefined && mayGoOn(stored, id)) {
          const takeover = owned.takeover && waiting.get(id)?.again !== true;
          resident = await admit(stored, { owned, left, takeover, expecting: true });
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

  /** Whoever asks for an instance of another namespace is told that there is none. False when nobody else asked. */
  function dropForeign(stored: StoredInstance): boolean {
    const entry = waiting.get(stored.id);
    const foreign = entry?.deliveries.filter((delivery) => isForeign(stored, delivery)) ?? [];
    if (entry === undefined || foreign.length === 0) return true;
    entry.deliveries = entry.deliveries.filter((delivery) => !foreign.includes(delivery));
    if (entry.deliveries.length === 0) waiting.delete(stored.id);
    for (const delivery of foreign) tellUnknown(delivery);
    return entry.deliveries.length > 0;
  }

  /** An instance that is over stays a row, unless it failed and somebody wants it to be tried again. */
  function mayGoOn(stored: StoredInstance, id: string): boolean {
    if (stored.parked) return false;
    if (!isFinal(stored.status)) return true;
    const wanted = waiting.get(id)?.deliveries.some(({ fact }) => fact.kind === "retry") === true;
    return wanted && stored.status === "FAILED";
  }

  function handOver(id: string, resident: Resident): void {
    const deliveries = waiting.get(id)?.deliveries ?? [];
    waiting.delete(id);
    reloading.delete(id);
    let left = deliveries.length;
    resident.expecting = left > 0;
    for (const delivery of deliveries) {
      // It goes back to sleep after the last of them, if it does.
      resident.expecting = --left > 0;
      if (resident.gone) deliver({ shard: resident.shard, instanceId: id }, delivery);
      else turns.apply(resident, delivery);
    }
  }

  /** Nothing can happen to it any more: inbox rows and timers that name it are consumed without effect. */
  function discard(id: string, shard: number, stored: StoredInstance | undefined): void {
    const entry = waiting.get(id);
    waiting.delete(id);
    reloading.delete(id);
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
        addExtra(work, "timersCleared", encodeTimer({ shard, instanceId: id, key: fact.key, dueAt: fact.dueAt }));
      // Nobody else would ever give it back.
      if (fact.kind === "permitted") giveBack(work, { id, shard }, fact.key);
      if (inboxId !== undefined) addExtra(work, "inboxConsumed", `[${shard},${inboxId}]`);
      for (const line of delivery.logs ?? []) addExtra(work, "logs", line);
      const done = () => {
        if (inboxId !== undefined) core.shards.get(shard)?.underWay.delete(inboxId);
      };
      work.committed = () => {
        done();
        const unknown = stored === undefined ? { unknown: true as const } : {};
        delivery.settled?.({ ignored: cancels ? undefined : why, resident: undefined, ...unknown });
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
    addExtra(work, "waitsAbandoned", `[${stored.shard},"${stored.id}"]`);
    for (const timer of timersIn(stored))
      addExtra(work, "timersCleared", encodeTimer({ shard: stored.shard, instanceId: stored.id, ...timer }));
    if (stored.status === "CREATED" && permitsIn(stored.state).length === 0) tallyStart(work, stored.definitionId);
    tallyEnd(work, stored.definitionId, { status: "CANCELLED", tookMs: now - stored.startedAt });
    freeOthers(work, stored);
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

  /** Whoever waits for a parked instance hears of its end: its parent, and the homes of its limits. */
  function freeOthers(work: Work, stored: StoredInstance): void {
    const { id, shard: fromShard, parentId: to, parentPath } = stored;
    if (to !== null && parentPath !== null) {
      const shard = shardOf(to, core.shardCount);
      const fact = { path: parentPath, childId: id, status: "CANCELLED" };
      addExtra(work, "inboxPosted", encodeMessage({ shard, kind: "CHILD_ENDED", to, fact, fromShard }));
    }
    for (const { key } of permitsIn(stored.state)) giveBack(work, stored, key);
  }

  function giveBack(
    work: Work,
    { id: instanceId, shard: fromShard }: { id: string; shard: number },
    key: string,
  ): void {
    const to = limitIdOf(key);
    const shard = shardOf(to, core.shardCount);
    const fact = { key, instanceId };
    addExtra(work, "inboxPosted", encodeMessage({ shard, kind: "PERMIT_RELEASE", to, fact, fromShard }));
  }

  /**
   * Makes a stored instance resident. One that has work to do goes on with it first: only then is it what its owner
   * would have in memory. (A birth that was accepted but not begun waits for its START in the inbox.) `stale`: the row
   * is older than what this or another node wrote since, and nothing was done; `broken`: it is being parked.
   */
  async function admit(
    stored: StoredInstance,
    read: { owned: OwnedShard; left: ReadonlySet<string>; takeover: boolean; expecting?: boolean },
  ): Promise<Resident | "stale" | "broken"> {
    const program = core.compiled(stored.definitionId) ?? (await core.programs(stored.definitionId));
    const again = core.residents.get(stored.id);
    if (again !== undefined) return again;
    const { owned, left, takeover } = read;
    if (core.shards.get(stored.shard) !== owned || left.has(stored.id)) return "stale";
    let resident: Resident;
    try {
      resident = residentOf(stored, program);
    } catch (error) {
      parkStored(stored, error);
      return "broken";
    }
    resident.expecting = read.expecting ?? false;
    enterMemory(core, resident);
    if (stored.ready) turns.apply(resident, { fact: { kind: "resumed", takeover } });
    return resident;
  }

  /** The fold broke on this instance: it is set aside with its error, and the rest goes on. */
  function parkStored(stored: StoredInstance, error: unknown): void {
    core.log.error({ err: error, instance: stored.id }, "an instance cannot be folded and is parked");
    const work = emptyWork({ shard: stored.shard, instanceId: stored.id });
    work.change = parkedChange(stored, { error, fact: "fold", at: core.time.now() });
    sayParked(core, work, stored, error);
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
    const { shard, takeover } = owned;
    if (!owned.careful) {
      await admit(stored, { owned, left, takeover });
      return;
    }
    // The last owners died one after the other, perhaps of this very instance: the next death names it.
    const { lane } = core;
    await core.store.noteFolding({ shard, laneId: lane.laneId, instanceId: stored.id });
    await admit(stored, { owned, left, takeover });
    await lane.drained();
    await core.store.noteFolding({ shard, laneId: lane.laneId, instanceId: null });
  }

  function clear(): void {
    for (const id of [...waiting.keys()]) fail(id, new LaneLost("the lane was lost"));
    reloading.clear();
  }

  return { isReloading: (id) => reloading.has(id), deliver, reload, foldReady, clear };
}

function isForeign({ namespace }: { namespace: string }, delivery: Delivery): boolean {
  return delivery.namespace !== undefined && delivery.namespace !== namespace;
}

function tellUnknown(delivery: Delivery): void {
  delivery.settled?.({ ignored: "no such instance", resident: undefined, unknown: true });
}

/** What is in memory of a stored instance. */
export function residentOf(stored: StoredInstance, program: Resident["program"]): Resident {
  return newResident({
    id: stored.id,
    shard: stored.shard,
    namespace: stored.namespace,
    program,
    state: thaw(program, stored),
    facts: factsOf({ ...stored, version: program.version }),
    parent: stored.parentId === null ? undefined : { instanceId: stored.parentId, path: stored.parentPath },
    references: stored.references,
    ready: stored.ready,
    frozenSeq: stored.stateSeq,
  });
}

/** The permits that a frozen state names; it may be what no program can read any more. */
function permitsIn(state: unknown): { key: string }[] {
  const permits: unknown = typeof state === "object" && state !== null ? Reflect.get(state, "permits") : undefined;
  return Array.isArray(permits) ? permits.filter((permit) => typeof permit?.key === "string") : [];
}

/** The timers that a stored instance has armed, as far as its rows tell: they may be what no program can read any more. */
function timersIn({ state, entries }: StoredInstance): { key: string; dueAt: number }[] {
  const found: { key: string; dueAt: number }[] = [];
  const add = (key: string, dueAt: unknown) => {
    if (typeof dueAt === "number" && Number.isFinite(dueAt)) found.push({ key, dueAt });
  };
  if (typeof state === "object" && state !== null) {
    const { deadlineAt, retryAt, live } = state as { deadlineAt?: unknown; retryAt?: unknown; live?: unknown };
    add("", deadlineAt);
    add(retryKey, retryAt);
    for (const [path, step] of Object.entries(live ?? {})) add(path, step?.dueAt);
  }
  for (const { path, outcome } of entries) add(path, outcome?.dueAt ?? outcome?.retryAt);
  return found;
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
