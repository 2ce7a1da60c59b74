/** What a command is given besides its arguments. */
import { readAdminKey } from "../auth/index.ts";
import type { Logger } from "../foundation/log.ts";
import { readSettings, type Settings } from "../foundation/settings.ts";
import { type Client, createClient } from "./client.ts";
import type { Terminal } from "./terminal.ts";

export interface GlobalOptions {
  json?: boolean;
  namespace?: string;
  url?: string;
}

/** The program that `millrace start` runs; `main.ts` hands it over, because it is made of every room. */
export type ProgramToStart = (what: {
  settings: Settings;
  env: Record<string, string | undefined>;
  terminal: Terminal;
  log: Logger;
}) => Promise<number>;

export interface CommandContext {
  readonly terminal: Terminal;
  readonly env: Record<string, string | undefined>;
  /** Aborts with Ctrl+C. */
  readonly signal: AbortSignal;
  readonly stdin: AsyncIterable<Buffer | string>;
  readonly startProgram: ProgramToStart;
  /** Reads the environment; throws one error that names every fault in it. */
  settings(): Settings;
  client(options: GlobalOptions): Promise<Client>;
}

export function createContext(parts: Omit<CommandContext, "settings" | "client">): CommandContext {
  const settings = () => readSettings(parts.env);
  return {
    ...parts,
    settings,
    async client({ url, namespace }) {
      const { url: settingUrl, adminApiKey, dataDir } = settings();
      const key = adminApiKey ?? (await readAdminKey(dataDir));
      return createClient({ url: url ?? settingUrl, key, namespace, signal: parts.signal });
    },
  };
}
