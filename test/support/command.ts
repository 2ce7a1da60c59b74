/** The command line as a user runs it: a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";

const main = join(import.meta.dirname, "..", "..", "src", "main.ts");

export interface CommandResult {
  code: number | null;
  out: string;
  err: string;
}

export interface RunningCommand {
  readonly child: ChildProcess;
  /** What it has written so far. */
  output(): { out: string; err: string };
  /** Resolves when standard output matches; rejects when the process ends before. */
  until(pattern: RegExp): Promise<string>;
  readonly ended: Promise<CommandResult>;
}

export interface CommandOptions {
  env?: Record<string, string>;
  stdin?: string;
}

/** Starts `millrace <args>`. Of this process's environment only what programs need is handed on. */
export function startCommand(args: readonly string[], { env = {}, stdin }: CommandOptions = {}): RunningCommand {
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  const wakers = new Set<() => void>();
  const wakeAll = () => {
    for (const wake of wakers) wake();
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    wakeAll();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  child.stdin.end(stdin ?? "");
  const ended = new Promise<CommandResult>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      resolve({ code, out, err });
      wakeAll();
    });
  });
  return {
    child,
    output: () => ({ out, err }),
    ended,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (pattern.test(out)) {
            wakers.delete(look);
            resolve(out);
          } else if (child.exitCode !== null || child.signalCode !== null) {
            wakers.delete(look);
            reject(new Error(`The command ended before it said ${pattern}:\n${out}\n${err}`));
          }
        };
        wakers.add(look);
        look();
      }),
  };
}

export function runCommand(args: readonly string[], options?: CommandOptions): Promise<CommandResult> {
  return startCommand(args, options).ended;
}
