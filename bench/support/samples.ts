/** What the rounds measured, by name. Rounds are interleaved, so the n-th samples of two names were taken close together. */
import type { Cost } from "./cost.ts";
import { median } from "./statistics.ts";

export interface Samples {
  add(name: string, value: number, cost?: Cost): void;
  /** NaN when nothing was measured under this name. */
  median(name: string): number;
  /** The median of the ratios of single rounds: what slows the machine for a while slows both sides. */
  medianRatio(what: { of: string; to: string }): number;
  /** Undefined when no cost was added under this name. */
  medianCost(name: string): Cost | undefined;
  /** Every value, in the order of the rounds. */
  all(): Record<string, number[]>;
}

export function createSamples(): Samples {
  const values = new Map<string, number[]>();
  const costs = new Map<string, Cost[]>();
  return {
    add(name, value, cost) {
      append(values, name, value);
      if (cost !== undefined) append(costs, name, cost);
    },
    median: (name) => median(values.get(name) ?? []),
    medianRatio({ of, to }) {
      const others = values.get(to) ?? [];
      const pairs = (values.get(of) ?? []).slice(0, others.length);
      return median(pairs.map((value, round) => value / others[round]!));
    },
    medianCost(name) {
      const all = costs.get(name);
      if (all === undefined) return undefined;
      const statements = all.flatMap((cost) => cost.statements ?? []);
      return {
        commits: median(all.map((cost) => cost.commits)),
        statements: statements.length === 0 ? undefined : median(statements),
        walBytes: median(all.map((cost) => cost.walBytes)),
        flushes: median(all.map((cost) => cost.flushes)),
      };
    },
    all: () => Object.fromEntries(values),
  };
}

function append<T>(lists: Map<string, T[]>, name: string, value: T): void {
  const list = lists.get(name);
  if (list === undefined) lists.set(name, [value]);
  else list.push(value);
}
