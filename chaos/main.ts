/**
 * `npm run chaos -- [--instances 2000] [--kills 30]`: real processes, killed with SIGKILL while they work.
 *
 * `MILLRACE_SEED=<seed>` repeats the schedule of a run. The exit code is 1 when a law was broken; the data directory
 * and the nodes' logs are then kept.
 */

import { Command } from "commander";
import { makeTemporaryDirectory } from "../test/support/temporary.ts";
import { isWon, raceText, runAllRaces } from "./race/full.ts";
import { brokenLaws, saveReport, saveResult, toText } from "./report.ts";
import { runChaos } from "./run.ts";
import { seedOf } from "./seed.ts";

const wholeNumber = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${text} is not a whole number above 0`);
  return value;
};

const command = new Command("chaos")
  .description("Kills nodes and PostgreSQL at random under load, then checks every promise against the rows.")
  .option("--instances <n>", "how many instances are started", wholeNumber, 2_000)
  .option("--kills <n>", "how many kills", wholeNumber, 30)
  .option("--between <ms>", "from one blow to the next, on average", wholeNumber, 4_000)
  .option("--lease <ms>", "the nodes' lease", wholeNumber, 2_000)
  .option("--settle <ms>", "how long the rest may take to end", wholeNumber, 180_000)
  .option("--events <n>", "how many events are published meanwhile", wholeNumber, 20_000)
  .option("--races <n>", "how many events race with waits for them, when the storm is over", wholeNumber, 10_000)
  .option("--only-races", "no storm")
  .option("--no-save", "keep no file in chaos/results")
  .parse();

const options = command.opts<{
  instances: number;
  kills: number;
  between: number;
  lease: number;
  settle: number;
  events: number;
  races: number;
  onlyRaces?: boolean;
  save: boolean;
}>();
const directory = await makeTemporaryDirectory("millrace-chaos-");
const beganMs = performance.now();
const say = (text: string) =>
  console.error(`${((performance.now() - beganMs) / 1_000).toFixed(1).padStart(6)}s ${text}`);

const seed = seedOf(process.env);
const args = process.argv.slice(2);

/** Whether every law was kept and the kills were aimed well enough. */
async function storm(): Promise<boolean> {
  const report = await runChaos({
    seed,
    dir: directory.path,
    instances: options.instances,
    kills: options.kills,
    betweenMs: options.between,
    leaseMs: options.lease,
    settleMs: options.settle,
    events: options.events,
    say,
  });
  console.log(toText(report));
  const aimed = report.kills.inFlush * 2 >= report.kills.total;
  if (!aimed) say("fewer than half of the kills fell inside a flush");
  if (options.save) say(`kept in ${await saveReport(report, args)}`);
  return Object.keys(brokenLaws(report)).length === 0 && aimed;
}

async function race(): Promise<boolean> {
  const report = await runAllRaces({ dir: directory.path, seed, races: options.races });
  console.log(raceText(report));
  if (options.save) say(`kept in ${await saveResult("races-", report, args)}`);
  return isWon(report);
}

const calm = options.onlyRaces === true || (await storm());
const won = await race();
if (calm && won) await directory.remove();
else
  say(`a law was broken; MILLRACE_SEED=${seed} repeats the schedule, and ${directory.path} has the data and the logs`);
process.exitCode = calm && won ? 0 : 1;
