/**
 * The homes of schedules (PROTOCOLS 10): the owner of the shard that a schedule's id leads to fires it.
 *
 * What happens to a schedule (its row changed, its timer is due, an instance that its queue waits for ended) asks for a
 * look at it. A look reads the schedule and what its home's rows say of it, decides, and writes in one flush what became
 * of each planned time, the next timer, and the instances that begin. Nothing is remembered from one look to the next, and
 * a schedule has one look at a time, so whoever owns the shard goes on from the rows. Timers, facts in the inbox and
 * queued occurrences are what brings a new owner to look.
 */

import type {
  HomeSchedule,
  ScheduleDecision,
  ScheduleFact,
  ScheduleSource,
  ScheduleState,
} from "../contract_schedules.ts";
import { type InboxRow, type ScheduleRow, scheduleTimerPrefix } from "../store/contract.ts";
import { encodeMessage, encodeTimer } from "../store/rows.ts";
import type { Core, Delivery, Observer, OwnedShard } from "./core.ts";
import { createPreparing, type PreparedStart } from "./scheduled_starts.ts";
import type { Starting } from "./starting.ts";
import type { Turn, Turns } from "./turns.ts";
import { addExtra, emptyWork, isEmpty, type Work } from "./work.ts";

export type { ScheduleSource } from "../contract_schedules.ts";

export const scheduleKind = "SCHEDULE";

/** Schedules that are read at once. */
const batchLimit = 100;
/** Planned times of backfills that one look takes. */
const pageLimit = 100;
const retryMs = 250;
/** A look in between finds an end that nobody told. */
const pollMs = 30_000;
const queuedLimit = 1_000;

/** How a fact came. */
export interface ScheduleDelivery {
  row: InboxRow;
  settled(): void;
  failed(): void;
}

interface Home {
  readonly id: string;
  readonly shard: number;
  readonly owned: OwnedShard;
  facts: ScheduleDelivery[];
  wanted: boolean;
  /** From its read to the commit of what was decided. */
  busy: boolean;
  /** The latest version of its workflow is to be asked for anew. */
  fresh: boolean;
  /** The store did not take the values of its starts. */
  refused: string | undefined;
  gone: boolean;
  cancelPoll: () => void;
}

export interface Schedules {
  /** Absent where the node knows nothing of schedules: facts of theirs stay for one that does. */
  take: ((delivery: ScheduleDelivery) => void) | undefined;
  /** A timer is due: true when it is one of a schedule. */
  due(what: { shard: number; instanceId: string }, delivery: Delivery): boolean;
  /** An instance of this node has ended, and its row says so. */
  ended(instanceId: string): void;
  /** Looks at those of new shards that have occurrences waiting. */
  acquired(shards: number[]): Promise<void>;
  /** Forgets those of a shard that is not held any more. */
  dropShard(shard: number): void;
  clear(): void;
}

export interface ScheduleReactions {
  source: ScheduleSource | undefined;
  starting: Starting;
  armTimer(timer: { shard: number; instanceId: string; key: string; dueAt: number }): void;
  posted(shards: number[]): void;
}

export function createSchedules(core: Core, turns: () => Turns, reactions: ScheduleReactions): Schedules {
  const homes = new Map<string, Home>();
  /** Schedules whose queue waits for an instance. */
  const watched = new Map<string, Home>();
  /** Instances that ended while schedules are read: the rows may be older. */
  const reads = new Set<Set<string>>();
  const { source } = reactions;
  const prepare = createPreparing(reactions.starting);
  let reading = false;

  function homeOf({ shard, id }: { shard: number; id: string }): Home | undefined {
    const owned = core.shards.get(shard);
    if (owned === undefined || owned.phase === "releasing") return undefined;
    const known = homes.get(id);
    if (known !== undefined) return known;
    const state = { facts: [], wanted: false, busy: false, fresh: false, refused: undefined, gone: false };
    const home: Home = { id, shard, owned, ...state, cancelPoll: () => {} };
    homes.set(id, home);
    return home;
  }

  function take(delivery: ScheduleDelivery): void {
    const { shard, instanceId: id } = delivery.row;
    const home = homeOf({ shard, id });
    if (home === undefined) {
      delivery.failed();
      return;
    }
    home.facts.push(delivery);
    lookAt(home);
  }

  function due({ shard, instanceId: id }: { shard: number; instanceId: string }, { fact }: Delivery): boolean {
    if (fact.kind !== "timer" || !fact.key.startsWith(scheduleTimerPrefix)) return false;
    look({ shard, id });
    return true;
  }

  /** Something happened to it. */
  function look(what: { shard: number; id: string }): void {
    if (source === undefined) return;
    const home = homeOf(what);
    if (home !== undefined) lookAt(home);
  }

  function lookAt(home: Home): void {
    home.wanted = true;
    if (home.gone || home.busy || reading) return;
    reading = true;
    core.clock.soon(() => void readAll());
  }

  function lookLater(home: Home, delayMs: number): void {
    home.cancelPoll();
    home.cancelPoll = core.clock.schedule(delayMs, () => lookAt(home));
  }

  async function readAll(): Promise<void> {
    for (;;) {
      const batch: Home[] = [];
      for (const home of homes.values()) {
        if (home.wanted && !home.busy) batch.push(home);
        if (batch.length === batchLimit) break;
      }
      if (batch.length === 0) break;
      for (const home of batch) {
        home.wanted = false;
        home.busy = true;
      }
      await lookAtAll(batch);
    }
    reading = false;
  }

  async function lookAtAll(batch: Home[]): Promise<void> {
    const ended = new Set<string>();
    reads.add(ended);
    try {
      const ids = batch.map(({ id }) => id);
      const [schedules, rows] = await Promise.all([source!.load(ids), core.store.schedules(batch)]);
      const found = new Map(rows.map((row) => [row.id, row]));
      await Promise.all(
        batch.map((home) => turn(home, { schedule: schedules.get(home.id), row: found.get(home.id)!, ended })),
      );
    } catch (error) {
      core.log.warn({ err: error }, "schedules could not be read; they are read again");
      for (const home of batch) pauseHome(home);
    } finally {
      reads.delete(ended);
    }
  }

  /** Nothing was written: it is looked at again. */
  function pauseHome(home: Home): void {
    home.busy = false;
    if (!home.gone) lookLater(home, retryMs);
  }

  async function turn(
    home: Home,
    { schedule, row, ended }: { schedule: HomeSchedule | undefined; row: ScheduleRow; ended: ReadonlySet<string> },
  ): Promise<void> {
    if (!isHeld(home)) {
      forget(home);
      return;
    }
    const taken = takePage(home);
    const giveBack = () => home.facts.unshift(...taken);
    const state: ScheduleState = { ...row, timers: row.timers.map(timerOf) };
    const facts = taken.map((delivery) => delivery.row.fact as ScheduleFact);
    const now = core.time.now();
    try {
      const isOver = () => {
        state.running = state.running.filter(({ instanceId }) => !ended.has(instanceId));
      };
      isOver();
      const { decision, starts } = await prepare({
        schedule,
        state,
        facts,
        now,
        refused: home.refused,
        fresh: home.fresh,
      });
      if (home.gone || !isHeld(home)) {
        giveBack();
        forget(home);
      } else if (starts.length > 0 && core.residents.size >= core.limits.residents) {
        giveBack();
        pauseHome(home);
      } else write(home, { taken, state, decision, starts, now });
    } catch (error) {
      core.log.warn({ err: error, schedule: home.id }, "a schedule cannot be looked at yet; it is tried again");
      giveBack();
      if (home.gone) forget(home);
      else pauseHome(home);
    }
  }

  /** Facts in the order in which they came, as many as one flush takes. */
  function takePage(home: Home): ScheduleDelivery[] {
    let planned = 0;
    let n = 0;
    while (n < home.facts.length && n < pageLimit && planned < pageLimit) {
      const fact = home.facts[n++]!.row.fact as ScheduleFact;
      if (fact.kind === "backfill") planned += fact.plannedAt.length;
    }
    return home.facts.splice(0, n);
  }

  function isHeld(home: Home): boolean {
    return !home.gone && core.shards.get(home.shard) === home.owned && home.owned.phase !== "releasing";
  }

  function write(
    home: Home,
    what: {
      taken: ScheduleDelivery[];
      state: ScheduleState;
      decision: ScheduleDecision;
      starts: PreparedStart[];
      now: number;
    },
  ): void {
    const { taken, state, decision, starts, now } = what;
    const { shard, id } = home;
    const work = emptyWork({ shard, instanceId: id });
    const begun: Turn[] = [];
    const begunFor = new Map<number, string>();
    const undo = () => {
      for (const { resident } of begun) turns().forget(resident);
    };
    const again = () => {
      undo();
      home.facts.unshift(...taken);
      home.busy = false;
      lookAt(home);
    };
    for (const { plannedAt, ...start } of starts) {
      try {
        const turn = reactions.starting.begin(work, { shard, ...start });
        begun.push(turn);
        begunFor.set(plannedAt, turn.resident.id);
      } catch (error) {
        core.log.error({ err: error, schedule: id }, "an instance of a schedule could not begin");
        home.refused = "The engine cannot begin this instance; the log says why";
        again();
        return;
      }
    }
    encode(work, { id, state, decision, begunFor, now });
    for (const { row } of taken) addExtra(work, "inboxConsumed", `[${row.shard},${row.id}]`);

    work.wanted = () => !home.gone;
    work.committed = () => {
      home.busy = false;
      home.fresh = false;
      home.refused = undefined;
      for (const { row, settled } of taken) {
        core.shards.get(row.shard)?.underWay.delete(row.id);
        settled();
      }
      const { timer } = decision;
      if (timer !== undefined) reactions.armTimer({ shard, instanceId: id, key: keyOf(timer), dueAt: timer.dueAt });
      const queues = waitsAfter(state, decision);
      if (queues) for (const instanceId of [...idsOf(state), ...begunFor.values()]) watched.set(instanceId, home);
      turns().committed(begun, () => {});
      if (decision.cancels.length > 0) reactions.posted([shard]);
      if (home.gone) return;
      if (home.wanted || home.facts.length > 0 || decision.more) lookAt(home);
      else if (queues) lookLater(home, pollMs);
      else forget(home);
    };
    work.dropped = () => {
      undo();
      forget(home);
      for (const { failed } of taken) failed();
      // What is written of it brings the next owner to it; here the timer was taken out of memory.
      core.clock.schedule(retryMs, () => look({ shard, id }));
    };
    work.stale = () => {
      home.fresh = true;
      again();
    };
    work.refused = (error) => {
      core.log.warn({ err: error, schedule: id }, "the store refused what a schedule starts");
      if (starts.length > 0 && home.refused === undefined) {
        home.refused = `The database cannot store this input: ${error.message}`;
        again();
      } else work.dropped();
    };
    if (isEmpty(work)) work.committed();
    else core.lane.submit(work);
  }

  function encode(
    work: Work,
    what: {
      id: string;
      state: ScheduleState;
      decision: ScheduleDecision;
      begunFor: ReadonlyMap<number, string>;
      now: number;
    },
  ): void {
    const { id, state, decision, begunFor, now } = what;
    const { shard } = work;
    const timerRow = (timer: ScheduleState["timers"][number]) =>
      encodeTimer({ shard, instanceId: id, key: keyOf(timer), dueAt: timer.dueAt });
    const kept = decision.timer === undefined ? undefined : keyOf(decision.timer);
    for (const timer of state.timers) if (keyOf(timer) !== kept) addExtra(work, "timersCleared", timerRow(timer));
    if (decision.timer !== undefined && !state.timers.some((timer) => keyOf(timer) === kept))
      addExtra(work, "timersArmed", timerRow(decision.timer));
    for (const { plannedAt, status, reason, backfillId } of decision.occurrences) {
      const instanceId = begunFor.get(plannedAt) ?? null;
      addExtra(work, "occurrencesPut", JSON.stringify([shard, id, plannedAt, status, reason, instanceId, backfillId]));
    }
    if (begunFor.size > 0) addExtra(work, "firings", `[${shard},"${id}",${begunFor.size},${now}]`);
    for (const { instanceId: to, reason } of decision.cancels) {
      const requested = { requestedBy: `schedule:${id}`, requestedAt: new Date(now).toISOString() };
      const fact = { reason, ...requested, source: "SYSTEM", compensate: true };
      addExtra(work, "inboxPosted", encodeMessage({ shard, kind: "CANCEL", to, fact, fromShard: shard }));
    }
  }

  function forget(home: Home): void {
    home.gone = true;
    home.cancelPoll();
    if (homes.get(home.id) === home) homes.delete(home.id);
    for (const [instanceId, of] of watched) if (of === home) watched.delete(instanceId);
    const facts = home.facts;
    home.facts = [];
    for (const { failed } of facts) failed();
  }

  function ended(instanceId: string): void {
    for (const read of reads) read.add(instanceId);
    const home = watched.get(instanceId);
    if (home === undefined) return;
    watched.delete(instanceId);
    lookAt(home);
  }

  async function acquired(shards: number[]): Promise<void> {
    if (source === undefined) return;
    const found = await core.store.queuedSchedules({ shards, limit: queuedLimit });
    for (const what of found) look(what);
  }

  return {
    take: source && take,
    due,
    ended,
    acquired,
    dropShard(shard) {
      for (const home of [...homes.values()]) if (home.shard === shard) forget(home);
    },
    clear() {
      for (const home of [...homes.values()]) forget(home);
    },
  };
}

/** An observer, before whom schedules hear that instances have ended. */
export function heardBy(observer: Observer, schedules: () => Schedules): Observer {
  return {
    changed: (instanceId) => observer.changed(instanceId),
    ended(instanceId, status) {
      schedules().ended(instanceId);
      observer.ended(instanceId, status);
    },
  };
}

/** A timer's key says for which planned time it is, and by which revision of the schedule's times. */
function keyOf({ revision, plannedAt }: { revision: number; plannedAt: number }): string {
  return `${scheduleTimerPrefix}${revision} ${plannedAt}`;
}

function timerOf({ key, dueAt }: { key: string; dueAt: number }): ScheduleState["timers"][number] {
  const [revision = "", plannedAt = ""] = key.slice(scheduleTimerPrefix.length).split(" ");
  return { revision: Number(revision), plannedAt: Number(plannedAt), dueAt };
}

function idsOf(state: ScheduleState): string[] {
  return state.running.map(({ instanceId }) => instanceId);
}

/** Whether occurrences wait for their turn when this is written. */
function waitsAfter(state: ScheduleState, decision: ScheduleDecision): boolean {
  const decided = new Set(decision.occurrences.map(({ plannedAt }) => plannedAt));
  return (
    decision.occurrences.some(({ status }) => status === "queued") ||
    state.queued.some(({ plannedAt }) => !decided.has(plannedAt))
  );
}
