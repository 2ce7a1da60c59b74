/**
 * The benchmarks: `npm run bench -- [workload…] [--quick] [--json]`.
 *
 * Rounds of all workloads take turns, so whatever else the machine does hits all of them; ratios are medians over
 * rounds. Progress goes to standard error, results to standard output and, after a full run, to `results/`.
 */
import { Command } from "commander";
import { bulk } from "./bulk.ts";
import { events } from "./events.ts";
import { limit } from "./limit.ts";
import { map } from "./map.ts";
import { spike } from "./spike.ts";
import { type Bench, fullSizes, quickSizes, type Workload } from "./support/bench.ts";
import { isMet, type Line, toJsonLine, toTable } from "./support/lines.ts";
import { saveResult } from "./support/result.ts";
import { createSamples } from "./support/samples.ts";
import { startServer } from "./support/server.ts";
import { w1 } from "./w1.ts";
import { w2 } from "./w2.ts";
import { w3 } from "./w3.ts";
import { w4 } from "./w4.ts";
import { w6 } from "./w6.ts";

const workloads: readonly Workload[] = [spike, limit, w1, w2, w3, w4, w6, events, map, bulk];

interface Options {
  json: boolean;
  quick: boolean;
  rounds?: string;
  save: boolean;
}

const command = new Command("bench")
  .description("Measures the engine beside the limit program and the bare spike, on one PostgreSQL.")
  .argument("[workloads...]", `which of ${workloads.map(({ name }) => name).join(", ")}; all when none is named`)
  .option("--json", "one JSON object a line instead of a table", false)
  .option("--quick", "small sizes and one round: shows that it works, not how fast it is", false)
  .option("--rounds <n>", "how many interleaved rounds")
  .option("--no-save", "keep no file in bench/results")
  .parse();

const options = command.opts<Options>();
const chosen = choose(command.args);
const rounds = options.rounds === undefined ? undefined : Number(options.rounds);
if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
  command.error(`--rounds must be a whole number above 0, not "${options.rounds}"`);
}
const sizes = { ...(options.quick ? quickSizes : fullSizes), ...(rounds === undefined ? {} : { rounds }) };

const server = await startServer();
const bench: Bench = { server, sizes, samples: createSamples(), say: (text) => console.error(`· ${text}`) };
bench.say(`PostgreSQL ${server.version} (${server.kind}), Node ${process.version}`);
try {
  const lines = await run(bench, chosen);
  console.log(options.json ? lines.map(toJsonLine).join("\n") : toTable(lines));
  if (options.save && !options.quick)
    bench.say(`kept in ${await saveResult({ bench, lines, args: process.argv.slice(2) })}`);
  const missed = lines.filter((line) => isMet(line) === false);
  bench.say(
    missed.length === 0
      ? "every target is met"
      : `missed: ${missed.map(({ workload, name }) => `${workload} ${name}`).join(", ")}`,
  );
} finally {
  await server.stop();
}

async function run(bench: Bench, chosen: readonly Workload[]): Promise<Line[]> {
  try {
    for (const workload of chosen) await workload.prepare?.(bench);
    for (let round = 1; round <= bench.sizes.rounds; round++) {
      for (const workload of chosen) {
        bench.say(`round ${round} of ${bench.sizes.rounds}: ${workload.name}`);
        await workload.round(bench);
      }
    }
    const lines: Line[] = [];
    for (const workload of chosen) lines.push(...(await workload.report(bench)));
    return lines;
  } finally {
    for (const workload of chosen) await workload.close?.();
  }
}

/** The named workloads and those they compare with, in the order in which a round runs them. */
function choose(names: readonly string[]): Workload[] {
  const byName = new Map(workloads.map((workload) => [workload.name, workload]));
  const wanted = new Set<string>();
  for (const name of names.length === 0 ? byName.keys() : names) {
    const workload = byName.get(name);
    if (workload === undefined)
      return command.error(`there is no workload "${name}"; there are ${[...byName.keys()].join(", ")}`);
    for (const needed of workload.needs) wanted.add(needed);
    wanted.add(name);
  }
  return workloads.filter(({ name }) => wanted.has(name));
}
