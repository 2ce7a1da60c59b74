/**
 * A lane: one serial line of flushes with its own fence.
 *
 * Work that comes while a flush is under way queues up, and the next flush takes all of it up to the limits, of all
 * instances and all shards of the lane. A flush whose answer is lost is sent again, the same bytes under the same
 * number, until the store says what became of it (PROTOCOLS 1).
 */

import type { Logger } from "../../foundation/log.ts";
import { type FlushAnswer, type FlushBatch, type Store, StoreError } from "../store/contract.ts";
import { type ChangeRow, encodeChange, encodeEvent, mergeChanges } from "../store/rows.ts";
import { type Clock, pause, type StoreTime } from "./clock.ts";
import { type ExtraKind, eventKinds, type PublishedEvent, type Work, weigh } from "./work.ts";

export const flushRowLimit = 1_000;
export const flushByteLimit = 1024 * 1024;
/** So many queued rows are worth a flush of their own: it does not wait for what the one before it released. */
const flushRowsEnough = flushRowLimit / 2;

export interface LaneOptions {
  laneId: string;
  nodeId: string;
  store: Store;
  clock: Clock;
  time: StoreTime;
  log: Logger;
  /** Whether the lane holds a shard: work for one that was let go meanwhile would void the whole flush. */
  owns(shard: number): boolean;
  /** Called when a flush has room left after what is queued: admits starts that wait. */
  refill(room: { rows: number; bytes: number }): void;
  /** By what look-back finds an event, and the revision of what that was computed from; a new one once that is stale. */
  matchKeys: MatchKeys;
  /** The lane is closed or its past is not the store's: everything in memory that rests on it is void. */
  lost(reason: string): void;
}

export interface MatchKeys {
  of(event: PublishedEvent): string[];
  readonly revision: number;
  /** Resolves when the revision is one that was not known to be stale at the call. */
  renew(): Promise<void>;
}

export class Lane {
  readonly laneId: string;
  readonly #options: LaneOptions;
  #queue: Work[] = [];
  /** In the next flush, which has not been sent yet. */
  #taken: Work[] = [];
  /** In the store, and not told yet. */
  #written: Work[] = [];
  #queuedBytes = 0;
  #queuedRows = 0;
  #seq = 0;
  #running = false;
  #ended = false;
  #idle: (() => void)[] = [];
  /** The store has it. */
  opened = false;
  flushes = 0;
  flushedRows = 0;

  constructor(options: LaneOptions) {
    this.laneId = options.laneId;
    this.#options = options;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get queuedRows(): number {
    return this.#queuedRows;
  }

  get seq(): number {
    return this.#seq;
  }

  /** Queues one unit of writing. Its callbacks run after the commit, in the order of submission. */
  submit(work: Work): void {
    if (this.#ended) {
      work.dropped();
      return;
    }
    weigh(work);
    this.#queue.push(work);
    this.#queuedBytes += work.bytes;
    this.#queuedRows += work.rows;
    this.wake();
  }

  /** Looks for something to write soon. */
  wake(): void {
    if (this.#running || this.#ended) return;
    this.#running = true;
    this.#options.clock.soon(() => void this.#run());
  }

  /** Resolves when nothing is queued or under way. */
  async drained(): Promise<void> {
    while (this.#running && !this.#ended) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Drops what is queued; nothing more is written. A flush under way is not awaited. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#tell();
    const queued = [...this.#taken, ...this.#queue];
    this.#taken = [];
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#queuedRows = 0;
    for (const work of queued) work.dropped();
    this.#settleIdle();
  }

  /**
   * Under load the program works while the database does: the next flush is sent first, and then its predecessor's works
   * are told. When too little is queued for that, they are told first, so that their results can be in the next flush.
   */
  async #run(): Promise<void> {
    const { clock } = this.#options;
    const soon = () => new Promise<void>((resolve) => clock.soon(resolve));
    try {
      for (this.#take(); this.#taken.length > 0; ) {
        const works = this.#taken;
        this.#taken = [];
        const writing = this.#write(works);
        if (this.#written.length > 0) {
          // It rejects below; until then nobody looks at it.
          writing.catch(() => {});
          await soon();
          this.#tell();
        }
        await writing;
        // A shard that was let go is void for the next flush, and only telling makes it so.
        if (this.#written.some((work) => work.extras?.shardsReleased !== undefined)) this.#tell();
        this.#take();
        if (rowsOf(this.#taken) < flushRowsEnough) {
          this.#tell();
          await soon();
          this.#take();
        }
      }
    } catch (error) {
      this.#lose(`the lane broke: ${error instanceof Error ? error.message : String(error)}`, error);
    }
    this.#running = false;
    this.#settleIdle();
  }

  /** Tells works that they are in the store, in the order in which they were written. */
  #tell(): void {
    const works = this.#written;
    this.#written = [];
    for (const work of works) work.committed();
  }

  #settleIdle(): void {
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }

  /** Fills the next flush from the queue, up to the limits, and drops from it what is no longer wanted. */
  #take(): void {
    const before = this.#taken;
    this.#taken = [];
    const dropped: Work[] = [];
    let rows = 0;
    let bytes = 0;
    const add = (work: Work) => {
      if (!this.#isWanted(work)) {
        dropped.push(work);
        return;
      }
      this.#taken.push(work);
      rows += work.rows;
      bytes += work.bytes;
    };
    const pull = () => {
      let next = 0;
      while (next < this.#queue.length && rows < flushRowLimit && bytes < flushByteLimit) {
        const work = this.#queue[next++]!;
        this.#queuedBytes -= work.bytes;
        this.#queuedRows -= work.rows;
        add(work);
      }
      if (next > 0) this.#queue = next === this.#queue.length ? [] : this.#queue.slice(next);
    };
    for (const work of before) add(work);
    pull();
    if (this.#queue.length === 0 && rows < flushRowLimit && bytes < flushByteLimit) {
      this.#options.refill({ rows: flushRowLimit - rows, bytes: flushByteLimit - bytes });
      pull();
    }
    for (const work of dropped) work.dropped();
  }

  #isWanted(work: Work): boolean {
    return work.wanted() && this.#options.owns(work.shard);
  }

  /**
   * Writes these. What is in the store by the end waits in `#written` to be told, the rest has been told. Splits them
   * where the store refuses a value.
   */
  async #write(works: Work[]): Promise<void> {
    if (works.length === 0 || this.#ended) {
      for (const work of works) work.dropped();
      return;
    }
    const batch = this.#encode(works);
    let answer: FlushAnswer;
    try {
      answer = await this.#send(batch);
      this.#tell();
    } catch (error) {
      this.#tell();
      if (error instanceof StoreError && error.fault === "data") {
        await this.#isolate(works, error);
        return;
      }
      for (const work of works) work.dropped();
      throw error;
    }
    switch (answer.outcome) {
      case "done":
      case "already":
        this.#seq = batch.seq;
        this.flushes += 1;
        this.flushedRows += rowsOf(works);
        this.#written = works;
        return;
      case "stale":
        await this.#withoutStale(works);
        return;
      case "stale_routing":
        await this.#renewKeys();
        await this.#write(works);
        return;
      case "fenced":
      case "gap":
        for (const work of works) work.dropped();
        this.#lose(`the store answered "${answer.outcome}" to flush ${batch.seq}`);
    }
  }

  /** Sends until it is known what became of the batch. Rejects only for a data error or a defect: nothing was written. */
  async #send(batch: FlushBatch): Promise<FlushAnswer> {
    const { store, clock, time, log } = this.#options;
    for (let tries = 0; ; tries++) {
      try {
        const answer = await store.flush(batch);
        time.learn(answer.at);
        return answer;
      } catch (error) {
        if (!(error instanceof StoreError) || error.fault === "data" || error.fault === "defect") throw error;
        if (tries === 0) log.warn({ err: error, seq: batch.seq }, "a flush has no answer; it is sent again");
        if (this.#ended) return { outcome: "fenced", at: time.now() };
        await pause(clock, Math.min(20 * 2 ** tries, 1_000));
      }
    }
  }

  /**
   * Halves until the guilty one is alone. The first half is written before the second, so the works of an instance keep
   * their order; and what rests on a work that was refused is not wanted any more when its turn comes.
   */
  async #isolate(works: Work[], error: StoreError): Promise<void> {
    if (works.length === 1) {
      works[0]!.refused(error);
      return;
    }
    const half = works.length >> 1;
    await this.#write(works.slice(0, half));
    await this.#write(works.slice(half).filter((work) => this.#isWanted(work) || drop(work)));
  }

  async #withoutStale(works: Work[]): Promise<void> {
    for (const work of works) if (work.latest !== undefined) work.stale();
    // An instance whose child was stale is read again: its other works are void with it.
    await this.#write(works.filter((work) => work.latest === undefined && (this.#isWanted(work) || drop(work))));
  }

  async #renewKeys(): Promise<void> {
    const { clock, matchKeys, log } = this.#options;
    for (let tries = 0; !this.#ended; tries++) {
      try {
        await matchKeys.renew();
        return;
      } catch (error) {
        if (tries === 0) log.warn({ err: error }, "where events go cannot be read; it is tried again");
        await pause(clock, Math.min(20 * 2 ** tries, 1_000));
      }
    }
  }

  /** It is known to be closed. */
  lose(reason: string): void {
    this.#lose(reason);
  }

  #lose(reason: string, error?: unknown): void {
    if (this.#ended) return;
    this.#options.log.warn({ err: error, lane: this.laneId, reason }, "the lane is lost");
    this.end();
    this.#options.lost(reason);
  }

  #encode(works: Work[]): FlushBatch {
    const shards = new Set<number>();
    const starts: string[] = [];
    const steps: string[] = [];
    const transitions: string[] = [];
    const latest = new Map<string, [string, string, number]>();
    const changes = new Map<string, ChangeRow>();
    const extras = new Map<string, string[]>();
    const tallies = new Map<string, number>();
    const published: string[] = [];
    const { matchKeys } = this.#options;
    const add = (work: Work): void => {
      shards.add(work.shard);
      if (work.start !== undefined) starts.push(work.start);
      if (work.latest !== undefined) latest.set(`${work.latest[0]}\0${work.latest[1]}\0${work.latest[2]}`, work.latest);
      if (work.change !== undefined) {
        // One UPDATE applies one row to each instance, so several of one instance become one.
        const before = changes.get(work.change.id);
        changes.set(work.change.id, before === undefined ? work.change : mergeChanges(before, work.change));
      }
      for (const row of work.steps) steps.push(row);
      for (const row of work.transitions) transitions.push(row);
      for (const kind in work.extras) {
        const list = extras.get(kind);
        const rows = work.extras[kind as ExtraKind]!;
        if (list === undefined) extras.set(kind, [...rows]);
        else for (const row of rows) list.push(row);
      }
      for (const tally of work.tallies ?? []) tallies.set(tally, (tallies.get(tally) ?? 0) + 1);
      for (const event of work.published ?? [])
        published.push(encodeEvent({ ...event, matchKeys: matchKeys.of(event) }));
      for (const part of work.also ?? []) add(part);
    };
    for (const work of works) add(work);
    if (tallies.size > 0)
      extras.set(
        "tallies",
        Array.from(tallies, ([tally, n]) => `${tally},${n}]`),
      );
    const batch: FlushBatch = {
      laneId: this.laneId,
      seq: this.#seq + 1,
      nodeId: this.#options.nodeId,
      shards: [...shards].sort((a, b) => a - b),
    };
    if (latest.size > 0) batch.latest = JSON.stringify([...latest.values()]);
    if (starts.length > 0) batch.starts = `[${starts.join(",")}]`;
    if (changes.size > 0) batch.changes = `[${[...changes.values()].map(encodeChange).join(",")}]`;
    if (steps.length > 0) batch.steps = `[${steps.join(",")}]`;
    if (transitions.length > 0) batch.transitions = `[${transitions.join(",")}]`;
    const firings = extras.get("firings");
    if (firings !== undefined) extras.set("firings", sumFirings(firings, batch.shards[0]!));
    const events = new Map<string, string[]>();
    for (const kind of eventKinds) {
      const rows = extras.get(kind);
      if (rows === undefined) continue;
      events.set(kind, rows);
      extras.delete(kind);
    }
    if (published.length > 0) {
      events.set("eventsPublished", published);
      batch.routingRevision = matchKeys.revision;
    }
    if (events.size > 0) batch.events = encodeKinds(events);
    if (extras.size > 0) {
      batch.extras = encodeKinds(extras);
    }
    return batch;
  }
}

/**
 * One row for each trigger, whatever the shards: rows are told apart by shards so that lanes do not meet, and this lane holds
 * all of them. Of full flushes the lowest is nearly always the same, so there is about one row for each trigger and lane.
 */
function sumFirings(rows: readonly string[], shard: number): string[] {
  const sums = new Map<string, { fired: number; lastMs: number }>();
  for (const row of rows) {
    const [, triggerId, fired, atMs] = JSON.parse(row) as [number, string, number, number];
    const sum = sums.get(triggerId);
    if (sum === undefined) sums.set(triggerId, { fired, lastMs: atMs });
    else {
      sum.fired += fired;
      sum.lastMs = Math.max(sum.lastMs, atMs);
    }
  }
  return Array.from(sums, ([triggerId, { fired, lastMs }]) => `[${shard},"${triggerId}",${fired},${lastMs}]`);
}

function encodeKinds(kinds: ReadonlyMap<string, string[]>): string {
  return `{${Array.from(kinds, ([kind, rows]) => `"${kind}":[${rows.join(",")}]`).join(",")}}`;
}

function rowsOf(works: Work[]): number {
  let rows = 0;
  for (const work of works) rows += work.rows;
  return rows;
}

function drop(work: Work): false {
  work.dropped();
  return false;
}
