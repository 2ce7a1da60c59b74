/** What the home of a schedule writes and reads (PROTOCOLS 10). */

import { expect, test } from "vitest";
import { scheduleTimerPrefix } from "../contract.ts";
import type { Rig, Writer } from "./rig.ts";

export function scheduleLaws(rig: Rig): void {
  const { writer, extras, started, changeRow, refusal, underTest } = rig;

  const put = (
    w: Writer,
    id: string,
    rows: [at: number, status: string, instance?: string | null, backfill?: string][],
  ) =>
    w.flush({
      events: extras({
        occurrencesPut: rows.map(([at, status, instance, backfill]) => [
          ...[w.shard, id, at, status, `was ${status}`],
          ...[instance ?? null, backfill ?? null],
        ]),
      }),
    });
  const read = async (w: Writer, id: string) => (await w.store.schedules([{ shard: w.shard, id }]))[0]!;

  test("of a schedule that nothing is known of, nothing is read", async () => {
    const w = await writer();
    const [id, other] = [w.newId(), w.newId()];
    expect(await w.store.schedules([id, other].map((one) => ({ shard: w.shard, id: one })))).toEqual(
      [id, other].map((one) => ({ shard: w.shard, id: one, timers: [], running: [], queued: [], lastPlannedAt: null })),
    );
    expect(await w.store.schedules([])).toEqual([]);
  });

  test("a schedule's timers are those of its own with its keys, soonest first", async () => {
    const w = await writer();
    const [id, other] = [w.newId(), w.newId()];
    const key = (n: number) => `${scheduleTimerPrefix}1 ${n}`;
    const timers = [
      [w.shard, 1_800_000_000_002, id, key(2)],
      [w.shard, 1_800_000_000_001, id, key(1)],
      [w.shard, 1_800_000_000_000, id, "a step"],
      [w.shard, 1_800_000_000_000, other, key(0)],
    ];
    await w.flush({ extras: extras({ timersArmed: timers }) });
    expect((await read(w, id)).timers).toEqual([
      { dueAt: 1_800_000_000_001, key: key(1) },
      { dueAt: 1_800_000_000_002, key: key(2) },
    ]);
    await w.flush({ extras: extras({ timersCleared: timers }) });
    expect((await read(w, id)).timers).toEqual([]);
  });

  test("what runs are the instances of its occurrences that have not ended, the newest first", async () => {
    const w = await writer();
    const id = w.newId();
    const [first, second, third] = [await started(w), await started(w), await started(w)];
    await put(w, id, [
      [3_000, "fired", first],
      [1_000, "late", second],
      [2_000, "fired", third],
      [4_000, "fired", w.newId()],
    ]);
    const ended = changeRow(w, second, { status: "COMPLETED", ready: false, completedAt: 1_800_000_000_200 });
    await w.flush({ changes: `[${ended}]` });
    expect((await read(w, id)).running).toEqual([
      { instanceId: third, plannedAt: 2_000 },
      { instanceId: first, plannedAt: 3_000 },
    ]);
  });

  test("what waits is read in the order of its times until it is decided, and its schedule is found by it", async () => {
    const w = await writer();
    const [id, backfillId] = [w.newId(), w.newId()];
    const waiting = () => w.store.queuedSchedules({ shards: [w.shard], limit: 10 });
    expect(await waiting()).toEqual([]);
    await put(w, id, [
      [2_000, "queued"],
      [1_000, "queued", null, backfillId],
      [3_000, "skipped"],
    ]);
    const row = await read(w, id);
    expect(row.queued).toEqual([
      { plannedAt: 1_000, backfillId },
      { plannedAt: 2_000, backfillId: null },
    ]);
    expect(await waiting()).toEqual([{ shard: w.shard, id }]);
    await put(w, id, [
      [1_000, "late", null, backfillId],
      [2_000, "skipped"],
    ]);
    expect((await read(w, id)).queued).toEqual([]);
    expect(await waiting()).toEqual([]);
    expect(await w.store.queuedSchedules({ shards: [], limit: 10 })).toEqual([]);
  });

  test("the last time of its plan is the latest that nobody asked for", async () => {
    const w = await writer();
    const id = w.newId();
    await put(w, id, [
      [1_000, "missed"],
      [2_000.5, "fired", null, id],
    ]);
    expect((await read(w, id)).lastPlannedAt).toBe(1_000);
  });

  test("a planned time has one row, and one of an unknown status is refused", async () => {
    const w = await writer();
    const id = w.newId();
    await put(w, id, [[1_000, "queued"]]);
    await put(w, id, [[1_000, "skipped"]]);
    expect(await read(w, id)).toMatchObject({ queued: [], lastPlannedAt: 1_000 });
    expect(await refusal(put(w, id, [[2_000, "forgotten"]]))).toBe("data");
  });

  test("firings add up, and the last one is kept", async () => {
    const w = await writer();
    const id = w.newId();
    const fire = (n: number, at: number) => [w.shard, id, n, at];
    await w.flush({ events: extras({ firings: [fire(2, 5_000), fire(1, 4_000)] }) });
    await w.flush({ events: extras({ firings: [fire(1, 3_000)] }) });
    expect(await underTest().firings(id)).toEqual({ fired: 4, lastAt: 5_000 });
  });
}
