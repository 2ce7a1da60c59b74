/** Births: keys, CREATED rows and their START (PROTOCOLS 4). */

import { expect, test } from "vitest";
import { uuidv7 } from "../../../foundation/ids.ts";
import type { BirthRow } from "../contract.ts";
import type { Rig } from "./rig.ts";

export function birthLaws(rig: Rig): void {
  const { writer, one, birth, refusal, definitionId } = rig;

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
    const held = await rig.underTest().holdKey(birth(w, { key }));
    const answers = await w.store.accept([birth(w), birth(w, { key }), birth(w)]);
    expect(answers.map((answer) => answer.outcome)).toEqual(["created", "busy", "created"]);
    await held.end("rollback");
    expect(await w.store.accept([birth(w, { key })])).toMatchObject([{ outcome: "created" }]);
  });

  test("whose key an open transaction took are its instance after the commit", async () => {
    const w = await writer();
    const first = birth(w, { key: w.newId(), requestHash: "first" });
    const held = await rig.underTest().holdKey(first);
    await held.end("commit");
    expect(await w.store.accept([birth(w, { key: first.key })])).toMatchObject([
      { outcome: "exists", instanceId: first.id, requestHash: "first" },
    ]);
  });

  test("that resolved a version which is no longer the latest are stale, all of the call", async () => {
    const w = await writer();
    const [namespace, workflowId, revision] = rig.underTest().staleHead;
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
}
