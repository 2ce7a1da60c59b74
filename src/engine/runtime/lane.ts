/**
 * A lane: one serial line of flushes with its own fence.
 *
 * Work that comes while a flush is under way queues up, and the next flush takes all of it up to the limits, of all
 * instances and all shards of the lane. A flush whose answer is lost is sent again, the same bytes under the same
 * number, until the store says what became of it (PROTOCOLS 1).
 */

import type { Logger } from "../../foundation/log.ts";
import { type FlushAnswer, type FlushBatch, type Store, StoreError } from "../store/contract.ts";
import { type ChangeRow, encodeChange } from "../store/rows.ts";
import { type Clock, pause, type StoreTime } from "./clock.ts";
import { extraKinds, weigh, type Work } from "./work.ts";

export const flushRowLimit = 1_000;
export const flushByteLimit = 1024 * 1024;

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
  /** The lane is closed or its past is not the store's: everything in memory that rests on it is void. */
  lost(reason: string): void;
}

export class Lane {
  readonly laneId: string;
  readonly #options: LaneOptions;
  #queue: Work[] = [];
  #queuedBytes = 0;
  #queuedRows = 0;
  #seq = 0;
  #running = false;
  #ended = false;
  #idle: (() => void)[] = [];
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
    const queued = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#queuedRows = 0;
    for (const work of queued) work.dropped();
    this.#settleIdle();
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    try {
      while (!this.#ended) {
        const batch = this.#take();
        if (batch.length === 0) break;
        await this.#write(batch);
        // What the commit released runs now, so that its results can be in the next flush.
        await new Promise<void>((resolve) => clock.soon(resolve));
      }
    } catch (error) {
      this.#lose(`the lane broke: ${error instanceof Error ? error.message : String(error)}`, error);
    }
    this.#running = false;
    this.#settleIdle();
  }

  #settleIdle(): void {
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }

  #take(): Work[] {
    const taken: Work[] = [];
    const dropped: Work[] = [];
    let rows = 0;
    let bytes = 0;
    const pull = () => {
      let next = 0;
      while (next < this.#queue.length && rows < flushRowLimit && bytes < flushByteLimit) {
        const work = this.#queue[next++]!;
        this.#queuedBytes -= work.bytes;
        this.#queuedRows -= work.rows;
        if (!this.#isWanted(work)) {
          dropped.push(work);
          continue;
        }
        taken.push(work);
        rows += work.rows;
        bytes += work.bytes;
      }
      if (next > 0) this.#queue = next === this.#queue.length ? [] : this.#queue.slice(next);
    };
    pull();
    if (this.#queue.length === 0 && rows < flushRowLimit && bytes < flushByteLimit) {
      this.#options.refill({ rows: flushRowLimit - rows, bytes: flushByteLimit - bytes });
      pull();
    }
    for (const work of dropped) work.dropped();
    return taken;
  }

  #isWanted(work: Work): boolean {
    return work.wanted() && this.#options.owns(work.shard);
  }

  /** Writes these and tells them what became of them; splits them where the store refuses a value. */
  async #write(works: Work[]): Promise<void> {
    if (works.length === 0 || this.#ended) {
      for (const work of works) work.dropped();
      return;
    }
    const batch = this.#encode(works);
    let answer: FlushAnswer;
    try {
      answer = await this.#send(batch);
    } catch (error) {
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
        for (const work of works) {
          this.flushedRows += work.rows;
          work.committed();
        }
        return;
      case "stale":
        await this.#withoutStale(works);
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

  /** Halves by instance until the guilty one is alone. */
  async #isolate(works: Work[], error: StoreError): Promise<void> {
    const instances = [...new Set(works.map((work) => work.instanceId))];
    if (instances.length === 1) {
      for (const work of works) work.refused(error);
      return;
    }
    const first = new Set(instances.slice(0, instances.length >> 1));
    await this.#write(works.filter((work) => first.has(work.instanceId)));
    await this.#write(works.filter((work) => !first.has(work.instanceId) && (this.#isWanted(work) || drop(work))));
  }

  async #withoutStale(works: Work[]): Promise<void> {
    for (const work of works) if (work.latest !== undefined) work.stale();
    await this.#write(works.filter((work) => work.latest === undefined));
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
    for (const work of works) {
      shards.add(work.shard);
      if (work.start !== undefined) starts.push(work.start);
      if (work.latest !== undefined) latest.set(`${work.latest[0]}\0${work.latest[1]}\0${work.latest[2]}`, work.latest);
      if (work.change !== undefined) {
        // One UPDATE applies one row to each instance, so several of one instance become one.
        const before = changes.get(work.instanceId);
        changes.set(work.instanceId, before === undefined ? work.change : { ...before, ...work.change });
      }
      for (const row of work.steps) steps.push(row);
      for (const row of work.transitions) transitions.push(row);
      for (const kind of extraKinds) {
        const rows = work[kind];
        if (rows.length === 0) continue;
        const list = extras.get(kind);
        if (list === undefined) extras.set(kind, [...rows]);
        else list.push(...rows);
      }
    }
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
    if (extras.size > 0) {
      batch.extras = `{${[...extras].map(([kind, rows]) => `"${kind}":[${rows.join(",")}]`).join(",")}}`;
    }
    return batch;
  }
}

function drop(work: Work): false {
  work.dropped();
  return false;
}
