/** The races in short: as many as ten seconds hold. `npm run chaos -- --races 10000` runs them all. */

import { expect, test } from "vitest";
import { createTestDatabase } from "../../test/support/database.ts";
import { seedOf } from "../seed.ts";
import { runRaces } from "./race.ts";

test("an event is neither missed nor taken twice, published before, while or after its wait is registered", {
  timeout: 120_000,
}, async () => {
  const { url, drop } = await createTestDatabase();
  const report = await runRaces({ url, seed: seedOf(process.env), races: 10_000, forMs: 10_000, width: 100 });
  console.info(`${report.races} races in ${report.tookMs} ms`);
  await drop();
  expect(report).toMatchObject({ missed: 0, broken: {} });
  expect(Math.min(...Object.values(report.moments))).toBeGreaterThan(10);
});
