/**
 * The laws of a store, the same for every implementation (STYLE: one suite). A suite runs on one database, each law on
 * shards and ids of its own, so the order of laws does not matter.
 */

import { describe, expect, onTestFinished, test } from "vitest";
import { shardOf, uuidv7 } from "../../foundation/ids.ts";
import type { JournalEntry } from "../machine/state.ts";
import { type BirthRow, type FlushBatch, type Hint, type Store, StoreError } from "./contract.ts";
import { type ChangeRow, encodeChange, encodeStart, encodeStep, encodeTransition } from "./rows.ts";

export interface StoreUnderTest {
  /** One more store on the database of the suite; opened and closed by the suite. */
  connect(): Store;
  /** Accepts a start in a transaction that stays open until it is ended. */
  holdKey(birth: BirthRow): Promise<{ end(how: "commit" | "rollback"): Promise<void> }>;
  /** A head (`[namespace, workflow id, revision]`) that is not the latest. */
  staleHead: [string, string, number];
}

const definitionId = uuidv7(Date.now());

/** A node with a lane and one shard of its own, that writes what a lane would. */
interface Writer {
  store: Store;
  nodeId: string;
  laneId: string;
  shard: number;
  epoch: number;
  seq: number;
  newId(): string;
  flush(parts?: Partial<FlushBatch>): ReturnType<Store["flush"]>;
}

export function storeLaws(name: string, underTest: () => StoreUnderTest): void {
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

  describe(`${name}: flushes`, () => {
    test("are applied once each, in their order", async () => {
      const w = await writer();
      const id = await started(w);
      const second = { changes: `[${changeRow(w, id, { status: "PAUSED" })}]` };
      expect((await w.flush(second)).outcome).toBe("done");
      expect((await w.flush({ ...second, seq: 2 })).outcome).toBe("already");
      expect((await w.flush({ ...second, seq: 1 })).outcome).toBe("already");
      expect((await w.flush({ ...second, seq: 4 })).outcome).toBe("gap");
      expect(await one(w, id)).toMatchObject({ status: "PAUSED", version: 2 });
    });

    test("sent twice at once are applied once", async () => {
      const w = await writer();
      const other = await open();
      const batch = {
        laneId: w.laneId,
        seq: 1,
        nodeId: w.nodeId,
        shards: [w.shard],
        starts: `[${startRow(w, w.newId())}]`,
      };
      const outcomes = await Promise.all([w.store.flush(batch), other.flush(batch), w.store.flush(batch)]);
      expect(outcomes.map((answer) => answer.outcome).sort()).toEqual(["already", "already", "done"]);
    });

    test("of a closed, unknown or other lane are fenced and write nothing", async () => {
      const w = await writer();
      const id = w.newId();
      const starts = `[${startRow(w, id)}]`;
      const stranger = await lane(w.store, w.nodeId);
      expect((await w.flush({ starts, laneId: stranger })).outcome).toBe("fenced");
      expect((await w.flush({ starts, laneId: uuidv7(Date.now()) })).outcome).toBe("fenced");
      expect((await w.flush({ starts, seq: 1, shards: [w.shard, (w.shard + 1) % shards] })).outcome).toBe("fenced");
      await w.store.abandonLane(w.laneId);
      expect((await w.flush({ starts, seq: 1 })).outcome).toBe("fenced");
      expect(await one(w, id)).toBeUndefined();
    });

    test("that resolved a version which is no longer the latest are stale, and their number is used again", async () => {
      const w = await writer();
      const id = w.newId();
      const batch = { seq: 1, starts: `[${startRow(w, id)}]` };
      expect((await w.flush({ ...batch, latest: JSON.stringify([underTest().staleHead]) })).outcome).toBe("stale");
      expect(await one(w, id)).toBeUndefined();
      expect((await w.flush(batch)).outcome).toBe("done");
    });

    test("answer with the time of the store, which does not go back", async () => {
      const w = await writer();
      const first = await w.flush();
      const second = await w.flush();
      expect(second.at).toBeGreaterThanOrEqual(first.at);
    });

    test("keep marks without holes over more numbers than are kept", async () => {
      const w = await writer();
      for (let seq = 1; seq <= 2_002; seq++) expect((await w.flush()).outcome).toBe("done");
      expect((await w.flush({ seq: 2_002 })).outcome).toBe("already");
      expect((await w.flush({ seq: 2_004 })).outcome).toBe("gap");
      expect((await w.flush({ seq: 2_003 })).outcome).toBe("done");
    });

    const nul = "a\u0000b";
    const half = "\ud800";
    const refused: [string, (w: Writer, known: string) => Partial<FlushBatch>][] = [
      ["U+0000 in an output", (w, id) => ({ steps: `[${stepRow(w, id, { output: nul })}]` })],
      ["half of a surrogate pair", (w, id) => ({ steps: `[${stepRow(w, id, { output: { deep: [half] } })}]` })],
      ["U+0000 in a path", (w, id) => ({ steps: `[${stepRow(w, id, { path: nul })}]` })],
      ["a step id that is too long", (w, id) => ({ steps: `[${stepRow(w, id, { stepId: "x".repeat(256) })}]` })],
      ["a journal row twice", (w, id) => ({ steps: `[${stepRow(w, id, {})},${stepRow(w, id, {})}]` })],
      ["an instance that is there", (w, id) => ({ starts: `[${startRow(w, id)}]` })],
      ["an id without partition", (w) => ({ starts: `[${startRow(w, uuidv7(1_000, w.shard))}]` })],
      ["an id that is none", (w) => ({ starts: `[${startRow(w, "nobody")}]` })],
      ["an unknown status", (w, id) => ({ changes: `[${changeRow(w, id, { status: "LOST" as "RUNNING" })}]` })],
      [
        "a step id on the instance that is too long",
        (w, id) => ({ changes: `[${changeRow(w, id, { currentStepId: "x".repeat(256) })}]` }),
      ],
      [
        "an instant that no calendar has",
        (w, id) => ({ extras: extras({ timersArmed: [[w.shard, 1e300, id, "a"]] }) }),
      ],
      [
        "a timer twice",
        (w, id) => ({
          extras: extras({
            timersArmed: [
              [w.shard, 5, id, "a"],
              [w.shard, 5, id, "a"],
            ],
          }),
        }),
      ],
      [
        "U+0000 in a transition",
        (w, id) => ({
          transitions: `[${encodeTransition({ shard: w.shard, namespace: "default", instanceId: id }, { from: "RUNNING", to: "PAUSED", event: "e", data: nul })}]`,
        }),
      ],
      ["text that is no JSON", () => ({ changes: "[nonsense" })],
    ];
    test.each(refused)("with %s are refused as data, and nothing of them is written", async (_what, parts) => {
      const w = await writer();
      const id = await started(w);
      const other = w.newId();
      const starts = `[${startRow(w, other)}]`;
      const bad = parts(w, id);
      const seq = w.seq + 1;
      expect(await refusal(w.flush({ seq, ...(bad.starts === undefined ? { starts } : {}), ...bad }))).toBe("data");
      expect(await one(w, other)).toBeUndefined();
      expect(await one(w, id)).toMatchObject({ version: 1, entries: [] });
      expect((await w.flush({ seq, starts })).outcome).toBe("done");
    });
  });

  describe(`${name}: rows`, () => {
    test("of an instance come back as they were written", async () => {
      const w = await writer();
      const input = { text: 'ü € 😀 \\u0000 "', list: [1, 2.5, -0.001, 1e21, null, true], __proto__x: {} };
      const id = await started(w, JSON.stringify(input));
      expect(await one(w, id)).toMatchObject({
        shard: w.shard,
        id,
        namespace: "default",
        definitionId,
        workflowId: "w",
        status: "RUNNING",
        ready: true,
        priority: 5,
        correlationId: "c",
        startedBy: null,
        version: 1,
        input,
        state: null,
        stateSeq: 0,
        output: null,
        error: null,
        cancelation: null,
        parked: false,
        startedAt: 1_800_000_000_123,
        completedAt: null,
        entries: [],
      });
    });

    test("of the journal come back in order, after the state that covers them", async () => {
      const w = await writer();
      const id = await started(w);
      const entries: JournalEntry[] = [
        {
          seq: 1,
          path: "a",
          stepId: "a",
          type: "TASK",
          attempt: 1,
          status: "RUNNING",
          input: { n: 1 },
          startedAt: 1_800_000_000_001,
        },
        {
          seq: 2,
          path: "a",
          stepId: "a",
          type: "TASK",
          attempt: 1,
          status: "FAILED",
          input: { n: 1 },
          error: {
            code: "E",
            category: "UNKNOWN",
            message: "m",
            retriable: true,
            timestamp: "2027-01-01T00:00:00.000Z",
          },
          startedAt: 1_800_000_000_001,
          completedAt: 1_800_000_000_999,
          outcome: { retryAt: 1_800_000_001_999 },
        },
        {
          seq: 3,
          path: "a#2",
          stepId: "a",
          type: "DECISION",
          attempt: 1,
          status: "COMPLETED",
          output: null,
          startedAt: 1,
          completedAt: 2,
        },
      ];
      const steps = `[${[entries[2]!, entries[0]!, entries[1]!].map((entry) => stepRow(w, id, entry)).join(",")}]`;
      await w.flush({ steps });
      expect((await one(w, id))?.entries).toEqual(entries);
      await w.flush({ changes: `[${changeRow(w, id, { state: { text: '{"format":1}', seq: 2 } })}]` });
      expect(await one(w, id)).toMatchObject({ state: { format: 1 }, stateSeq: 2, entries: [{ seq: 3 }] });
      expect((await w.store.statuses([{ shard: w.shard, id }])).get(id)).toEqual({
        status: "RUNNING",
        version: 2,
        lastSeq: 3,
      });
    });

    test("that are null are absent, but the output of what is completed is null", async () => {
      const w = await writer();
      const id = await started(w);
      await w.flush({
        steps: `[${stepRow(w, id, { input: null, output: null })},${stepRow(w, id, { seq: 2, status: "FAILED", output: null })}]`,
      });
      const [completed, failed] = (await one(w, id))!.entries;
      expect(completed).toMatchObject({ output: null });
      expect(completed).not.toHaveProperty("input");
      expect(failed).not.toHaveProperty("output");
    });

    test("of a change keep what the change leaves out", async () => {
      const w = await writer();
      const id = await started(w);
      const error = { code: "E", category: "UNKNOWN", message: "m", retriable: false, timestamp: "t" };
      await w.flush({
        changes: `[${changeRow(w, id, { output: "7", error: JSON.stringify(error), completedAt: 1_800_000_000_500, state: { text: "{}", seq: 4 } })}]`,
      });
      await w.flush({ changes: `[${changeRow(w, id, { status: "FAILED", ready: false })}]` });
      expect(await one(w, id)).toMatchObject({
        status: "FAILED",
        ready: false,
        output: 7,
        error,
        completedAt: 1_800_000_000_500,
        state: {},
        stateSeq: 4,
        version: 3,
      });
    });

    test("of an instance that does not exist change nothing", async () => {
      const w = await writer();
      const id = w.newId();
      expect((await w.flush({ changes: `[${changeRow(w, id, {})}]` })).outcome).toBe("done");
      expect(await w.store.statuses([{ shard: w.shard, id }])).toEqual(new Map());
    });

    test("that are ready are read page by page in the order of ids; sleeping ones are not read", async () => {
      const w = await writer();
      const ids = [await started(w), await started(w), await started(w), await started(w)];
      await w.flush({ changes: `[${changeRow(w, ids[1]!, { ready: false })}]` });
      const first = await w.store.readyInstances({ shard: w.shard, after: null, limit: 2 });
      expect(first.map((row) => row.id)).toEqual([ids[0], ids[2]]);
      const second = await w.store.readyInstances({ shard: w.shard, after: ids[2]!, limit: 2 });
      expect(second.map((row) => row.id)).toEqual([ids[3]]);
    });

    test("of steps that wait for a handler are found by its task", async () => {
      const w = await writer();
      const [waits, other] = [await started(w), await started(w)];
      await w.flush({
        changes: `[${changeRow(w, waits, { ready: false, awaitingTaskId: "t" })},${changeRow(w, other, { ready: false, awaitingTaskId: "u" })}]`,
      });
      const found = (taskIds: string[], shard = w.shard) =>
        w.store.awaitingTasks({ shards: [shard], taskIds, limit: 10 });
      expect(await found(["t", "x"])).toEqual([{ shard: w.shard, id: waits }]);
      expect(await found(["t"], (w.shard + 1) % shards)).toEqual([]);
      await w.flush({ changes: `[${changeRow(w, waits, { ready: true })}]` });
      expect(await found(["t"])).toEqual([]);
    });

    test("whose values lie in payloads are read with the values in place", async () => {
      const w = await writer();
      const id = w.newId();
      const payloadId = w.newId();
      const body = { large: [1, 2, 3] };
      await w.store.savePayload({ shard: w.shard, id: payloadId, instanceId: id, body: JSON.stringify(body) });
      await w.store.savePayload({ shard: w.shard, id: payloadId, instanceId: id, body: "0" });
      const reference = JSON.stringify({ $payload: payloadId });
      await w.flush({
        starts: `[${startRow(w, id, reference)}]`,
        extras: extras({ payloadsClaimed: [[w.shard, payloadId]] }),
      });
      await w.flush({ steps: `[${stepRow(w, id, { output: { $payload: payloadId } })}]` });
      const stored = (await one(w, id))!;
      expect(stored).toMatchObject({ input: body, entries: [{ output: body }] });
      expect(stored.references.get(stored.input)).toBe(payloadId);
      expect(await w.store.payloads([{ shard: w.shard, id: payloadId }])).toEqual(new Map([[payloadId, body]]));
    });

    test("with a user's value that looks like a reference are read as they are", async () => {
      const w = await writer();
      const input = { $payload: "mine" };
      const id = await started(w, JSON.stringify(input));
      expect((await one(w, id))?.input).toEqual(input);
    });
  });

  describe(`${name}: timers, waits and inbox`, () => {
    test("timers are read by existence, soonest first, a limit for each shard", async () => {
      const w = await writer();
      const id = await started(w);
      const rows = [30, 10, 20, 40].map((dueAt) => [w.shard, dueAt, id, `k${dueAt}`]);
      await w.flush({ extras: extras({ timersArmed: rows }) });
      const due = async (until: number, floor = 0, limitPerShard = 10) =>
        (await w.store.timers({ shards: [{ shard: w.shard, floor }], until, limitPerShard })).map(
          (timer) => timer.dueAt,
        );
      expect(await due(30)).toEqual([10, 20]);
      expect(await due(31, 20)).toEqual([20, 30]);
      expect(await due(100, 0, 3)).toEqual([10, 20, 30]);
      await w.flush({
        extras: extras({
          timersCleared: [
            [w.shard, 10, id, "k10"],
            [w.shard, 99, id, "none"],
          ],
        }),
      });
      expect(await due(100)).toEqual([20, 30, 40]);
      await w.flush({
        extras: extras({ timersArmed: [[w.shard, 5, id, "x"]], timersCleared: [[w.shard, 5, id, "x"]] }),
      });
      expect(await due(10)).toEqual([]);
    });

    test("instants keep their milliseconds through the store", async () => {
      const w = await writer();
      const id = await started(w);
      const instants = Array.from({ length: 200 }, (_, i) => 1_763_717_234_567 + i * 7_919);
      await w.flush({ extras: extras({ timersArmed: instants.map((dueAt) => [w.shard, dueAt, id, "k"]) }) });
      const read = await w.store.timers({ shards: [{ shard: w.shard, floor: 0 }], until: 2e12, limitPerShard: 500 });
      expect(read.map((timer) => timer.dueAt)).toEqual(instants);
      await w.flush({
        extras: extras({ timersCleared: read.map((timer) => [timer.shard, timer.dueAt, timer.instanceId, timer.key]) }),
      });
      expect(await w.store.timers({ shards: [{ shard: w.shard, floor: 0 }], until: 2e12, limitPerShard: 1 })).toEqual(
        [],
      );
    });

    test("a wait is one row for a path, opened once", async () => {
      const w = await writer();
      const id = await started(w);
      const opened = extras({ waitsOpened: [[w.shard, id, "w", "default", "go", null, null, "w", null]] });
      await w.flush({ extras: opened });
      expect(await refusal(w.flush({ extras: opened }))).toBe("data");
      expect(
        (await w.flush({ seq: w.seq, extras: extras({ waitsEnded: [[w.shard, id, "w", "fulfilled", null]] }) }))
          .outcome,
      ).toBe("done");
    });

    test("inbox rows are read in the order of their ids until they are consumed", async () => {
      const w = await writer();
      const id = await started(w);
      await w.store.post([1, 2, 3].map((n) => ({ shard: w.shard, kind: "SIGNAL", instanceId: id, fact: { n } })));
      const read = (floor = 0, limitPerShard = 10) =>
        w.store.inbox({ shards: [{ shard: w.shard, floor }], limitPerShard });
      const rows = await read();
      expect(rows.map((row) => [row.shard, row.kind, row.instanceId, row.fact])).toEqual(
        [1, 2, 3].map((n) => [w.shard, "SIGNAL", id, { n }]),
      );
      expect((await read(rows[0]!.id)).map((row) => row.id)).toEqual([rows[1]!.id, rows[2]!.id]);
      expect(await read(0, 1)).toHaveLength(1);
      await w.flush({
        extras: extras({
          inboxConsumed: [
            [w.shard, rows[1]!.id],
            [w.shard, rows[1]!.id],
          ],
        }),
      });
      expect((await read()).map((row) => row.id)).toEqual([rows[0]!.id, rows[2]!.id]);
    });

    test("facts that cannot be stored are refused, all of the call", async () => {
      const w = await writer();
      const rows = ["fine", "\u0000"].map((text) => ({
        shard: w.shard,
        kind: "SIGNAL",
        instanceId: w.newId(),
        fact: { text },
      }));
      expect(await refusal(w.store.post(rows))).toBe("data");
      expect(await w.store.inbox({ shards: [{ shard: w.shard, floor: 0 }], limitPerShard: 10 })).toEqual([]);
      expect(
        await refusal(w.store.savePayload({ shard: w.shard, id: w.newId(), instanceId: w.newId(), body: '"\\u0000"' })),
      ).toBe("data");
    });
  });

  describe(`${name}: births`, () => {
    test("make a created instance and its START, which sleeps until the owner takes it in", async () => {
      const w = await writer();
      const born = birth(w, { correlationId: "c", startedBy: "me", input: { n: 1 } });
      const [answer] = await w.store.accept([born]);
      expect(answer).toMatchObject({ outcome: "created", shard: w.shard });
      expect(await one(w, born.id)).toMatchObject({
        status: "CREATED",
        ready: false,
        input: { n: 1 },
        correlationId: "c",
        startedBy: "me",
      });
      expect(await w.store.readyInstances({ shard: w.shard, after: null, limit: 10 })).toEqual([]);
      const [row] = await w.store.inbox({ shards: [{ shard: w.shard, floor: 0 }], limitPerShard: 10 });
      expect(row).toMatchObject({ kind: "START", instanceId: born.id });
      expect(answer).toMatchObject({ inboxId: row!.id });
    });

    test("with one key on two nodes are one instance, and another request is told apart by its hash", async () => {
      const [a, b] = [await writer(), await writer()];
      const keyed = { key: a.newId() };
      const births = [birth(a, keyed), birth(b, { ...keyed, requestHash: "other" })];
      const answers = (await Promise.all([a.store.accept([births[0]!]), b.store.accept([births[1]!])])).flat();
      const created = answers.findIndex((answer) => answer.outcome === "created");
      expect(created).not.toBe(-1);
      expect(answers[1 - created]).toMatchObject({
        outcome: "exists",
        instanceId: births[created]!.id,
        definitionId,
        requestHash: births[created]!.requestHash,
      });
      expect(await one(created === 0 ? b : a, births[1 - created]!.id)).toBeUndefined();
    });

    test("with one key twice in one call are one instance", async () => {
      const w = await writer();
      const key = w.newId();
      const [first, second, free] = [birth(w, { key }), birth(w, { key }), birth(w)];
      const answers = await w.store.accept([first, second, free]);
      expect(answers.map((answer) => answer.outcome)).toEqual(["created", "exists", "created"]);
      expect(answers[1]).toMatchObject({ instanceId: first.id });
    });

    test("with the same key in another namespace or of another workflow are others", async () => {
      const w = await writer();
      const key = w.newId();
      const births = [birth(w, { key }), birth(w, { key, namespace: "x" }), birth(w, { key, workflowId: "x" })];
      expect((await w.store.accept(births)).map((answer) => answer.outcome)).toEqual(["created", "created", "created"]);
    });

    test("whose key an open transaction holds are busy, and the others of the call are not", async () => {
      const w = await writer();
      const key = w.newId();
      const held = await underTest().holdKey(birth(w, { key }));
      const answers = await w.store.accept([birth(w), birth(w, { key }), birth(w)]);
      expect(answers.map((answer) => answer.outcome)).toEqual(["created", "busy", "created"]);
      await held.end("rollback");
      expect(await w.store.accept([birth(w, { key })])).toMatchObject([{ outcome: "created" }]);
    });

    test("whose key an open transaction took are its instance after the commit", async () => {
      const w = await writer();
      const first = birth(w, { key: w.newId(), requestHash: "first" });
      const held = await underTest().holdKey(first);
      await held.end("commit");
      expect(await w.store.accept([birth(w, { key: first.key })])).toMatchObject([
        { outcome: "exists", instanceId: first.id, requestHash: "first" },
      ]);
    });

    test("that resolved a version which is no longer the latest are stale, all of the call", async () => {
      const w = await writer();
      const [namespace, workflowId, revision] = underTest().staleHead;
      const births = [birth(w, { namespace, workflowId, revision }), birth(w)];
      expect((await w.store.accept(births)).map((answer) => answer.outcome)).toEqual(["stale", "stale"]);
      expect(await one(w, births[1]!.id)).toBeUndefined();
    });

    const refused: [string, Partial<BirthRow>][] = [
      ["U+0000 in the input", { inputText: '{"a":"\\u0000"}' }],
      ["a key that is too long", { key: "k".repeat(256) }],
      ["a correlation id that is too long", { correlationId: "k".repeat(256) }],
      ["an id without partition", { id: uuidv7(5_000, 1) }],
    ];
    test.each(refused)("with %s are refused, all of the call", async (_what, part) => {
      const w = await writer();
      const fine = birth(w, { key: w.newId() });
      expect(await refusal(w.store.accept([fine, birth(w, part)]))).toBe("data");
      expect(await one(w, fine.id)).toBeUndefined();
      expect((await w.store.accept([fine]))[0]?.outcome).toBe("created");
    });
  });

  describe(`${name}: leases`, () => {
    test("a shard is acquired when it is free or its lane is closed, and each time its epoch grows", async () => {
      const w = await writer();
      const other = await node(w.store);
      const otherLane = await lane(w.store, other);
      const acquire = () => w.store.acquire({ shard: w.shard, laneId: otherLane, nodeId: other });
      expect(await acquire()).toBeUndefined();
      await w.store.abandonLane(w.laneId);
      const acquired = await acquire();
      expect(acquired?.epoch).toBeGreaterThan(w.epoch);
      expect(acquired).toMatchObject({ takeovers: 0, folding: null });
      expect(await acquire()).toBeUndefined();
      const closed = await lane(w.store, other);
      await w.store.abandonLane(closed);
      await w.store.abandonLane(otherLane);
      expect(await w.store.acquire({ shard: w.shard, laneId: closed, nodeId: other })).toBeUndefined();
    });

    test("a lane that is opened twice is one lane, and one that was closed stays closed", async () => {
      const w = await writer();
      await w.store.openLane({ laneId: w.laneId, nodeId: w.nodeId });
      expect((await w.flush()).outcome).toBe("done");
      await w.store.abandonLane(w.laneId);
      await w.store.openLane({ laneId: w.laneId, nodeId: w.nodeId });
      expect((await w.flush()).outcome).toBe("fenced");
    });

    test("one shard goes to one of those that ask at once", async () => {
      const [a, b] = [await open(), await open()];
      const shard = nextShard();
      const asking = [a, b, a, b].map(async (store) => {
        const nodeId = await node(store);
        return store.acquire({ shard, laneId: await lane(store, nodeId), nodeId });
      });
      expect((await Promise.all(asking)).filter((acquired) => acquired !== undefined)).toHaveLength(1);
    });

    test("a shard that its lane hands over in a flush is free, and the next flush for it is fenced", async () => {
      const w = await writer();
      const id = await started(w);
      expect((await w.flush({ extras: extras({ shardsReleased: [[w.shard]] }) })).outcome).toBe("done");
      expect((await w.flush({ changes: `[${changeRow(w, id, {})}]` })).outcome).toBe("fenced");
      const next = await writer({ store: w.store, shard: w.shard });
      expect(next.epoch).toBeGreaterThan(w.epoch + 1);
    });

    test("a lane is closed for a node whose lease ran out and that has not beaten since, and for no other", async () => {
      const w = await writer({ leaseMs: 60_000 });
      const seen = async () => (await w.store.cluster()).nodes.find((row) => row.nodeId === w.nodeId)!;
      expect(await w.store.closeLanes({ nodeId: w.nodeId, beat: (await seen()).beat })).toBe(-1);
      const stale = (await seen()).beat;
      expect(await w.store.beat({ nodeId: w.nodeId, leaseMs: 0, draining: false })).toBe(true);
      expect(await w.store.closeLanes({ nodeId: w.nodeId, beat: stale })).toBe(-1);
      expect((await w.flush()).outcome).toBe("done");
      const { beat, openLanes } = await seen();
      expect(openLanes).toBe(1);
      expect(await w.store.closeLanes({ nodeId: w.nodeId, beat })).toBe(1);
      expect((await w.flush()).outcome).toBe("fenced");
      expect((await seen()).openLanes).toBe(0);
    });

    test("a node that was given up beats in vain until it registers again", async () => {
      const w = await writer({ leaseMs: 0 });
      const { beat } = (await w.store.cluster()).nodes.find((row) => row.nodeId === w.nodeId)!;
      expect(await w.store.closeLanes({ nodeId: w.nodeId, beat })).toBe(1);
      const beats = () => w.store.beat({ nodeId: w.nodeId, leaseMs: 60_000, draining: false });
      expect(await beats()).toBe(false);
      await w.store.register({
        nodeId: w.nodeId,
        name: "n",
        version: "1",
        leaseMs: 60_000,
        roles: ["engine"],
        tasks: [],
        endpoints: {},
      });
      expect(await beats()).toBe(true);
    });

    test("closing a lane waits for the flush under way: after it nothing is written", async () => {
      const w = await writer({ leaseMs: 0 });
      const id = await started(w);
      const { beat } = (await w.store.cluster()).nodes.find((row) => row.nodeId === w.nodeId)!;
      const rescuer = await open();
      const flushes = Promise.all(
        Array.from({ length: 20 }, () =>
          w.flush({ changes: `[${changeRow(w, id, {})}]` }).then((answer) => answer.outcome),
        ),
      );
      await rescuer.closeLanes({ nodeId: w.nodeId, beat });
      const version = (await one(w, id))!.version;
      const outcomes = await flushes;
      expect((await one(w, id))!.version).toBe(version);
      expect(version).toBe(1 + outcomes.filter((outcome) => outcome === "done").length);
    });

    test("takeovers are counted while they follow each other, and an orderly release ends the count", async () => {
      const store = await open();
      const shard = nextShard();
      const takeOver = async () => {
        const w = await writer({ store, shard, leaseMs: 0 });
        const { beat } = (await store.cluster()).nodes.find((row) => row.nodeId === w.nodeId)!;
        expect(await store.closeLanes({ nodeId: w.nodeId, beat })).toBe(1);
      };
      await takeOver();
      await takeOver();
      const nodeId = await node(store);
      const laneId = await lane(store, nodeId);
      expect(await store.acquire({ shard, laneId, nodeId })).toMatchObject({ takeovers: 2 });
      await store.abandonLane(laneId);
      expect(await store.acquire({ shard, laneId: await lane(store, nodeId), nodeId })).toMatchObject({ takeovers: 0 });
    });

    describe("an instance that is folded alone", () => {
      /** Owners that note what they fold, one after the other, and die of it; what the next is told. */
      async function toldAfter(notes: (string | null)[][]): Promise<string | null> {
        const store = await open();
        const shard = nextShard();
        for (const own of notes) {
          const w = await writer({ store, shard, leaseMs: 0 });
          for (const instanceId of own) await store.noteFolding({ shard, laneId: w.laneId, instanceId });
          const { beat } = (await store.cluster()).nodes.find((row) => row.nodeId === w.nodeId)!;
          expect(await store.closeLanes({ nodeId: w.nodeId, beat })).toBe(1);
        }
        const nodeId = await node(store);
        const acquired = await store.acquire({ shard, laneId: await lane(store, nodeId), nodeId });
        return acquired!.folding;
      }
      const one = uuidv7(1);
      const other = uuidv7(2);

      test("is named when two owners died while they folded it, and not after the first", async () => {
        expect(await toldAfter([[one]])).toBe(null);
        expect(await toldAfter([[one], [one]])).toBe(one);
        expect(await toldAfter([[one], [], [one]])).toBe(one);
      });

      test("is not to blame when the next owner died of another, or after it had been folded", async () => {
        expect(await toldAfter([[one], [other]])).toBe(null);
        expect(await toldAfter([[one], [one, null], [one]])).toBe(null);
        expect(await toldAfter([[one, null], [one]])).toBe(null);
      });

      test("is noted by the shard's owner only", async () => {
        const store = await open();
        const shard = nextShard();
        const stranger = await lane(store, await node(store));
        for (let deaths = 0; deaths < 2; deaths++) {
          const w = await writer({ store, shard, leaseMs: 0 });
          await store.noteFolding({ shard, laneId: stranger, instanceId: one });
          const { beat } = (await store.cluster()).nodes.find((row) => row.nodeId === w.nodeId)!;
          expect(await store.closeLanes({ nodeId: w.nodeId, beat })).toBe(1);
        }
        const nodeId = await node(store);
        expect(await store.acquire({ shard, laneId: stranger, nodeId })).toMatchObject({ folding: null });
      });
    });

    test("the cluster shows each node's beat and each shard's owner", async () => {
      const w = await writer();
      await w.store.beat({ nodeId: w.nodeId, leaseMs: 60_000, draining: true });
      const { now, nodes, leases } = await w.store.cluster();
      const row = nodes.find((each) => each.nodeId === w.nodeId)!;
      expect(row).toMatchObject({ beat: 1, draining: true, openLanes: 1, roles: ["engine"] });
      expect(row.expiresAt).toBeGreaterThan(now);
      expect(leases).toHaveLength(shards);
      expect(leases[w.shard]).toEqual({
        shard: w.shard,
        laneId: w.laneId,
        nodeId: w.nodeId,
        laneOpen: true,
        epoch: w.epoch,
      });
      await w.store.deregister(w.nodeId);
      expect((await w.store.cluster()).nodes.find((each) => each.nodeId === w.nodeId)!.expiresAt).toBeLessThanOrEqual(
        (await w.store.cluster()).now,
      );
    });

    test("a beat of a node that is not registered is refused", async () => {
      const store = await open();
      expect(await store.beat({ nodeId: uuidv7(Date.now()), leaseMs: 1_000, draining: false })).toBe(false);
    });
  });

  test(`${name}: hints reach those who listen`, async () => {
    const [a, b] = [await open(), await open()];
    const heard: Hint[] = [];
    b.onHint((hint) => heard.push(hint));
    const hint: Hint = { inbox: [1, 2], instances: ["x"] };
    // A hint may be lost while the listener is still connecting.
    await expect
      .poll(async () => {
        await a.hint(hint);
        return heard.some((each) => (each.instances ?? []).includes("x"));
      })
      .toBe(true);
    expect(heard.find((each) => each.instances !== undefined)).toEqual(hint);
  });
}
