/** What the laws of a store share: stores, nodes and lanes of their own, and rows as a lane would write them. */

import { expect, onTestFinished } from "vitest";
import { shardOf, uuidv7 } from "../../../foundation/ids.ts";
import type { JournalEntry } from "../../machine/state.ts";
import { type BirthRow, type EventRow, type FlushBatch, type Store, StoreError } from "../contract.ts";
import { type ChangeRow, encodeChange, encodeStart, encodeStep } from "../rows.ts";

export interface StoreUnderTest {
  /** One more store on the database of the suite; opened and closed by the suite. */
  connect(): Store;
  /** Accepts a start in a transaction that stays open until it is ended. */
  holdKey(birth: BirthRow): Promise<{ end(how: "commit" | "rollback"): Promise<void> }>;
  /** Publishes an event in a transaction that stays open until it is ended. */
  holdEventKey(event: EventRow): Promise<{ end(how: "commit" | "rollback"): Promise<void> }>;
  /** A head (`[namespace, workflow id, revision]`) that is not the latest. */
  staleHead: [string, string, number];
  /** What the contract has no question for: who else looks at tables sees it. */
  peek(instanceId: string): Promise<Peeked>;
  /** What has been counted of a version: sums by `<kind> <step> <code> <class>`, with `-` for what there is none of. */
  tallies(definitionId: string): Promise<Record<string, number>>;
  /** How often a trigger or schedule fired, and when last. */
  firings(triggerId: string): Promise<{ fired: number; lastAt: number } | undefined>;
  /** What became of an event; the kinds of the targets of each of its routings, replays last. */
  peekEvent(eventId: string): Promise<{ routings: string[][]; deliveries: string[]; openLetters: number }>;
  /** How often a trigger fired and when last, and how a schedule's occurrences are. */
  peekFirings(of: {
    triggerId: string;
    scheduleId: string;
  }): Promise<{ fired: number; lastAt: number; occurrences: string[] }>;
}

export interface Peeked {
  /** Messages of its execution log. */
  logs: string[];
  /** Who wrote its journal, as `<node> <epoch>`, each once. */
  writers: string[];
  /** As `<from> > <to> <event>`. */
  transitions: string[];
  originId: string | null;
  originStepId: string | null;
}

const definitionId = uuidv7(Date.now());

/** A node with a lane and one shard of its own, that writes what a lane would. */
export interface Writer {
  store: Store;
  nodeId: string;
  laneId: string;
  shard: number;
  epoch: number;
  seq: number;
  newId(): string;
  flush(parts?: Partial<FlushBatch>): ReturnType<Store["flush"]>;
}

export type Rig = ReturnType<typeof createRig>;

export function createRig(underTest: () => StoreUnderTest) {
  let shards = 0;
  let lastShard = 0;

  async function open(): Promise<Store> {
    const store = underTest().connect();
    shards = (await store.open()).shards;
    onTestFinished(() => store.close());
    return store;
  }

  async function node(store: Store, leaseMs = 60_000): Promise<string> {
    const nodeId = uuidv7(Date.now());
    await store.register({ nodeId, name: "n", version: "1", leaseMs, roles: ["engine"], tasks: [], endpoints: {} });
    return nodeId;
  }

  async function lane(store: Store, nodeId: string): Promise<string> {
    const laneId = uuidv7(Date.now());
    await store.openLane({ laneId, nodeId });
    return laneId;
  }

  function nextShard(): number {
    lastShard = (lastShard + 1) % shards;
    return lastShard;
  }

  async function writer(options: { store?: Store; shard?: number; leaseMs?: number } = {}): Promise<Writer> {
    const store = options.store ?? (await open());
    const nodeId = await node(store, options.leaseMs);
    const laneId = await lane(store, nodeId);
    const shard = options.shard ?? nextShard();
    const acquired = await store.acquire({ shard, laneId, nodeId });
    if (acquired === undefined) throw new Error(`shard ${shard} is not free`);
    const own: Writer = {
      store,
      nodeId,
      laneId,
      shard,
      epoch: acquired.epoch,
      seq: 0,
      newId: () => uuidv7(Date.now(), shard),
      flush: (parts = {}) => store.flush({ laneId, seq: ++own.seq, nodeId, shards: [shard], ...parts }),
    };
    return own;
  }

  const startRow = (w: Writer, id: string, input = "{}"): string =>
    encodeStart({
      shard: w.shard,
      id,
      namespace: "default",
      definitionId,
      workflowId: "w",
      status: "RUNNING",
      priority: 5,
      currentStepId: "a",
      correlationId: "c",
      startedBy: null,
      triggerEventId: null,
      input,
      startedAt: 1_800_000_000_123,
    });
  const stepRow = (w: Writer, instanceId: string, entry: Partial<JournalEntry>): string => {
    const whole: JournalEntry = {
      seq: 1,
      path: "a",
      stepId: "a",
      type: "TASK",
      attempt: 1,
      status: "COMPLETED",
      startedAt: 1_800_000_000_001,
      ...entry,
    };
    return encodeStep({ shard: w.shard, instanceId, epoch: w.epoch }, whole, JSON.stringify);
  };
  const changeRow = (w: Writer, id: string, change: Partial<ChangeRow>): string =>
    encodeChange({
      shard: w.shard,
      id,
      status: "RUNNING",
      ready: true,
      currentStepId: "a",
      awaitingTaskId: null,
      ...change,
    });
  const extras = (parts: Record<string, unknown[][]>) => JSON.stringify(parts);

  async function started(w: Writer, input?: string): Promise<string> {
    const id = w.newId();
    expect((await w.flush({ starts: `[${startRow(w, id, input)}]` })).outcome).toBe("done");
    return id;
  }

  const one = async (w: Writer, id: string) => (await w.store.instances([{ shard: w.shard, id }]))[0];

  function birth(w: { newId(): string }, more: Partial<BirthRow> = {}): BirthRow {
    const id = more.id ?? w.newId();
    const input = more.input ?? {};
    return {
      shard: shardOf(id, shards),
      id,
      namespace: "default",
      definitionId,
      workflowId: "w",
      priority: 5,
      input,
      inputText: JSON.stringify(input),
      payloadIds: [],
      keyShard: 0,
      requestHash: "h",
      ...more,
    };
  }

  async function refusal(call: Promise<unknown>): Promise<unknown> {
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(StoreError);
    return (error as StoreError).fault;
  }

  return {
    underTest,
    definitionId,
    shardCount: () => shards,
    open,
    node,
    lane,
    nextShard,
    writer,
    startRow,
    stepRow,
    changeRow,
    extras,
    started,
    one,
    birth,
    refusal,
  };
}
