/** Runs a command and says how it ended. */
import { type Command, CommanderError } from "commander";
import { AppError } from "../foundation/errors.ts";
import { SettingsError } from "../foundation/settings.ts";
import { createContext, type ProgramToStart } from "./context.ts";
import { declareCommands } from "./declarations.ts";
import { CommandError, exitCodes } from "./exit.ts";
import { createTerminal, type Stream, type Terminal } from "./terminal.ts";

export interface CommandLineOptions {
  /** Without the program's name. */
  args: readonly string[];
  env: Record<string, string | undefined>;
  stdin: AsyncIterable<Buffer | string>;
  out: Stream;
  err: Stream;
  version: string;
  /** Aborts with Ctrl+C; `start` has its own way to stop. */
  signal: AbortSignal;
  startProgram: ProgramToStart;
}

/** Runs one command and gives its exit code. Never throws. */
export async function runCommandLine(options: CommandLineOptions): Promise<number> {
  const { args, env, out, err, version } = options;
  const terminal = createTerminal({ out, err, env });
  const context = createContext({ ...options, terminal });
  let exitCode: number = exitCodes.ok;
  const program = declareCommands(context, {
    version,
    async end(work) {
      exitCode = await work;
    },
  });
  for (const command of [program, ...descendants(program)]) {
    command
      .exitOverride()
      .configureOutput({ writeOut: (text) => out.write(text), writeErr: (text) => err.write(text) });
    command.showHelpAfterError("(add --help for what there is)").configureHelp({ showGlobalOptions: true });
  }
  try {
    await program.parseAsync(args[0] === "--version" ? ["-V"] : [...args], { from: "user" });
    return exitCode;
  } catch (error) {
    terminal.progress.clear();
    return endWith(error, { terminal, asJson: args.includes("--json") });
  }
}

function descendants(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...descendants(child)]);
}

/** Tells what went wrong, on standard error, and gives the exit code. */
function endWith(error: unknown, { terminal, asJson }: { terminal: Terminal; asJson: boolean }): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  const { message, hints, exitCode, document } = describe(error);
  if (asJson) {
    terminal.note(JSON.stringify(document ?? { message, hints }, null, 2));
    return exitCode;
  }
  const { red, dim } = terminal.errorColors;
  terminal.note(`${red("error")}  ${message}`);
  for (const hint of hints) terminal.note(`       ${dim("·")} ${hint}`);
  return exitCode;
}

interface Described {
  message: string;
  hints: readonly string[];
  exitCode: number;
  document?: unknown;
}

const unreachableCodes = ["ECONNREFUSED", "ENOTFOUND", "ETIMEDOUT", "EHOSTUNREACH", "ECONNRESET"];

function describe(error: unknown): Described {
  if (error instanceof CommandError) return error;
  if (error instanceof SettingsError) {
    return { message: "The settings cannot be used", hints: error.message.split("\n"), exitCode: exitCodes.usage };
  }
  if (error instanceof AppError) {
    const known: Record<string, number> = { invalid: exitCodes.usage, unavailable: exitCodes.unreachable };
    return { message: `${error.message} [${error.code}]`, hints: [], exitCode: known[error.kind] ?? exitCodes.failed };
  }
  const message = error instanceof Error ? error.message || error.name : String(error);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (unreachableCodes.includes(code)) {
    return { message: `The database does not answer: ${message || code}`, hints: [], exitCode: exitCodes.unreachable };
  }
  // A fault of ours: whoever reports it needs to say where.
  const stack = error instanceof Error ? (error.stack ?? "").split("\n").slice(1, 5) : [];
  return { message, hints: stack.map((line) => line.trim()), exitCode: exitCodes.failed };
}
