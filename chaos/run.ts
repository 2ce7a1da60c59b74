/** One chaos run: a PostgreSQL and nodes of its own, callers, blows, a calm end, and the laws. */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createRandom } from "../src/engine/simulation/random.ts";
import { Database, migrateUp } from "../src/foundation/database/index.ts";
import { silentLogger } from "../src/foundation/log.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../src/foundation/postgres/index.ts";
import { rowLaws } from "./check/laws.ts";
import * as queries from "./check/queries.ts";
import { measureRecovery } from "./check/recovery.ts";
import { type Rows, readRows } from "./check/rows.ts";
import { type Run, runLaws } from "./check/run_laws.ts";
import { readDiary } from "./node/diary.ts";
import { drawPlan, type Sizes } from "./plan.ts";
import { type Report, reportOf } from "./report.ts";
import { type Blows, createBlows, type Kill } from "./storm/blows.ts";
import { type Callers, createCallers } from "./storm/callers.ts";
import { Crew } from "./storm/crew.ts";
import { createPublishers, type Publishers } from "./storm/publishers.ts";

export interface ChaosOptions extends Sizes {
  seed: number;
  /** Where the data directory, the diaries and the nodes' logs go. */
  dir: string;
  /** How long the accepted instances may take to end once nobody is killed any more. */
  settleMs: number;
  say(text: string): void;
}

interface Stage {
  crew: Crew;
  callers: Callers;
  publishers: Publishers;
  blows: Blows;
  postgres: EmbeddedPostgres;
  db: Database;
  /** Instances that the engine set aside and that were cancelled by hand. */
  parked: Set<string>;
}

/** Runs to the end and tells what was found. Rejects only when the run itself could not be carried out. */
export async function runChaos(options: ChaosOptions): Promise<Report> {
  const { seed, dir, leaseMs, say } = options;
  const random = createRandom(seed);
  const plan = drawPlan(random, options);
  say(
    `seed ${seed}: ${plan.starts.length} instances, ${options.events} events and ${plan.blows.length} blows in ${Math.round(plan.lastsMs / 1_000)} s; the nodes' logs are in ${dir}`,
  );
  const postgres = await startEmbeddedPostgres({ dataDir: join(dir, "data"), log: silentLogger });
  const db = new Database({ url: postgres.url, poolSize: 2, applicationName: "chaos", log: silentLogger });
  const crew = new Crew({ dir, url: postgres.url, leaseMs, random });
  try {
    await migrateUp(db);
    await Promise.all([crew.enlist(), crew.enlist()]);
    const stage: Stage = {
      crew,
      callers: createCallers(crew),
      publishers: createPublishers(crew),
      blows: createBlows({ crew, postgres, say }),
      postgres,
      db,
      parked: new Set(),
    };
    const beganMs = performance.now();
    const watching = watch(stage, options);
    await Promise.all([
      stage.callers.play(plan.starts),
      stage.publishers.play(plan.events),
      stage.blows.play(plan.blows),
    ]);
    watching.abort();
    say("nobody is killed any more; what was accepted goes on to its end");
    await findLost(stage);
    const settledMs = await settle(stage, options);
    await crew.dismiss();
    const rows = await readRows(db, stage.parked);
    return reportOf({
      options,
      stage,
      rows,
      settledMs,
      tookMs: performance.now() - beganMs,
      violations: judge(stage, rows),
      recovery: measureRecovery(rows, stage.blows.kills),
      struck: await fateOfFlushes(stage),
    });
  } finally {
    await crew.end();
    await db.close();
    await postgres.stop();
  }
}

/** Tells now and then how far it is, and sets free what the engine has set aside. */
function watch(stage: Stage, { say }: ChaosOptions): AbortController {
  const over = new AbortController();
  void (async () => {
    while (!over.signal.aborted) {
      await sleep(5_000, undefined, { signal: over.signal }).catch(() => {});
      const unfinished = await readUnfinished(stage);
      if (unfinished !== undefined && !over.signal.aborted) {
        say(
          `${stage.callers.started.length} started, ${unfinished.length} under way, ${stage.blows.kills.length} kills, ${stage.crew.living.length} nodes`,
        );
      }
    }
  })();
  return over;
}

interface Unfinished {
  id: string;
  status: string;
  ready: boolean;
  parked: boolean;
  workflowId: string;
  currentStepId: string | null;
}

/** Undefined while PostgreSQL is away. */
async function readUnfinished({ db }: Stage): Promise<Unfinished[] | undefined> {
  return await db.query<Unfinished>(queries.readUnfinished).catch(() => undefined);
}

/** Starts whose answer was lost may exist all the same: their callers look for them, and do what they had planned. */
async function findLost({ callers, db }: Stage): Promise<void> {
  await Promise.all(
    callers.started
      .filter(({ instanceIds }) => instanceIds.size === 0)
      .map(async (start) => {
        const found = await db.query<{ id: string }>(queries.findByCorrelation, [start.name]);
        await Promise.all(found.map(({ id }) => callers.followUp(start, id)));
      }),
  );
}

/**
 * Waits until every instance is final and what they told each other is taken in. What the engine has parked is cancelled
 * and what is still paused is resumed, as an operator would.
 */
async function settle(stage: Stage, { settleMs, say }: ChaosOptions): Promise<number> {
  const beganMs = performance.now();
  let saidMs = 0;
  for (;;) {
    const unfinished = await readUnfinished(stage);
    const tookMs = performance.now() - beganMs;
    const left = unfinished?.length === 0 ? await readLeft(stage) : undefined;
    if (left === 0) return tookMs;
    if (tookMs > settleMs) {
      say(
        `${unfinished?.length} instances have not ended: ${JSON.stringify(unfinished?.slice(0, 20))}; ${left} rows left`,
      );
      return tookMs;
    }
    if (tookMs > saidMs + 5_000) {
      saidMs = tookMs;
      say(
        `${unfinished?.length} have not ended, such as ${JSON.stringify(unfinished?.slice(0, 3))}; ${left} rows are left`,
      );
    }
    for (const { id: instanceId, parked, status } of unfinished ?? []) {
      const request = { namespace: "default", instanceId, requestedBy: "operator" };
      if (status === "PAUSED") await (await stage.crew.anyone()).ask({ ask: "resume", request });
      if (!parked || stage.parked.has(instanceId)) continue;
      stage.parked.add(instanceId);
      await (await stage.crew.anyone()).ask({ ask: "cancel", request: { ...request, reason: "parked" } });
    }
    await sleep(100);
  }
}

async function readLeft({ db }: Stage): Promise<number | undefined> {
  const rows = await db.query<{ left: number }>(queries.readLeft).catch(() => undefined);
  return rows?.[0]?.left;
}

function judge({ crew, callers, publishers, blows }: Stage, rows: Rows): Map<string, string[]> {
  const diaries = crew.everyone.flatMap(({ diaryPath }) => readDiary(diaryPath));
  const run: Run = {
    ...{ rows, started: callers.started, diaries, zombies: blows.zombies },
    published: new Set([...callers.published, ...publishers.published]),
  };
  const found = new Map<string, string[]>();
  for (const { law, check } of rowLaws) found.set(law, check(rows));
  for (const { law, check } of runLaws) found.set(law, check(run));
  found.set("no caller hears of an internal error or loses what was accepted", [
    ...callers.faults,
    ...publishers.faults,
  ]);
  found.set("a drain ends in time and in order", crew.faults);
  return found;
}

/** Of the flushes that were struck: how many had been committed when nobody could tell any more. */
async function fateOfFlushes({ blows, db }: Stage): Promise<{ committed: number; lost: number }> {
  const fate = { committed: 0, lost: 0 };
  for (const { laneId, seq, target } of blows.kills as readonly Kill[]) {
    // A surviving node sends its flush again, so what is marked then says nothing.
    if (laneId === undefined || target === "postgres") continue;
    const [row] = await db.query<{ marked: boolean }>(queries.isMarked, [laneId, seq]);
    if (row?.marked === true) fate.committed++;
    else fate.lost++;
  }
  return fate;
}
