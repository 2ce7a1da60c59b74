/** Nodes, lanes and shard leases (PROTOCOLS 2). */

import { describe, expect, test } from "vitest";
import { uuidv7 } from "../../../foundation/ids.ts";
import type { Rig } from "./rig.ts";

export function leaseLaws(rig: Rig): void {
  const { open, node, lane, nextShard, writer, changeRow, extras, started, one } = rig;

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
    await w.store.announce({ nodeId: w.nodeId, roles: ["engine"], tasks: ["new"] });
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
    expect(leases).toHaveLength(rig.shardCount());
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
}
