/** Rows come back as they were written. */

import { expect, test } from "vitest";
import type { JournalEntry } from "../../machine/state.ts";
import type { Rig } from "./rig.ts";

export function rowLaws(rig: Rig): void {
  const { writer, startRow, stepRow, changeRow, extras, started, one, definitionId } = rig;

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
    expect(await found(["t"], (w.shard + 1) % rig.shardCount())).toEqual([]);
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
    const { shard } = w;
    const ids = [payloadId];
    expect(await w.store.payloads({ shard, instanceId: id, ids })).toEqual(new Map([[payloadId, body]]));
    expect(await w.store.payloads({ shard, instanceId: w.newId(), ids })).toEqual(new Map());
  });

  test("with a user's value that looks like a reference are read as they are", async () => {
    const w = await writer();
    const input = { $payload: "mine" };
    const id = await started(w, JSON.stringify(input));
    expect((await one(w, id))?.input).toEqual(input);
  });
}
