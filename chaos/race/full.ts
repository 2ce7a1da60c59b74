/** The races on a PostgreSQL of their own, all of them, and their report as a file. */

import { join } from "node:path";
import { Database, migrateUp } from "../../src/foundation/database/index.ts";
import { silentLogger } from "../../src/foundation/log.ts";
import { startEmbeddedPostgres } from "../../src/foundation/postgres/index.ts";
import { type RaceReport, runRaces } from "./race.ts";

export async function runAllRaces(options: { dir: string; seed: number; races: number }): Promise<RaceReport> {
  const postgres = await startEmbeddedPostgres({ dataDir: join(options.dir, "races"), log: silentLogger });
  try {
    const db = new Database({ url: postgres.url, poolSize: 1, applicationName: "race", log: silentLogger });
    await migrateUp(db);
    await db.close();
    const { seed, races } = options;
    return await runRaces({ url: postgres.url, seed, races, forMs: Number.POSITIVE_INFINITY, width: 200 });
  } finally {
    await postgres.stop();
  }
}

export const isWon = ({ missed, broken }: RaceReport): boolean => missed === 0 && Object.keys(broken).length === 0;

export function raceText({ races, moments, tookMs, missed, broken }: RaceReport): string {
  const { before, during, after } = moments;
  const faults = Object.entries(broken).map(([law, n]) => `, ${law} ${n}`);
  return `${races} events raced with their waits in ${Math.round(tookMs / 1_000)} s (${before} before, ${during} during, ${after} after): ${missed} missed${faults.join("")}`;
}
