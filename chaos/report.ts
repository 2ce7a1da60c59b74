/** What a run found, as an object that is kept and as lines for people. */

import { mkdir, writeFile } from "node:fs/promises";
import { arch, cpus, platform, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import type { Recovery } from "./check/recovery.ts";
import type { Rows } from "./check/rows.ts";
import { isGivenUp } from "./check/run_laws.ts";
import type { Blows } from "./storm/blows.ts";
import type { Callers } from "./storm/callers.ts";
import type { Publishers } from "./storm/publishers.ts";

export interface Report {
  seed: number;
  instances: {
    planned: number;
    accepted: number;
    unanswered: number;
    inDatabase: number;
    parked: number;
    byStatus: Record<string, number>;
    byWorkflow: Record<string, number>;
  };
  journalRows: number;
  events: { published: number; inDatabase: number; routed: number; started: number; waits: number };
  kills: {
    total: number;
    inFlush: number;
    byTarget: Record<string, number>;
    struckFlushes: { committed: number; lost: number };
  };
  drains: number;
  nodesAdded: number;
  /** `givenUp`: their lanes were closed before they went on. */
  zombies: { stopped: number; continued: number; givenUp: number };
  nodesStarted: number;
  recovery: Recovery;
  answers: Record<string, number>;
  tookMs: number;
  settledMs: number;
  /** Law → what breaks it. Every law is named, kept or not. */
  laws: Record<string, string[]>;
}

export function reportOf(what: {
  options: { seed: number; instances: number };
  stage: {
    callers: Callers;
    publishers: Publishers;
    blows: Blows;
    crew: { everyone: readonly unknown[] };
    parked: ReadonlySet<string>;
  };
  rows: Rows;
  recovery: Recovery;
  struck: { committed: number; lost: number };
  violations: ReadonlyMap<string, string[]>;
  tookMs: number;
  settledMs: number;
}): Report {
  const { options, stage, rows, recovery, struck, violations, tookMs, settledMs } = what;
  const { callers, publishers, blows, crew, parked } = stage;
  const instances = [...rows.instances.values()];
  return {
    seed: options.seed,
    instances: {
      planned: options.instances,
      accepted: callers.started.filter(({ instanceIds }) => instanceIds.size > 0).length,
      unanswered: callers.started.filter(({ instanceIds }) => instanceIds.size === 0).length,
      inDatabase: instances.length,
      parked: parked.size,
      byStatus: countBy(instances, ({ status }) => status),
      byWorkflow: countBy(instances, ({ workflowId }) => workflowId),
    },
    journalRows: instances.reduce((sum, { steps }) => sum + steps.length, 0),
    events: {
      published: callers.published.size + publishers.published.size,
      inDatabase: rows.events?.accepted.length ?? 0,
      routed: rows.events?.routings.length ?? 0,
      started: instances.filter(({ triggerEventId }) => triggerEventId !== null).length,
      waits: rows.waits.filter(({ eventId }) => eventId !== null).length,
    },
    kills: {
      total: blows.kills.length,
      inFlush: blows.kills.filter(({ inFlush }) => inFlush).length,
      byTarget: countBy(blows.kills, ({ target }) => target),
      struckFlushes: struck,
    },
    drains: blows.drains,
    nodesAdded: blows.added,
    zombies: {
      stopped: blows.zombies.length,
      continued: blows.zombies.filter(({ continuedAt }) => continuedAt !== undefined).length,
      givenUp: blows.zombies.filter((zombie) => isGivenUp(rows, zombie)).length,
    },
    nodesStarted: crew.everyone.length,
    recovery,
    answers: Object.fromEntries([...callers.answers].sort()),
    tookMs: Math.round(tookMs),
    settledMs: Math.round(settledMs),
    laws: Object.fromEntries(violations),
  };
}

function countBy<T>(list: readonly T[], keyOf: (item: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of list) counts[keyOf(item)] = (counts[keyOf(item)] ?? 0) + 1;
  return Object.fromEntries(Object.entries(counts).sort());
}

/** Laws that were broken, with their violations. */
export function brokenLaws(report: Report): Record<string, string[]> {
  return Object.fromEntries(Object.entries(report.laws).filter(([, found]) => found.length > 0));
}

const shown = 8;

export function toText(report: Report): string {
  const { instances, kills, recovery, laws } = report;
  const list = (counts: Record<string, number>) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ");
  const lines = [
    `${instances.accepted} of ${instances.planned} starts accepted, ${instances.unanswered} more without an answer; ${instances.inDatabase} instances (${list(instances.byStatus)}), ${report.journalRows} journal rows`,
    `${report.events.published} events answered, ${report.events.inDatabase} accepted, ${report.events.routed} routed; they started ${report.events.started} instances and ended ${report.events.waits} waits`,
    `${kills.total} kills (${list(kills.byTarget)}), ${kills.inFlush} inside a flush; of those flushes of dead nodes ${kills.struckFlushes.committed} were committed and ${kills.struckFlushes.lost} were not`,
    `${report.drains} drains, ${report.nodesAdded} nodes added, ${report.zombies.stopped} stopped past their lease (${report.zombies.givenUp} of them given up before they went on), ${report.nodesStarted} nodes in all, ${instances.parked} instances parked`,
    `standstill after a node's death: p50 ${recovery.node.p50Ms} ms, max ${recovery.node.maxMs} ms; after PostgreSQL's: p50 ${recovery.postgres.p50Ms} ms, max ${recovery.postgres.maxMs} ms`,
    `answers: ${list(report.answers)}`,
    `took ${Math.round(report.tookMs / 100) / 10} s, the last ${Math.round(report.settledMs / 100) / 10} s of it in peace`,
  ];
  for (const [law, found] of Object.entries(laws)) {
    lines.push(`${found.length === 0 ? "kept  " : "BROKEN"} ${law}`);
    for (const one of found.slice(0, shown)) lines.push(`         ${one}`);
    if (found.length > shown) lines.push(`         … and ${found.length - shown} more`);
  }
  return lines.join("\n");
}

export const saveReport = (report: Report, args: readonly string[]): Promise<string> => saveResult("", report, args);

/** Writes `results/<prefix><date>-<host>.json`, replacing one of the same day and host; gives its path. */
export async function saveResult(prefix: string, report: object, args: readonly string[]): Promise<string> {
  const folder = new URL("./results/", import.meta.url);
  const processors = cpus();
  const ranAt = new Date().toISOString();
  const kept = {
    ranAt,
    command: ["npm run chaos", ...(args.length === 0 ? [] : ["--", ...args])].join(" "),
    machine: {
      platform: platform(),
      arch: arch(),
      processor: processors[0]?.model.trim(),
      processors: processors.length,
      memoryGiB: Math.round(totalmem() / 1024 ** 3),
    },
    node: process.version,
    ...report,
  };
  await mkdir(folder, { recursive: true });
  const file = new URL(`${prefix}${ranAt.slice(0, 10)}-${platform()}-${arch()}-${processors.length}cpu.json`, folder);
  await writeFile(file, `${JSON.stringify(kept, null, 2)}\n`);
  return fileURLToPath(file);
}
