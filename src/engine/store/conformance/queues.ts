/** Timers, waits and inbox rows: read by existence (PROTOCOLS 5 and 7). */

import { expect, test } from "vitest";
import type { Rig } from "./rig.ts";

export function queueLaws(rig: Rig): void {
  const { writer, stepRow, extras, started, refusal } = rig;

  test("timers are read by existence, soonest first, a limit for each shard", async () => {
    const w = await writer();
    const id = await started(w);
    const rows = [30, 10, 20, 40].map((dueAt) => [w.shard, dueAt, id, `k${dueAt}`]);
    await w.flush({ extras: extras({ timersArmed: rows }) });
    const due = async (until: number, floor = 0, limitPerShard = 10) =>
      (await w.store.timers({ shards: [{ shard: w.shard, floor }], until, limitPerShard })).map((timer) => timer.dueAt);
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
    expect(await w.store.timers({ shards: [{ shard: w.shard, floor: 0 }], until: 2e12, limitPerShard: 1 })).toEqual([]);
  });

  test("a wait is one row for a path, opened once", async () => {
    const w = await writer();
    const id = await started(w);
    const opened = extras({ waitsOpened: [[w.shard, id, "w", "default", "go", null, null, "w", null, "", 0]] });
    await w.flush({ events: opened });
    expect(await refusal(w.flush({ events: opened }))).toBe("data");
    expect(
      (await w.flush({ seq: w.seq, events: extras({ waitsEnded: [[w.shard, id, "w", "fulfilled", null]] }) })).outcome,
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

  test("an errand is taken once, by its runner, and stands while its step is with that runner and in time", async () => {
    const w = await writer();
    const runner = w.newId();
    const send = async (id: string, timeoutMs: number, named = runner) => {
      const row = { status: "RUNNING" as const, outcome: { runner: named } };
      const errand = [runner, w.shard, id, "a", "a", "t", 1, { n: 1 }, timeoutMs];
      await w.flush({ steps: `[${stepRow(w, id, row)}]`, extras: extras({ errands: [errand] }) });
    };
    const [stands, late, given, ended] = [await started(w), await started(w), await started(w), await started(w)];
    await send(stands, 60_000);
    await send(late, 0);
    await send(given, 60_000);
    await w.flush({ steps: `[${stepRow(w, given, { seq: 2, status: "RUNNING", outcome: { runner: w.newId() } })}]` });
    await send(ended, 60_000);
    await w.flush({ steps: `[${stepRow(w, ended, { seq: 2 })}]` });
    expect(await w.store.takeErrands({ runner: w.newId(), limit: 10 })).toEqual([]);
    const taken = await w.store.takeErrands({ runner, limit: 10 });
    expect(taken[0]).toMatchObject({
      shard: w.shard,
      instanceId: stands,
      path: "a",
      taskId: "t",
      attempt: 1,
      input: { n: 1 },
    });
    expect(taken.map((errand) => [errand.instanceId, errand.stands])).toEqual([
      [stands, true],
      [late, false],
      [given, false],
      [ended, false],
    ]);
    expect(await w.store.takeErrands({ runner, limit: 10 })).toEqual([]);
  });
}
