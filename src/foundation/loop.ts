/**
 * A duty that runs again and again while the program lives: one run at a time, a pause after each, a nudge when there
 * is something to do sooner. Tests call `tick()` and never wait for the pause.
 */
import type { Logger } from "./log.ts";

export interface LoopOptions {
  /** For the log. */
  name: string;
  /** Pause between the end of one run and the start of the next. */
  everyMs: number;
  run: () => Promise<void>;
  log: Logger;
}

export class Loop {
  readonly #options: LoopOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #started = false;
  #nudged = false;

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  /** The first run begins at once. Starting a started loop does nothing. */
  start(): void {
    if (!this.#started) {
      this.#started = true;
      this.#schedule(0);
    }
  }

  /** No run begins after this; resolves when the one under way has ended. The loop can be started again. */
  async stop(): Promise<void> {
    this.#started = false;
    this.#nudged = false;
    clearTimeout(this.#timer);
    await this.#running;
  }

  /**
   * Runs once, now; when a run is under way, waits for it and then runs once more, so what the caller did before is
   * seen. Never rejects: an error of the run is logged, and the next run tries again.
   */
  async tick(): Promise<void> {
    while (this.#running) {
      await this.#running;
    }
    this.#running = this.#guardedRun();
    await this.#running;
  }

  /** Asks a started loop for a run soon. Many nudges during one run cause one more run. */
  wake(): void {
    if (!this.#started) {
      return;
    }
    if (this.#running) {
      this.#nudged = true;
    } else {
      this.#schedule(0);
    }
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.tick(), delayMs);
  }

  async #guardedRun(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      await this.#options.run();
    } catch (error) {
      this.#options.log.error({ err: error, loop: this.#options.name }, "a run failed; the loop goes on");
    }
    this.#running = undefined;
    if (this.#started) {
      this.#schedule(this.#nudged ? 0 : this.#options.everyMs);
      this.#nudged = false;
    }
  }
}
