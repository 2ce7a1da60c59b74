/** From kept classes of durations to what people read. */

import type { DefinitionStatistics } from "./contract.ts";
import { middleOf } from "./runtime/tallies.ts";

export interface StatisticsRow {
  kind: string;
  stepId: string;
  code: string;
  bucket: number;
  n: number;
  since: string;
}

/** Of the failures the most frequent are told. */
const toldFailures = 100;

/**
 * An instance that failed and was tried again is open, or has ended in another way since: its failure and the time until
 * then are taken back. So `started` is the sum of what completed, failed, was cancelled and is open, but for instances that
 * went on with another version. `failures` counts every run that failed, whatever became of its instance.
 */
export function statisticsOf(rows: readonly StatisticsRow[]): DefinitionStatistics {
  const count = (kind: string) => rows.reduce((sum, row) => (row.kind === kind ? sum + row.n : sum), 0);
  const retried = count("retried");
  const started = count("started");
  const completed = count("completed");
  const failed = Math.max(0, count("failed") - retried);
  const cancelled = count("cancelled");
  const ended = completed + failed + cancelled;
  return {
    started,
    completed,
    failed,
    cancelled,
    open: Math.max(0, started + count("joined") - count("left") - ended),
    duration: ended === 0 ? null : durationsOf(rows),
    failures: rows
      .filter(({ kind }) => kind === "failure")
      .map(({ stepId, code, n }) => ({ stepId, code, count: n }))
      .sort((a, b) => b.count - a.count || (a.stepId < b.stepId ? -1 : 1))
      .slice(0, toldFailures),
    since: rows.map((row) => row.since).sort()[0] ?? null,
  };
}

function durationsOf(rows: readonly StatisticsRow[]): { p50: number; p95: number; p99: number } {
  const counts = new Map<number, number>();
  for (const { kind, bucket, n } of rows) {
    if (bucket >= 0) counts.set(bucket, (counts.get(bucket) ?? 0) + (kind === "retried" ? -n : n));
  }
  const classes = [...counts].filter(([, n]) => n > 0).sort(([a], [b]) => a - b);
  const total = classes.reduce((sum, [, n]) => sum + n, 0);
  const percentile = (share: number): number => {
    let left = Math.ceil(share * total);
    for (const [bucket, n] of classes) {
      left -= n;
      if (left <= 0) return Math.round(middleOf(bucket) * 10) / 10;
    }
    return 0;
  };
  return { p50: percentile(0.5), p95: percentile(0.95), p99: percentile(0.99) };
}
