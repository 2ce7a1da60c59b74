/** Messages between instances, limits, joins, logs, restarts, counts: what a workflow's whole life writes. */

import { describe, expect, test } from "vitest";
import type { JournalEntry } from "../../machine/state.ts";
import { carriedNode, type RestartRow } from "../contract.ts";
import { encodeLog, encodeMessage, encodeStart, encodeStep } from "../rows.ts";
import type { Rig, Writer } from "./rig.ts";

export function lifeLaws(rig: Rig): void {
  const { writer, startRow, stepRow, changeRow, extras, started, one, refusal, definitionId } = rig;
  const texts = (parts: Record<string, string[]>) =>
    `{${Object.entries(parts).map(([kind, rows]) => `"${kind}":[${rows.join(",")}]`)}}`;

  describe("facts for others", () => {
    const message = (from: Writer, to: { shard: number; id: string }, fact: object, kind = "CANCEL") =>
      encodeMessage({ shard: to.shard, kind, to: to.id, fact, fromShard: from.shard });
    const inboxOf = (w: Writer) => w.store.inbox({ shards: [{ shard: w.shard, floor: 0 }], limitPerShard: 10 });

    test("are in the inbox of whatever shard with the flush that wrote them, in its order, and not without it", async () => {
      const [a, b] = [await writer(), await writer()];
      const [own, other] = [await started(a), await started(b)];
      const rows = [
        message(a, { shard: b.shard, id: other }, { n: 1 }),
        message(a, { shard: a.shard, id: own }, { n: 2 }),
        message(a, { shard: b.shard, id: other }, { n: 3, text: 'ü "' }, "CHILD_ENDED"),
      ];
      const batch = { changes: `[${changeRow(a, own, {})}]`, extras: texts({ inboxPosted: rows }) };
      expect((await a.flush({ ...batch, seq: a.seq + 2 })).outcome).toBe("gap");
      expect(await inboxOf(b)).toEqual([]);
      expect((await a.flush({ ...batch, seq: a.seq })).outcome).toBe("done");
      expect((await a.flush({ ...batch, seq: a.seq - 1 })).outcome).toBe("already");
      expect((await inboxOf(b)).map(({ kind, instanceId, fact }) => [kind, instanceId, fact])).toEqual([
        ["CANCEL", other, { n: 1 }],
        ["CHILD_ENDED", other, { n: 3, text: 'ü "' }],
      ]);
      expect((await inboxOf(a)).map(({ fact }) => fact)).toEqual([{ n: 2 }]);
    });

    test("that cannot be stored are refused, with all of the flush", async () => {
      const [a, b] = [await writer(), await writer()];
      const id = await started(a);
      const bad = message(a, { shard: b.shard, id }, { text: "\u0000" });
      const changes = `[${changeRow(a, id, { status: "PAUSED" })}]`;
      expect(await refusal(a.flush({ changes, extras: texts({ inboxPosted: [bad] }) }))).toBe("data");
      expect(await inboxOf(b)).toEqual([]);
      expect((await one(a, id))?.status).toBe("RUNNING");
    });
  });

  describe("permits of a limit", () => {
    const put = (w: Writer, limitId: string, instanceId: string, more: Partial<Record<string, unknown>> = {}) => {
      const row = { key: "k", state: "waiting", priority: 5, max: 2, askedAt: 1_800_000_000_001, ...more };
      return [w.shard, limitId, instanceId, row.key, row.state, row.priority, row.max, row.askedAt];
    };

    test("are read by the limit, as they were last put, from when they were first asked for", async () => {
      const w = await writer();
      const [limitId, other, a, b] = [w.newId(), w.newId(), w.newId(), w.newId()];
      await w.flush({ extras: extras({ permitsPut: [put(w, limitId, a), put(w, limitId, b), put(w, other, a)] }) });
      const granted = put(w, limitId, a, { state: "held", priority: 9, max: 3, askedAt: 1_900_000_000_000 });
      await w.flush({ extras: extras({ permitsPut: [granted] }) });
      const rows = await w.store.permits({ shard: w.shard, limitId });
      const waiting = { instanceId: b, key: "k", state: "waiting", priority: 5, max: 2, askedAt: 1_800_000_000_001 };
      expect(rows.sort((x, y) => (x.instanceId < y.instanceId ? -1 : 1))).toEqual(
        [{ ...waiting, instanceId: a, state: "held", priority: 9, max: 3 }, waiting].sort((x, y) =>
          x.instanceId < y.instanceId ? -1 : 1,
        ),
      );
      expect(await w.store.permits({ shard: w.shard, limitId: w.newId() })).toEqual([]);
    });

    test("are gone when they are dropped, and dropping one that is not there changes nothing", async () => {
      const w = await writer();
      const [limitId, a, b] = [w.newId(), w.newId(), w.newId()];
      await w.flush({ extras: extras({ permitsPut: [put(w, limitId, a), put(w, limitId, b)] }) });
      const dropped = [a, w.newId()].map((id) => [w.shard, limitId, id]);
      await w.flush({ extras: extras({ permitsDropped: dropped }) });
      expect((await w.store.permits({ shard: w.shard, limitId })).map((row) => row.instanceId)).toEqual([b]);
    });

    test("in a state that there is none of are refused", async () => {
      const w = await writer();
      const row = put(w, w.newId(), w.newId(), { state: "lost" });
      expect(await refusal(w.flush({ extras: extras({ permitsPut: [row] }) }))).toBe("data");
    });
  });

  describe("the journal", () => {
    const closed = { outcome: { closed: true as const } };
    const error = { code: "E", category: "BUSINESS" as const, message: "m", retriable: false, timestamp: "t" };

    test("gives page by page what ended branches and items, with their payloads in place", async () => {
      const w = await writer();
      const id = await started(w);
      const payloadId = w.newId();
      const body = { large: [1, 2] };
      await w.store.savePayload({ shard: w.shard, id: payloadId, instanceId: id, body: JSON.stringify(body) });
      const entries: Partial<JournalEntry>[] = [
        { seq: 1, path: "m", type: "MAP", status: "RUNNING", outcome: { total: 4 } },
        { seq: 2, path: "m/0/a", output: 7, ...closed },
        { seq: 3, path: "m/1/a", status: "FAILED", error, ...closed },
        { seq: 4, path: "m/2/a", output: 1, outcome: { next: ["m/2/b"] } },
        { seq: 5, path: "m/2/b", output: null, ...closed },
        { seq: 6, path: "m/3/a", output: { $payload: payloadId }, ...closed },
      ];
      await w.flush({
        steps: `[${entries.map((entry) => stepRow(w, id, entry)).join(",")}]`,
        extras: extras({ payloadsClaimed: [[w.shard, payloadId]] }),
      });
      const page = (afterSeq: number, limit: number) =>
        w.store.endings({ shard: w.shard, instanceId: id, afterSeq, limit });
      expect(await page(0, 3)).toEqual({
        rows: [
          { path: "m/0/a", failed: false, output: 7 },
          { path: "m/1/a", failed: true, output: null },
        ],
        next: 3,
      });
      const rest = [
        { path: "m/2/b", failed: false, output: null },
        { path: "m/3/a", failed: false, output: body },
      ];
      expect(await page(3, 10)).toEqual({ rows: rest, next: undefined });
      expect(await page(6, 10)).toEqual({ rows: [], next: undefined });
      expect(await page(0, 1)).toEqual({ rows: [], next: 1 });
    });

    test("is read whole, in order, and payloads stay references", async () => {
      const w = await writer();
      const id = await started(w);
      const reference = { $payload: w.newId() };
      const entries: JournalEntry[] = [
        { ...row, seq: 1, status: "RUNNING", outcome: { interrupted: 1 } },
        { ...row, seq: 2, input: { n: 1 }, output: reference, completedAt: 1_800_000_000_002 },
        { ...row, seq: 3, path: "b#2", stepId: "b", status: "FAILED", error, completedAt: 1_800_000_000_003 },
      ];
      await w.flush({ steps: `[${[...entries].reverse().map((entry) => stepRow(w, id, entry))}]` });
      // What the instance's state covers is read all the same.
      await w.flush({ changes: `[${changeRow(w, id, { state: { text: "{}", seq: 3 } })}]` });
      const read = (afterSeq: number, limit = 10) =>
        w.store.journal({ shard: w.shard, instanceId: id, afterSeq, limit });
      expect(await read(0)).toEqual(entries);
      expect(await read(1, 1)).toEqual([entries[1]]);
      expect(await read(3)).toEqual([]);
    });
  });

  const row: JournalEntry = {
    seq: 1,
    path: "a",
    stepId: "a",
    type: "TASK",
    attempt: 1,
    status: "COMPLETED",
    startedAt: 1_800_000_000_001,
  };

  describe("lines of an execution log", () => {
    const line = (w: Writer, instanceId: string, message: string, id = w.newId()) =>
      encodeLog({
        ...{ shard: w.shard, instanceId, id, namespace: "default", level: "info", message, details: { n: 1 } },
        ...{ source: "task", stepId: "a", path: "a#2", attempt: 3, at: 1_800_000_000_001 },
      });
    const messages = async (id: string) => (await rig.underTest().peek(id)).logs.sort();

    test("are written with a flush, or beside it, once however often they are sent", async () => {
      const w = await writer();
      const id = await started(w);
      const lines = [line(w, id, "one"), line(w, id, 'two "ü"')];
      await w.flush({ extras: texts({ logs: [line(w, id, "in a flush")] }) });
      await w.store.saveLogs(lines);
      await w.store.saveLogs([...lines, line(w, id, "three")]);
      await w.store.saveLogs([]);
      expect(await messages(id)).toEqual(["in a flush", "one", "three", 'two "ü"']);
    });

    test("that cannot be stored are refused, all of the call", async () => {
      const w = await writer();
      const id = await started(w);
      expect(await refusal(w.store.saveLogs([line(w, id, "fine"), line(w, id, "\u0000")]))).toBe("data");
      expect(await messages(id)).toEqual([]);
    });
  });

  describe("starts", () => {
    test("of a child name the step that waits for it, or none, and have the variables that they were given", async () => {
      const w = await writer();
      const [parent, bound, detached] = [await started(w), w.newId(), w.newId()];
      const start = (id: string, path: string | null) =>
        encodeStart({
          ...{ shard: w.shard, id, namespace: "default", definitionId, workflowId: "w", status: "CREATED" as const },
          ...{ priority: 8, currentStepId: "a", correlationId: null, startedBy: "me", triggerEventId: null },
          ...{ input: "{}", startedAt: 1_800_000_000_123, parent: { instanceId: parent, path } },
          variables: JSON.stringify({ v: [1, null] }),
        });
      await w.flush({ starts: `[${start(bound, "fan/l/k#2")},${start(detached, null)},${startRow(w, w.newId())}]` });
      const variables = { v: [1, null] };
      expect(await one(w, bound)).toMatchObject({
        ...{ status: "CREATED", priority: 8, variables, parentId: parent, parentPath: "fan/l/k#2", startedBy: "me" },
      });
      expect(await one(w, detached)).toMatchObject({ parentId: parent, parentPath: null, variables });
      expect(await one(w, parent)).toMatchObject({ parentId: null, parentPath: null, variables: null });
    });

    test("that were accepted have the variables that they were given", async () => {
      const w = await writer();
      const born = rig.birth(w, { variables: { v: "x" } });
      await w.store.accept([born]);
      expect(await one(w, born.id)).toMatchObject({ status: "CREATED", variables: { v: "x" } });
    });
  });

  describe("changes", () => {
    const ended = {
      ...{ status: "FAILED" as const, ready: false, output: "7", error: JSON.stringify({ code: "E" }) },
      ...{ completedAt: 1_800_000_000_500, compensationState: JSON.stringify({ status: "COMPLETED" }) },
    };

    test("of priority and version stay when later changes do not name them", async () => {
      const w = await writer();
      const id = await started(w);
      const other = w.newId();
      await w.flush({ changes: `[${changeRow(w, id, { priority: 10, definitionId: other })}]` });
      await w.flush({ changes: `[${changeRow(w, id, { status: "PAUSED" })}]` });
      expect(await one(w, id)).toMatchObject({ status: "PAUSED", priority: 10, definitionId: other });
    });

    test("that reopen what had ended leave nothing of its end but what they give", async () => {
      const w = await writer();
      const id = await started(w);
      await w.flush({ changes: `[${changeRow(w, id, { ...ended, state: { text: '{"s":1}', seq: 2 } })}]` });
      await w.flush({ changes: `[${changeRow(w, id, { reopened: true })}]` });
      expect(await one(w, id)).toMatchObject({
        ...{ status: "RUNNING", output: null, error: null, completedAt: null, state: { s: 1 }, stateSeq: 2 },
      });
      await w.flush({ changes: `[${changeRow(w, id, ended)}]` });
      await w.flush({ changes: `[${changeRow(w, id, { ...ended, reopened: true, output: "8" })}]` });
      expect(await one(w, id)).toMatchObject({ output: 8, error: { code: "E" }, completedAt: 1_800_000_000_500 });
    });

    test("keep a cancellation when they reopen", async () => {
      const w = await writer();
      const id = await started(w);
      await w.flush({ changes: `[${changeRow(w, id, { cancelation: JSON.stringify({ reason: "r" }) })}]` });
      await w.flush({ changes: `[${changeRow(w, id, { reopened: true })}]` });
      expect(await one(w, id)).toMatchObject({ cancelation: { reason: "r" } });
    });
  });

  describe("a restart", () => {
    const restartRow = (w: Writer, more: Partial<RestartRow> = {}): RestartRow => {
      const id = more.id ?? w.newId();
      const owner = { shard: w.shard, instanceId: id, epoch: 0 };
      return {
        ...{ shard: w.shard, id, namespace: "default", definitionId, workflowId: "w", priority: 7 },
        ...{ correlationId: "c", startedBy: "me", inputText: '{"n":1}', stateText: '{"format":1}', stateSeq: 2 },
        ...{ originId: w.newId(), originStepId: "b", variables: { v: 1 }, retentionMs: undefined, payloadIds: [] },
        requestHash: "h",
        steps: [1, 2].map((seq) => encodeStep(owner, { ...row, seq, path: `a#${seq}` }, JSON.stringify)),
        ...more,
      };
    };

    test("is a created instance with what it carries over, which is nobody's, and a START", async () => {
      const w = await writer();
      const payloadId = w.newId();
      const restart = restartRow(w, { payloadIds: [payloadId], inputText: JSON.stringify({ $payload: payloadId }) });
      const { shard, id: instanceId } = restart;
      await w.store.savePayload({ shard, id: payloadId, instanceId, body: '{"large":1}' });
      const answer = await w.store.acceptRestart(restart);
      expect(answer).toMatchObject({ outcome: "created", shard });
      expect(await one(w, restart.id)).toMatchObject({
        ...{ status: "CREATED", ready: false, priority: 7, correlationId: "c", startedBy: "me", input: { large: 1 } },
        ...{ state: { format: 1 }, stateSeq: 2, variables: { v: 1 }, parentId: null, entries: [] },
      });
      const journal = await w.store.journal({ shard, instanceId, afterSeq: 0, limit: 10 });
      expect(journal.map(({ seq, path }) => [seq, path])).toEqual([
        [1, "a#1"],
        [2, "a#2"],
      ]);
      const [start] = await w.store.inbox({ shards: [{ shard, floor: 0 }], limitPerShard: 10 });
      expect(start).toMatchObject({ kind: "START", instanceId });
      expect(answer).toMatchObject({ inboxId: start!.id });
      const { originId, originStepId } = restart;
      expect(await rig.underTest().peek(restart.id)).toMatchObject({
        ...{
          originId,
          originStepId,
          writers: [`${carriedNode} 0`],
          transitions: ["null > CREATED workflow_restarted"],
        },
      });
    });

    test("carries more rows over than one statement writes", async () => {
      const w = await writer();
      const id = w.newId();
      const owner = { shard: w.shard, instanceId: id, epoch: 0 };
      const steps = Array.from({ length: 2_500 }, (_, i) =>
        encodeStep(owner, { ...row, seq: i + 1, path: `a#${i + 1}` }, JSON.stringify),
      );
      await w.store.acceptRestart(restartRow(w, { id, steps, stateSeq: 2_500 }));
      const last = await w.store.journal({ shard: w.shard, instanceId: id, afterSeq: 2_499, limit: 10 });
      expect(last).toMatchObject([{ seq: 2_500, path: "a#2500" }]);
    });

    test("with the key of another start is that one, and nothing of it is written", async () => {
      const w = await writer();
      const first = restartRow(w, { key: w.newId() });
      const again = restartRow(w, { key: first.key!, requestHash: "other" });
      expect(await w.store.acceptRestart(first)).toMatchObject({ outcome: "created" });
      expect(await w.store.acceptRestart(again)).toMatchObject({
        ...{ outcome: "exists", instanceId: first.id, requestHash: "h" },
      });
      expect(await one(w, again.id)).toBeUndefined();
      const { shard, id: instanceId } = again;
      expect(await w.store.journal({ shard, instanceId, afterSeq: 0, limit: 10 })).toEqual([]);
    });

    test("that cannot be stored is refused as a whole", async () => {
      const w = await writer();
      const nul = restartRow(w, { inputText: '"\\u0000"' });
      expect(await refusal(w.store.acceptRestart(nul))).toBe("data");
      const owner = { shard: w.shard, instanceId: w.newId(), epoch: 0 };
      const step = encodeStep(owner, { ...row, output: "\u0000" }, JSON.stringify);
      const bad = restartRow(w, { id: owner.instanceId, steps: [step] });
      expect(await refusal(w.store.acceptRestart(bad))).toBe("data");
      expect(await one(w, bad.id)).toBeUndefined();
      expect(await w.store.inbox({ shards: [{ shard: w.shard, floor: 0 }], limitPerShard: 10 })).toEqual([]);
    });
  });

  test("what is counted adds up, once for each flush", async () => {
    const w = await writer();
    const [one, other] = [w.newId(), w.newId()];
    const tallies = [
      [one, "started", null, null, null, 2],
      [one, "completed", null, null, 41, 1],
      [one, "failure", "a", "E", null, 1],
      [other, "started", null, null, null, 5],
    ];
    await w.flush({ seq: 1, extras: extras({ tallies }) });
    await w.flush({ seq: 1, extras: extras({ tallies }) });
    await w.flush({ seq: 2, extras: extras({ tallies: [[one, "started", null, null, null, 3]] }) });
    const counted = await rig.underTest().tallies(one);
    expect(counted).toEqual({ "started - - -": 5, "completed - - 41": 1, "failure a E -": 1 });
  });
}
