/** `millrace start`: the program itself. */
import { createLogger } from "../../foundation/log.ts";
import type { CommandContext } from "../context.ts";

/** Resolves with the exit code when the program has ended. */
export async function start({ terminal, env, settings, startProgram }: CommandContext): Promise<number> {
  const read = settings();
  return await startProgram({ settings: read, env, terminal, log: createLogger({ level: read.logLevel }) });
}
