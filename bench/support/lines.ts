/** What a benchmark says: numbers with what they are compared with, as a table and as JSON. */
import Table from "cli-table3";
import pc from "picocolors";
import type { Cost } from "./cost.ts";

export interface Line {
  workload: string;
  name: string;
  value: number;
  unit: string;
  /** What the value is compared with; `ratio` is value / limit. */
  limit?: number;
  /** The median of the ratios of single rounds, where rounds were compared. */
  ratio?: number;
  /** A bound on the ratio. Absent: the number is only told. */
  target?: Target;
  /** Of one workflow. */
  cost?: Cost;
}

export type Target = { atLeast: number } | { atMost: number };

export function isMet({ ratio, target }: Line): boolean | undefined {
  if (target === undefined || ratio === undefined) return undefined;
  return "atLeast" in target ? ratio >= target.atLeast : ratio <= target.atMost;
}

function targetText(target: Target): string {
  return "atLeast" in target ? `>= ${rounded(target.atLeast)}` : `<= ${rounded(target.atMost)}`;
}

/** One object a line. */
export function toJsonLine(line: Line): string {
  const { workload, name, unit, limit, ratio, target, cost } = line;
  return JSON.stringify({
    workload,
    name,
    value: rounded(line.value),
    unit,
    limit: limit === undefined ? undefined : rounded(limit),
    ratio: ratio === undefined ? undefined : rounded(ratio),
    commits: cost === undefined ? undefined : rounded(cost.commits),
    statements: cost?.statements === undefined ? undefined : rounded(cost.statements),
    walBytes: cost === undefined ? undefined : Math.round(cost.walBytes),
    target: target === undefined ? undefined : targetText(target),
    met: isMet(line),
  });
}

export function toTable(lines: readonly Line[]): string {
  const head = ["workload", "what", "value", "compared with", "ratio", "target", "commits", "statements", "WAL bytes"];
  const table = new Table({
    head,
    style: { head: [], border: [] },
    // No rules between rows.
    chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
    colAligns: ["left", "left", ...Array(7).fill("right")],
  });
  for (const line of lines) {
    const met = isMet(line);
    const { cost } = line;
    table.push([
      line.workload,
      line.name,
      `${shown(line.value)} ${line.unit}`,
      line.limit === undefined ? "" : shown(line.limit),
      line.ratio === undefined ? "" : shown(line.ratio),
      met === undefined ? "" : `${met ? pc.green("met") : pc.red("missed")} ${targetText(line.target!)}`,
      cost === undefined ? "" : shown(cost.commits),
      cost?.statements === undefined ? "" : shown(cost.statements),
      cost === undefined ? "" : shown(cost.walBytes),
    ]);
  }
  return table.toString();
}

/** Three digits that count are more than these measurements hold. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

function shown(value: number): string {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}
