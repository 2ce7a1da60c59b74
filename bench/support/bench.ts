/** What every workload is given, and what it is. */
import type { Line } from "./lines.ts";
import type { Samples } from "./samples.ts";
import type { BenchServer } from "./server.ts";

export interface Sizes {
  rounds: number;
  /** Workflows of the limit program and of the spike. */
  floor: number;
  /** Workflows started at once, each size a measurement of its own. */
  atOnce: readonly number[];
  oneAtATime: number;
  /** Workflows that fan out, one after the other. */
  fans: number;
  /** Items of a MAP. */
  items: number;
  /** Instances that sleep for an event, and signals for them. */
  waits: number;
  /** Events published at once. */
  events: number;
  /** Triggers that events are looked up among, each number a measurement of its own. */
  triggers: readonly number[];
  /** Instances that wait, each for an event of its own. */
  eventWaits: number;
  /** Workflows started in bulk. */
  bulk: number;
  asleep: number;
  /** Workflows started at once beside the sleepers. */
  besideSleepers: number;
  idleMs: number;
  takeovers: number;
}

export const fullSizes: Sizes = {
  rounds: 5,
  floor: 20_000,
  atOnce: [2_000, 20_000],
  oneAtATime: 300,
  fans: 50,
  items: 10_000,
  waits: 500,
  events: 10_000,
  triggers: [1, 100, 10_000],
  eventWaits: 100_000,
  bulk: 100_000,
  asleep: 1_000_000,
  besideSleepers: 5_000,
  idleMs: 20_000,
  takeovers: 3,
};

/** A look at whether things work, and roughly how well. */
export const quickSizes: Sizes = {
  rounds: 1,
  floor: 5_000,
  atOnce: [2_000],
  oneAtATime: 100,
  fans: 15,
  items: 4_000,
  waits: 200,
  events: 2_000,
  triggers: [1, 100, 10_000],
  eventWaits: 5_000,
  bulk: 10_000,
  asleep: 50_000,
  besideSleepers: 2_000,
  idleMs: 5_000,
  takeovers: 1,
};

/** How many workflows are under way at once in the limit program and the spike. */
export const floorConcurrency = 1_000;
/** Run before the clock starts, so that code is compiled and tables have their first pages. */
export const warmUp = 1_000;

export interface Bench {
  server: BenchServer;
  sizes: Sizes;
  samples: Samples;
  /** Says what is going on, on standard error. */
  say(text: string): void;
}

/**
 * One workload. Rounds of all workloads take turns, so that whatever else the machine does hits all of them; what is
 * dear to make is made in `prepare`.
 */
export interface Workload {
  name: string;
  /** Others whose samples its report compares with. */
  needs: readonly string[];
  prepare?(bench: Bench): Promise<void>;
  round(bench: Bench): Promise<void>;
  /** After the last round; may measure what needs no rounds. */
  report(bench: Bench): Promise<Line[]>;
  close?(): Promise<void>;
}
