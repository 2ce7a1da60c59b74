/**
 * One embedded PostgreSQL server while this program lives: started, watched, restarted when it dies, stopped.
 *
 * The port never changes during the life of the program, so the connection string stays valid over restarts.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../log.ts";
import type { Account } from "./account.ts";
import { postgresErrors } from "./errors.ts";
import { endOrphans, readPidFile, signal } from "./processes.ts";
import { serverArguments } from "./server_settings.ts";

/** Why a server ended: an exit code or the name of a signal. */
export type Ending = number | NodeJS.Signals | string;

export interface ServerOptions {
  place: string;
  port: number;
  account: Account;
  log: Logger;
}

const readyPollMs = 10;
const patienceMs = 10_000;
const stopFastMs = 60_000;
const longestPauseMs = 10_000;
const keptLines = 40;

export class Server {
  readonly #options: ServerOptions;
  readonly #exitListeners: ((ending: Ending) => void)[] = [];
  readonly #stopped = new AbortController();
  #child: ChildProcess | undefined;
  #reviving: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;
  #lines: string[] = [];

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  get port(): number {
    return this.#options.port;
  }

  /** The pid of the server's main process; undefined while it is down. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Calls `listener` whenever the server ends without having been stopped; its restart begins after that. */
  onExit(listener: (ending: Ending) => void): void {
    this.#exitListeners.push(listener);
  }

  /** Starts the server and waits until it accepts connections; rejects with its last words when it ends before. */
  async start(): Promise<void> {
    await this.#launch();
    process.once("exit", this.#onProgramExit);
  }

  /** Stops the server in order (clients are disconnected, a checkpoint is written) and waits for its end. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #launch(): Promise<void> {
    const { place, port, account, log } = this.#options;
    this.#lines = [];
    const child = account.spawn("postgres", serverArguments({ place, port }));
    this.#child = child;
    const ended = new Promise<Ending>((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("exit", (code, killer) => resolve(killer ?? code ?? "an unknown cause"));
    });
    this.#relay(child);
    const ending = await Promise.race([ended, this.#ready(child)]);
    if (ending !== "ready") {
      this.#child = undefined;
      await drained(child);
      throw postgresErrors.start_failed(
        `The embedded PostgreSQL did not start (${ending}). It said:\n${this.#lines.join("\n")}`,
      );
    }
    log.debug({ pid: child.pid, port }, "the embedded PostgreSQL accepts connections");
    void ended.then((end) => this.#onEnd(end));
  }

  /** Waits for the line in the server's pid file. A recovery may take minutes, so only the server's end ends this. */
  async #ready(child: ChildProcess): Promise<"ready" | "ended"> {
    let reportAtMs = performance.now() + patienceMs;
    while (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      const file = await readPidFile(this.#options.place);
      if (file?.pid === child.pid && file.ready) {
        return "ready";
      }
      if (performance.now() > reportAtMs) {
        reportAtMs += patienceMs;
        this.#options.log.info("the embedded PostgreSQL is still starting: it recovers from a crash");
      }
      await sleep(readyPollMs);
    }
    // The race is won by the promise of the end, which knows the reason.
    return await new Promise(() => {});
  }

  #onEnd(ending: Ending): void {
    this.#child = undefined;
    if (this.#stopping) {
      return;
    }
    this.#options.log.error({ ending, said: this.#lines.slice(-5) }, "the embedded PostgreSQL ended; it is restarted");
    for (const listener of this.#exitListeners) {
      listener(ending);
    }
    this.#reviving = this.#revive();
  }

  /** Tries until it succeeds or the program stops: at once, then after pauses that double up to ten seconds. */
  async #revive(): Promise<void> {
    for (let pauseMs = 0; !this.#stopping; pauseMs = Math.min(pauseMs * 2 || 100, longestPauseMs)) {
      try {
        await sleep(pauseMs, undefined, { signal: this.#stopped.signal });
        await endOrphans(this.#options);
        await this.#launch();
        this.#options.log.info({ pid: this.pid }, "the embedded PostgreSQL is back");
        return;
      } catch (error) {
        if (!this.#stopping) {
          this.#options.log.error({ err: error }, "the embedded PostgreSQL could not be restarted");
        }
      }
    }
  }

  async #stop(): Promise<void> {
    process.off("exit", this.#onProgramExit);
    this.#stopped.abort();
    await this.#end();
    await this.#reviving;
    // A restart that was under way may have succeeded in the meantime.
    await this.#end();
    // What a killed server left behind has no one else to end it when its restart was cut short.
    await endOrphans(this.#options);
  }

  async #end(): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
      return;
    }
    const exited = once(child, "exit");
    if (process.platform === "win32") {
      // There a signal would be a plain kill.
      this.#options.account.spawn("pg_ctl", ["stop", "-D", this.#options.place, "-m", "fast", "-W"]);
    } else {
      signal(child.pid, "SIGINT");
    }
    const impatience = setTimeout(() => signal(child.pid!, "SIGKILL"), stopFastMs);
    await exited;
    clearTimeout(impatience);
  }

  /** The last chance when the program ends without `stop()`: the server then shuts down on its own. */
  readonly #onProgramExit = (): void => {
    if (this.#child?.pid !== undefined) {
      signal(this.#child.pid, "SIGINT");
    }
  };

  #relay(child: ChildProcess): void {
    child.stdout?.resume();
    if (child.stderr) {
      createInterface({ input: child.stderr }).on("line", (line) => {
        this.#lines = [...this.#lines.slice(1 - keptLines), line];
        this.#options.log[levelOf(line)]({ from: "postgres" }, line);
      });
    }
  }
}

/** Errors of statements and of clients are told to those clients; here only what concerns the server is loud. */
function levelOf(line: string): "debug" | "warn" | "error" {
  return line.startsWith("PANIC:") ? "error" : line.startsWith("WARNING:") ? "warn" : "debug";
}

/** Waits until the last lines have been read; a child of the server may hold the pipe open, so not for ever. */
async function drained(child: ChildProcess): Promise<void> {
  if (child.pid !== undefined && child.stderr && !child.stderr.closed) {
    await Promise.race([once(child, "close"), sleep(500)]);
  }
}
