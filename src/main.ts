/** The start of the program: the command line, and what `start` means. */
import type { App } from "./app.ts";
import {
  bar,
  type ProgramToStart,
  printAdvice,
  printBanner,
  printExamples,
  runCommandLine,
  type Terminal,
} from "./cli/index.ts";
import type { Logger } from "./foundation/log.ts";
import type { Settings } from "./foundation/settings.ts";
import { version } from "./foundation/version.ts";

/**
 * Runs until SIGINT or SIGTERM, then drains; a second signal ends at once. Gives the exit code.
 *
 * `npm start` runs a shell that runs this program, and a shell that is told to end does not tell its child. So under
 * npm the end of the parent counts as the signal to stop.
 */
const startProgram: ProgramToStart = async ({ settings, env, terminal, log }) => {
  const startedAt = performance.now();
  const stop = stopSignal({ log, watchParent: env.npm_lifecycle_event !== undefined });
  const withExamples = wantsExamples(settings, env);
  terminal.progress.show("Starting…");
  // The rooms are loaded here: a command that only asks a server needs none of them, and answers in half the time.
  const { startApp } = await import("./app.ts");
  const { openShop } = await import("../examples/orders/shop.ts");
  const app = await startApp({ settings, log, tasks: withExamples ? openShop().tasks : {} });
  try {
    terminal.progress.clear();
    printBanner(terminal, {
      version,
      elapsedMs: performance.now() - startedAt,
      url: app.url,
      roles: settings.roles,
      key: app.adminKey,
      database: { version: app.serverVersion, dataDir: app.embedded === undefined ? undefined : settings.dataDir },
    });
    if (withExamples) await Promise.race([showExamples(app, { terminal, log, stop }), stop.asked]);
    if (!stop.isAsked()) printAdvice(terminal);
    await stop.asked;
    terminal.note("Stopping: what runs may finish. Once more ends at once.");
  } finally {
    await app.stop();
  }
  return 0;
};

/** In a database of one's own they are run once; in a given one only when they are asked for by name. */
function wantsExamples({ examples, databaseUrl, roles }: Settings, env: Record<string, string | undefined>): boolean {
  if (!examples || !roles.includes("engine") || !roles.includes("api")) return false;
  return databaseUrl === undefined || Boolean(env.MILLRACE_EXAMPLES);
}

/** The program stays up when an example fails: they are its guests. */
async function showExamples(
  app: App,
  { terminal, log, stop }: { terminal: Terminal; log: Logger; stop: StopSignal },
): Promise<void> {
  const [{ runExamples }, { faceOf }] = await Promise.all([import("../examples/run.ts"), import("./millrace.ts")]);
  try {
    const run = await runExamples({
      millrace: faceOf(() => app, { actor: "examples" }),
      url: app.url!,
      onProgress: (done, total) => {
        terminal.progress.show(`  Running the examples ${bar({ done, total })}`);
        if (terminal.progress.live || done % Math.ceil(total / 4) !== 0) return;
        if (done === 0) terminal.print();
        terminal.print(`  Running the examples: ${done} of ${total}`);
      },
    });
    terminal.progress.clear();
    printExamples(terminal, run);
  } catch (error) {
    terminal.progress.clear();
    if (stop.isAsked()) return;
    log.error({ err: error }, "the examples could not be run to their end");
  }
}

const parentLookMs = 1_000;

interface StopSignal {
  /** Resolves with the first signal. */
  readonly asked: Promise<void>;
  isAsked(): boolean;
}

/** Listens for signals to stop; the second one ends the program at once. */
function stopSignal({ log, watchParent }: { log: Logger; watchParent: boolean }): StopSignal {
  const { promise, resolve } = Promise.withResolvers<void>();
  let asked = false;
  const ask = (signal: NodeJS.Signals) => {
    if (asked) process.exit(signal === "SIGINT" ? 130 : 143);
    asked = true;
    resolve();
  };
  process.on("SIGINT", ask).on("SIGTERM", ask);
  if (watchParent) {
    const parent = process.ppid;
    const look = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(look);
      log.info("the shell that started this program has ended");
      asked = true;
      resolve();
    }, parentLookMs).unref();
  }
  return { asked: promise, isAsked: () => asked };
}

const args = process.argv.slice(2);
const interrupted = new AbortController();
if (args[0] !== "start") process.once("SIGINT", () => interrupted.abort());

process.exitCode = await runCommandLine({
  args,
  env: process.env,
  stdin: process.stdin,
  out: process.stdout,
  err: process.stderr,
  version,
  signal: interrupted.signal,
  startProgram,
});
