/** The chaos run in short. `npm run chaos` is the long one. */

import { expect, test } from "vitest";
import { makeTemporaryDirectory } from "../test/support/temporary.ts";
import { brokenLaws, toText } from "./report.ts";
import { runChaos } from "./run.ts";
import { seedOf } from "./seed.ts";

test("whoever is killed, and whenever: what was accepted ends, once, as its history says", {
  timeout: 180_000,
}, async () => {
  const directory = await makeTemporaryDirectory("millrace-chaos-");
  const seed = seedOf(process.env);
  const lines: string[] = [];
  const say = (text: string) => {
    lines.push(text);
  };
  const report = await runChaos({
    seed,
    dir: directory.path,
    instances: 150,
    events: 1_500,
    kills: 7,
    betweenMs: 1_800,
    leaseMs: 2_000,
    settleMs: 60_000,
    say,
  });
  const hint = `MILLRACE_SEED=${seed} repeats the schedule\n${lines.join("\n")}\n${toText(report)}`;
  expect(brokenLaws(report), hint).toEqual({});
  expect(report.kills.total, hint).toBe(7);
  expect(report.kills.inFlush, hint).toBeGreaterThanOrEqual(4);
  expect(report.instances.accepted, hint).toBeGreaterThan(130);
  await directory.remove();
});
