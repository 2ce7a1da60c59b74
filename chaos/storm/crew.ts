/** The nodes of a run, dead and alive. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../../src/engine/simulation/random.ts";
import { NodeProcess } from "./node_process.ts";

export interface CrewOptions {
  dir: string;
  url: string;
  leaseMs: number;
  /** For whom callers choose; not part of the plan. */
  random: Random;
}

const betweenTriesMs = 300;
const drainPatienceMs = 40_000;

export class Crew {
  readonly everyone: NodeProcess[] = [];
  /** Drains that did not end as they should. */
  readonly faults: string[] = [];
  readonly #options: CrewOptions;
  #closing = false;

  constructor(options: CrewOptions) {
    this.#options = options;
  }

  /** Starts a node and waits until it works. One that finds no database ends, and another is started. */
  async enlist(): Promise<void> {
    while (!this.#closing) {
      const node = new NodeProcess({ ...this.#options, name: `node-${this.everyone.length + 1}` });
      this.everyone.push(node);
      if (await node.ready) return;
      await sleep(betweenTriesMs);
    }
  }

  get living(): NodeProcess[] {
    return this.everyone.filter(({ state }) => state === "live");
  }

  /** The `pick`-th of those that live; waits until one does. */
  async choose(pick: number): Promise<NodeProcess> {
    while (this.living.length === 0) await sleep(20);
    return this.living[pick % this.living.length]!;
  }

  /** Whom a caller would reach: a stopped node looks alive from outside. */
  async anyone(): Promise<NodeProcess> {
    for (;;) {
      const reachable = this.everyone.filter(
        ({ state }) => state === "live" || state === "stopped" || state === "draining",
      );
      if (reachable.length > 0) return this.#options.random.pick(reachable);
      await sleep(20);
    }
  }

  async kill(node: NodeProcess): Promise<void> {
    node.signal("SIGKILL");
    await node.exited;
  }

  /** One that a later blow kills while it drains does not end its drain, and is not judged by it. */
  async drain(node: NodeProcess): Promise<void> {
    node.state = "draining";
    node.signal("SIGTERM");
    const late = new AbortController();
    const end = await Promise.race([
      node.exited,
      sleep(drainPatienceMs, undefined, { signal: late.signal }).catch(() => undefined),
    ]);
    late.abort();
    if (end === undefined) {
      this.faults.push(`${node.name} did not end within ${drainPatienceMs} ms of SIGTERM`);
      await this.kill(node);
    } else if (end.code !== 0 && !node.killed)
      this.faults.push(`${node.name} ended its drain with ${end.signal ?? end.code}`);
  }

  /** Drains all that are left, at once. */
  async dismiss(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.everyone.filter(({ state }) => state === "live").map((node) => this.drain(node)));
    await this.end();
  }

  /** Kills all that are left. */
  async end(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.everyone.filter(({ state }) => state !== "gone").map((node) => this.kill(node)));
  }
}
