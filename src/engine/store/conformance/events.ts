/** Events: intake, what routing and look-back read, and what a flush writes of them (PROTOCOLS 8). */

import { expect, test } from "vitest";
import { uuidv7 } from "../../../foundation/ids.ts";
import type { EventRow } from "../contract.ts";
import { encodeEvent } from "../rows.ts";
import type { Rig, Writer } from "./rig.ts";

export function eventLaws(rig: Rig): void {
  const { writer, refusal, startRow } = rig;

  /** Namespaces keep laws apart. */
  const newSpace = () => `space ${uuidv7(Date.now())}`;

  function event(w: Writer, more: Partial<EventRow> = {}): EventRow {
    const id = more.id ?? w.newId();
    return {
      ...{ shard: w.shard, id, namespace: "default", eventId: id, pattern: "orders.paid", version: null },
      ...{ source: { type: "system" }, sourceKey: null, timestamp: null, payload: { n: 1 }, metadata: { hops: 1 } },
      ...{ partitionKey: null, keyShard: null, matchKeys: [] },
      ...more,
    };
  }

  const publish = async (w: Writer, ...events: EventRow[]) =>
    await w.store.publish(events, await w.store.routingRevision());
  const inboxOf = async (w: Writer) =>
    await w.store.inbox({ shards: [{ shard: w.shard, floor: 0 }], limitPerShard: 100 });
  const where = ({ shard, id }: EventRow) => ({ shard, id });

  test("events come in with a row of their shard's inbox each, in their order, and are read as they came", async () => {
    const w = await writer();
    const events = [event(w, { partitionKey: "k", timestamp: 1_800_000_000_123 }), event(w)];
    const answer = await publish(w, ...events);
    const rows = await inboxOf(w);
    expect(rows.map(({ kind, instanceId }) => [kind, instanceId])).toEqual(events.map(({ id }) => ["EVENT", id]));
    expect(answer).toMatchObject({
      outcome: "done",
      answers: rows.map(({ id }) => ({ outcome: "created", shard: w.shard, inboxId: id })),
    });
    const stored = await w.store.events([...events.map(where), { shard: w.shard, id: w.newId() }]);
    const { keyShard: _k, matchKeys: _m, ...first } = events[0]!;
    expect(stored.find(({ id }) => id === first.id)).toEqual({ ...first, acceptedAt: expect.any(Number) });
    const { timestamp, acceptedAt } = stored.find(({ id }) => id === events[1]!.id)!;
    expect(timestamp).toBe(acceptedAt);
    expect(await w.store.inbox({ shards: [{ shard: w.shard, floor: 0 }], limitPerShard: 9, without: "EVENT" })).toEqual(
      [],
    );
  });

  test("an event is accepted once for each namespace, source and id, within one batch too", async () => {
    const w = await writer();
    const keyed = { eventId: w.newId(), keyShard: 3, sourceKey: "shop" };
    const first = event(w, keyed);
    const others = [{ namespace: newSpace() }, { sourceKey: "another" }, { sourceKey: null }, {}];
    const batch = others.map((more) => event(w, { ...keyed, ...more }));
    const outcomes = async (...events: EventRow[]) => {
      const answer = await publish(w, ...events);
      return answer.outcome === "done" ? answer.answers : answer;
    };
    expect(await outcomes(first, ...batch)).toMatchObject([
      ...Array.from({ length: 4 }, () => ({ outcome: "created" })),
      { outcome: "exists", id: first.id, eventId: keyed.eventId },
    ]);
    expect(await outcomes(event(w, keyed))).toMatchObject([{ outcome: "exists", id: first.id }]);
    expect(await w.store.events([where(batch[3]!)])).toEqual([]);
    expect(await inboxOf(w)).toHaveLength(4);
  });

  test("a batch comes in as a whole or not at all", async () => {
    const w = await writer();
    const fine = event(w);
    for (const bad of [{ pattern: "p".repeat(256) }, { payload: "a\u0000b" }, { id: uuidv7(5_000, w.shard) }])
      expect(await refusal(publish(w, fine, event(w, bad)))).toBe("data");
    expect(await w.store.publish([fine], (await w.store.routingRevision()) - 1)).toEqual({ outcome: "stale" });
    expect(await w.store.events([where(fine)])).toEqual([]);
    expect(await inboxOf(w)).toEqual([]);
    expect(await publish(w, fine)).toMatchObject({ outcome: "done" });
  });

  test("whose key an open transaction holds nothing of the batch comes in, and its event exists after the commit", async () => {
    const w = await writer();
    const held = event(w, { eventId: w.newId(), keyShard: 5, sourceKey: "shop" });
    const [again, free] = [event(w, { ...held, id: w.newId() }), event(w)];
    const holder = await rig.underTest().holdEventKey(held);
    expect(await publish(w, free, again)).toEqual({ outcome: "busy" });
    expect(await w.store.events([where(free)])).toEqual([]);
    await holder.end("commit");
    expect(await publish(w, free, again)).toMatchObject({
      answers: [{ outcome: "created" }, { outcome: "exists", id: held.id }],
    });
    const rolledBack = event(w, { eventId: w.newId(), keyShard: 5 });
    await (await rig.underTest().holdEventKey(rolledBack)).end("rollback");
    expect(await publish(w, rolledBack)).toMatchObject({ answers: [{ outcome: "created" }] });
  });

  test("an event counts as accepted at most five seconds after its id was made", async () => {
    const w = await writer();
    const late = event(w, { id: uuidv7(Date.now() - 60_000, w.shard) });
    const before = Date.now() - 56_000;
    await publish(w, late);
    const [stored] = await w.store.events([where(late)]);
    expect(stored!.acceptedAt).toBeGreaterThan(before);
    expect(stored!.acceptedAt).toBeLessThan(before + 20_000);
  });

  const shape = (namespace: string, pattern: string, paths: string[] = []) => ({ namespace, pattern, paths });

  test("shapes change the revision when they are new, and only then", async () => {
    const w = await writer();
    const namespace = newSpace();
    const both = [shape(namespace, "a"), shape(namespace, "a", ["payload.n"])];
    const before = await w.store.routingRevision();
    await w.store.registerShapes(both);
    const after = await w.store.routingRevision();
    expect(after).toBeGreaterThan(before);
    await w.store.registerShapes([...both]);
    await w.store.registerShapes([]);
    expect(await w.store.routingRevision()).toBe(after);
    const { revision, shapes } = await w.store.shapes();
    expect(revision).toBe(after);
    expect(shapes.filter((one) => one.namespace === namespace)).toEqual(expect.arrayContaining(both));
  });

  const lookBack = { since: 0, after: null };

  test("looking back finds events by key or by name, in the order of their ids, page by page", async () => {
    const w = await writer();
    const namespace = newSpace();
    await w.store.registerShapes([shape(namespace, "orders.paid", ["payload.n"])]);
    const since = Date.now() - 3_600_000;
    const key = `key ${namespace}`;
    const mine = Array.from({ length: 5 }, () => event(w, { namespace, matchKeys: [key] }));
    const other = [event(w, { namespace, matchKeys: ["another"] }), event(w, { namespace, pattern: "orders.shipped" })];
    // Ids that come later are accepted before.
    await publish(w, ...mine.slice(3), ...other);
    await publish(w, ...mine.slice(0, 3));
    const byKey = { namespace, pattern: "orders.paid", key, since, after: null };
    const ids = async (...waits: Parameters<Writer["store"]["lookBack"]>[0]) =>
      (await w.store.lookBack(waits, 3)).map((page) => page.map(({ id }) => id));
    const order = mine.map(({ id }) => id).sort();
    expect(
      await ids(byKey, { ...byKey, after: order[2]! }, { ...byKey, key: "nobody's" }, { ...byKey, namespace: "x" }),
    ).toEqual([order.slice(0, 3), order.slice(3), [], []]);
    const named = [...order, other[0]!.id].sort();
    expect(await ids({ ...byKey, key: null })).toEqual([named.slice(0, 3)]);
    const [first] = await w.store.events([where(mine[0]!)]);
    const late = { ...byKey, since: first!.acceptedAt + 60_000 };
    expect(await ids(late, { ...late, key: null })).toEqual([[], []]);
  });

  test("looking back finds events from before their shape was known, by name and by pattern, each once", async () => {
    const w = await writer();
    const namespace = newSpace();
    const since = Date.now() - 3_600_000;
    const early = [event(w, { namespace }), event(w, { namespace, pattern: "orders.red.paid" })];
    await publish(w, ...early);
    await w.store.registerShapes([shape(namespace, "orders.paid", ["payload.n"]), shape(namespace, "orders.>")]);
    const keyed = event(w, { namespace, matchKeys: ["k", "orders.> *"] });
    const another = event(w, { namespace, matchKeys: ["else", "orders.> *"] });
    await publish(w, keyed, another);
    const ask = (pattern: string, key: string) => ({ ...lookBack, namespace, pattern, key, since });
    const found = await w.store.lookBack([ask("orders.paid", "k"), ask("orders.>", "orders.> *")], 10);
    expect(found.map((page) => page.map(({ id }) => id))).toEqual([
      [early[0]!.id, keyed.id],
      [early[0]!.id, early[1]!.id, keyed.id, another.id],
    ]);
  });

  const opened = (w: Writer, id: string, path: string, more: { namespace?: string; key?: string } = {}) => [
    ...[w.shard, id, path, more.namespace ?? "default", "orders.paid", null, null, "step", null, more.key ?? ""],
    1_800_000_000_000,
  ];
  const flushEvents = (w: Writer, parts: Record<string, unknown[][]>) => w.flush({ events: JSON.stringify(parts) });

  test("open waits are found by pattern and key, with the revision; those that have ended are not", async () => {
    const w = await writer();
    const namespace = newSpace();
    const [one, other, third] = [w.newId(), w.newId(), w.newId()];
    const waits = [opened(w, one, "a", { namespace, key: "k" }), opened(w, other, "a", { namespace, key: "k" })];
    await flushEvents(w, { waitsOpened: [...waits, opened(w, third, "b", { namespace })] });
    const keys = ["nobody's", "k", ""].map((key) => ({ namespace, pattern: "orders.paid", key }));
    const found = await w.store.waitsFor(keys);
    expect(found.revision).toBe(await w.store.routingRevision());
    const row = (of: number, instanceId: string, path: string) => ({ of, shard: w.shard, instanceId, path });
    expect(found.waits).toEqual([row(1, one, "a"), row(1, other, "a"), row(2, third, "b")]);
    const eventId = w.newId();
    await flushEvents(w, {
      waitsEnded: [[w.shard, one, "a", "fulfilled", eventId]],
      waitsAbandoned: [[w.shard, third]],
    });
    expect((await w.store.waitsFor(keys)).waits).toEqual([row(1, other, "a")]);
  });

  test("waits that were opened well before the floor have been looked back for", async () => {
    const w = await writer();
    const id = w.newId();
    const { at } = await flushEvents(w, { waitsOpened: [opened(w, id, "a", { key: "k" })] });
    const expected = {
      shard: w.shard,
      instanceId: id,
      path: "a",
      namespace: "default",
      pattern: "orders.paid",
      key: "k",
    };
    const own = async () => (await w.store.openWaits([w.shard])).filter(({ instanceId }) => instanceId === id);
    expect(await own()).toEqual([{ ...expected, since: 1_800_000_000_000, openedAt: Math.floor(at) }]);
    await flushEvents(w, { lookBackFloors: [[w.shard, at + 5_000]] });
    expect(await own()).toHaveLength(1);
    await flushEvents(w, { lookBackFloors: [[w.shard, at + 11_000]] });
    expect(await own()).toEqual([]);
  });

  test("a flush with events is stale when the revision is another, and already written when it is sent again", async () => {
    const w = await writer();
    const sent = event(w);
    const batch = {
      events: `{"eventsPublished":[${encodeEvent(sent)}]}`,
      routingRevision: await w.store.routingRevision(),
    };
    const stale = { ...batch, seq: 1, routingRevision: batch.routingRevision - 1 };
    expect((await w.flush(stale)).outcome).toBe("stale_routing");
    expect(await w.store.events([where(sent)])).toEqual([]);
    expect((await w.flush({ ...batch, seq: 1 })).outcome).toBe("done");
    await w.store.registerShapes([shape(newSpace(), "x")]);
    expect((await w.flush({ ...batch, seq: 1 })).outcome).toBe("already");
    expect(await w.store.events([where(sent)])).toHaveLength(1);
    expect(await inboxOf(w)).toMatchObject([{ kind: "EVENT", instanceId: sent.id }]);
  });

  test("a flush writes what an event led to, and its inbox row goes with it", async () => {
    const w = await writer();
    const e = event(w);
    await publish(w, e);
    const [row] = await inboxOf(w);
    const [replay, letter, subscriber, trigger, schedule] = Array.from({ length: 5 }, () => w.newId());
    const decisions = (kind: string) => [{ target: { kind, id: trigger }, outcome: "started" }];
    const routed = (replayId: string | null, kind: string) => [w.shard, e.id, replayId, "default", decisions(kind)];
    const occurrence = (status: string) => [w.shard, schedule, 1_800_000_000_000, status, null, null, null];
    const parts = {
      routed: [routed(null, "a"), routed(replay!, "b")],
      deliveries: [[w.newId(), w.shard, "default", e.id, subscriber, null]],
      deadLettered: [[letter, "default", e.eventId, e.id, `trigger:${trigger}`, {}, "m", "VALIDATION", "C", null]],
      occurrencesPut: [occurrence("queued")],
      firings: [[w.shard, trigger, 2, 1_800_000_000_000]],
    };
    const inboxConsumed = { extras: JSON.stringify({ inboxConsumed: [[w.shard, row!.id]] }) };
    expect((await w.flush({ events: JSON.stringify(parts), ...inboxConsumed })).outcome).toBe("done");
    await flushEvents(w, {
      routed: [routed(null, "c")],
      occurrencesPut: [occurrence("fired")],
      firings: [[w.shard, trigger, 3, 1_800_000_005_000]],
    });
    expect(await inboxOf(w)).toEqual([]);
    expect(await rig.underTest().peekEvent(e.id)).toEqual({
      // A dead letter that is routed again is told with the rest.
      routings: [["a", "c"], ["b"]],
      deliveries: [subscriber],
      openLetters: 1,
    });
    expect(await rig.underTest().peekFirings({ triggerId: trigger!, scheduleId: schedule! })).toEqual({
      fired: 5,
      lastAt: 1_800_000_005_000,
      occurrences: ["fired"],
    });
  });

  test("open instances are found by workflow and correlation", async () => {
    const w = await writer();
    const ids = [w.newId(), w.newId()];
    await w.flush({ starts: `[${ids.map((id) => startRow(w, id)).join(",")}]` });
    const what = { namespace: "default", workflowId: "w", correlationId: "c", limit: 500 };
    const found = (await w.store.openInstances(what)).map(({ id }) => id);
    expect(found).toEqual(expect.arrayContaining(ids));
    expect(await w.store.openInstances({ ...what, limit: 1 })).toHaveLength(1);
    expect(await w.store.openInstances({ ...what, correlationId: "nobody's" })).toEqual([]);
  });
}
