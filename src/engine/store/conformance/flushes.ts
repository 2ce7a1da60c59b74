/** Flushes: numbered, fenced, whole or not at all (PROTOCOLS 1). */

import { expect, test } from "vitest";
import { uuidv7 } from "../../../foundation/ids.ts";
import type { FlushBatch } from "../contract.ts";
import { encodeTransition } from "../rows.ts";
import type { Rig, Writer } from "./rig.ts";

export function flushLaws(rig: Rig): void {
  const { open, lane, writer, startRow, stepRow, changeRow, extras, started, one, refusal } = rig;

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
    expect((await w.flush({ starts, seq: 1, shards: [w.shard, (w.shard + 1) % rig.shardCount()] })).outcome).toBe(
      "fenced",
    );
    await w.store.abandonLane(w.laneId);
    expect((await w.flush({ starts, seq: 1 })).outcome).toBe("fenced");
    expect(await one(w, id)).toBeUndefined();
  });

  test("that resolved a version which is no longer the latest are stale, and their number is used again", async () => {
    const w = await writer();
    const id = w.newId();
    const batch = { seq: 1, starts: `[${startRow(w, id)}]` };
    expect((await w.flush({ ...batch, latest: JSON.stringify([rig.underTest().staleHead]) })).outcome).toBe("stale");
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
    ["an instant that no calendar has", (w, id) => ({ extras: extras({ timersArmed: [[w.shard, 1e300, id, "a"]] }) })],
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
}
