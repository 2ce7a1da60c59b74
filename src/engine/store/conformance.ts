/**
 * The laws of a store, the same for every implementation (STYLE: one suite). A suite runs on one database, each law on
 * shards and ids of its own, so the order of laws does not matter. There are more laws than a database has shards, so
 * there are two suites.
 */

import { describe, expect, test } from "vitest";
import { birthLaws } from "./conformance/births.ts";
import { eventLaws } from "./conformance/events.ts";
import { flushLaws } from "./conformance/flushes.ts";
import { leaseLaws } from "./conformance/leases.ts";
import { lifeLaws } from "./conformance/lives.ts";
import { queueLaws } from "./conformance/queues.ts";
import { createRig, type StoreUnderTest } from "./conformance/rig.ts";
import { rowLaws } from "./conformance/rows.ts";
import { scheduleLaws } from "./conformance/schedules.ts";
import type { Hint } from "./contract.ts";

export type { StoreUnderTest } from "./conformance/rig.ts";

export function storeLaws(name: string, underTest: () => StoreUnderTest): void {
  const rig = createRig(underTest);
  describe(`${name}: flushes`, () => flushLaws(rig));
  describe(`${name}: rows`, () => rowLaws(rig));
  describe(`${name}: timers, waits and inbox`, () => queueLaws(rig));
  describe(`${name}: births`, () => birthLaws(rig));
  describe(`${name}: leases`, () => leaseLaws(rig));
  test(`${name}: hints reach those who listen`, async () => {
    const [a, b] = [await rig.open(), await rig.open()];
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

/** The laws of what a workflow's whole life writes. */
export function storeLifeLaws(name: string, underTest: () => StoreUnderTest): void {
  const rig = createRig(underTest);
  describe(`${name}: lives`, () => lifeLaws(rig));
  describe(`${name}: schedules`, () => scheduleLaws(rig));
  describe(`${name}: events`, () => eventLaws(rig));
}
