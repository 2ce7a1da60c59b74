/** Keeps a run's results together with where they come from. */
import { mkdir, writeFile } from "node:fs/promises";
import { arch, cpus, platform, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import type { Bench } from "./bench.ts";
import { type Line, toJsonLine } from "./lines.ts";

const folder = new URL("../results/", import.meta.url);

/** Writes `results/<date>-<kind of host>.json`, replacing one of the same day and kind; gives its path. */
export async function saveResult(what: {
  bench: Bench;
  lines: readonly Line[];
  args: readonly string[];
}): Promise<string> {
  const { bench, lines, args } = what;
  const processors = cpus();
  const now = new Date().toISOString();
  const host = `${platform()}-${arch()}-${processors.length}cpu`;
  const result = {
    measuredAt: now,
    command: ["npm run bench", ...(args.length === 0 ? [] : ["--", ...args])].join(" "),
    machine: {
      platform: platform(),
      arch: arch(),
      processor: processors[0]?.model.trim(),
      processors: processors.length,
      memoryGiB: Math.round(totalmem() / 1024 ** 3),
    },
    node: process.version,
    postgres: { version: bench.server.version, kind: bench.server.kind },
    sizes: bench.sizes,
    lines: lines.map((line): unknown => JSON.parse(toJsonLine(line))),
    samples: bench.samples.all(),
  };
  await mkdir(folder, { recursive: true });
  const file = new URL(`${now.slice(0, 10)}-${host}.json`, folder);
  await writeFile(file, `${JSON.stringify(result, null, 2)}\n`);
  return fileURLToPath(file);
}
