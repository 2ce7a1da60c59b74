/**
 * Everything that can be set from outside, read once when the program starts.
 *
 * Each setting is declared once, in `declarations`: its name in the environment, its default, how its text is read,
 * and the line that `docs/settings.md` shows. A name that begins with `MILLRACE_` and is not declared is refused, so a
 * typing error cannot silently leave a default in force.
 */

import { formatDuration, parseDuration } from "./duration.ts";
import { editDistance } from "./edit_distance.ts";
import type { InputError } from "./errors.ts";
import { type LogLevel, logLevels } from "./log.ts";

export const roles = ["api", "engine", "router", "scheduler", "console"] as const;
export type Role = (typeof roles)[number];

export interface Settings {
  databaseUrl: string | undefined;
  dataDir: string;
  port: number;
  host: string;
  adminApiKey: string | undefined;
  examples: boolean;
  roles: readonly Role[];
  leaseMs: number;
  allowPrivateAddresses: boolean;
  url: string;
  logLevel: LogLevel;
  drainMs: number;
  retentionMs: number;
  archiveDir: string | undefined;
}

/** The environment cannot be used; the program must not start. It never reaches a client, so it has no error code. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
  /** Every fault at once; a pointer is `/` and the name of the setting. */
  readonly faults: readonly InputError[];

  constructor(faults: readonly InputError[]) {
    super(faults.map(({ message }) => message).join("\n"));
    this.faults = faults;
  }
}

interface Declaration<Value> {
  /** In the environment. */
  name: string;
  /** Gives the value, or throws a `Fault` that says what would be right. */
  read(text: string): Value;
  /** In force when the name is absent or empty. */
  fallback: Value;
  /** How the fallback is written in the documentation. */
  shown: string;
  unit: string;
  meaning: string;
}

class Fault extends Error {}

const dayMs = 86_400_000;

const declarations: { readonly [Key in keyof Settings]: Declaration<Settings[Key]> } = {
  databaseUrl: {
    name: "DATABASE_URL",
    read: urlOf("postgres:", "postgresql:"),
    fallback: undefined,
    shown: "none: the embedded PostgreSQL",
    unit: "connection string",
    meaning: "The PostgreSQL (15 to 18) to use, as `postgres://user:password@host:port/database`.",
  },
  dataDir: {
    name: "MILLRACE_DATA_DIR",
    read: (text) => text,
    fallback: ".millrace",
    shown: "`.millrace`",
    unit: "path",
    meaning: "Where the embedded PostgreSQL and the generated admin API key are kept. One program at a time.",
  },
  port: {
    name: "MILLRACE_PORT",
    read: integerBetween(0, 65_535),
    fallback: 7400,
    shown: "`7400`",
    unit: "TCP port",
    meaning: "Where HTTP is served; `0` takes any free port.",
  },
  host: {
    name: "MILLRACE_HOST",
    read: (text) => text,
    fallback: "127.0.0.1",
    shown: "`127.0.0.1`",
    unit: "address",
    meaning: "The address to listen on; `0.0.0.0` serves every network of the machine.",
  },
  adminApiKey: {
    name: "MILLRACE_ADMIN_API_KEY",
    read: apiKey,
    fallback: undefined,
    shown: "made at the first start",
    unit: "text",
    meaning:
      "The key that every API call must carry. Without it one is made, printed once and kept in the data directory, " +
      "unless the database already knows one.",
  },
  examples: {
    name: "MILLRACE_EXAMPLES",
    read: boolean,
    fallback: true,
    shown: "`true`",
    unit: "true or false",
    meaning: "Whether an empty embedded database is given the examples, and runs them, at the first start.",
  },
  roles: {
    name: "MILLRACE_ROLES",
    read: roleList,
    fallback: roles,
    shown: "all",
    unit: "list with commas",
    meaning: `What this node does: any of ${roles.map((role) => `\`${role}\``).join(", ")}.`,
  },
  leaseMs: {
    name: "MILLRACE_LEASE_MS",
    read: integerBetween(1_000, 600_000),
    fallback: 10_000,
    shown: "`10000`",
    unit: "ms",
    meaning: "How long a silent node keeps its shards before others take them over; the same on every node.",
  },
  allowPrivateAddresses: {
    name: "MILLRACE_ALLOW_PRIVATE_ADDRESSES",
    read: boolean,
    fallback: false,
    shown: "`false`",
    unit: "true or false",
    meaning: "Whether `http.request` and webhooks may reach loopback, private and link-local addresses.",
  },
  url: {
    name: "MILLRACE_URL",
    read: urlOf("http:", "https:"),
    fallback: "http://127.0.0.1:7400",
    shown: "`http://127.0.0.1:7400`",
    unit: "URL",
    meaning: "Where the command line finds the server. Follows `MILLRACE_PORT` when only that is set.",
  },
  logLevel: {
    name: "MILLRACE_LOG_LEVEL",
    read: oneOf(logLevels),
    fallback: "info",
    shown: "`info`",
    unit: logLevels.map((level) => `\`${level}\``).join(", "),
    meaning: "The least important messages that are still logged.",
  },
  drainMs: {
    name: "MILLRACE_DRAIN_MS",
    read: integerBetween(0, 3_600_000),
    fallback: 10_000,
    shown: "`10000`",
    unit: "ms",
    meaning: "How long a stopping node lets running steps end before it cuts them off.",
  },
  retentionMs: {
    name: "MILLRACE_RETENTION",
    read: durationFrom(dayMs),
    fallback: 30 * dayMs,
    shown: "`P30D`",
    unit: "duration",
    meaning:
      "How long finished instances and their history are kept where their definition does not say, at least `P1D`; the " +
      "same on every node. What is older goes by the week.",
  },
  archiveDir: {
    name: "MILLRACE_ARCHIVE_DIR",
    read: (text) => text,
    fallback: undefined,
    shown: "none: no archive",
    unit: "path",
    meaning:
      "Where finished instances are written to compressed files before they are removed; on every node, or on none.",
  },
};

/**
 * Reads the settings from an environment such as `process.env`. Throws one `SettingsError` that names every fault:
 * the setting, what is wrong, and what would be right. Values of secrets are not repeated in it.
 */
export function readSettings(env: Record<string, string | undefined>): Settings {
  const faults: InputError[] = unknownNames(env);
  const value = <Key extends keyof Settings>(key: Key): Settings[Key] => {
    const { name, read, fallback } = declarations[key];
    const text = env[name]?.trim() ?? "";
    try {
      return text === "" ? fallback : read(text);
    } catch (error) {
      if (!(error instanceof Fault)) {
        throw error;
      }
      faults.push({ pointer: `/${name}`, message: `${name} ${error.message}` });
      return fallback;
    }
  };
  const port = value("port");
  const settings: Settings = {
    databaseUrl: value("databaseUrl"),
    dataDir: value("dataDir"),
    port,
    host: value("host"),
    adminApiKey: value("adminApiKey"),
    examples: value("examples"),
    roles: value("roles"),
    leaseMs: value("leaseMs"),
    allowPrivateAddresses: value("allowPrivateAddresses"),
    url: env.MILLRACE_URL?.trim() ? value("url") : `http://127.0.0.1:${port || declarations.port.fallback}`,
    logLevel: value("logLevel"),
    drainMs: value("drainMs"),
    retentionMs: value("retentionMs"),
    archiveDir: value("archiveDir"),
  };
  if (faults.length > 0) {
    throw new SettingsError(faults);
  }
  return settings;
}

/** The table of `docs/settings.md`, one row per setting. */
export function documentSettings(): string {
  const rows = Object.values(declarations).map(({ name, shown, unit, meaning }) => {
    return `| \`${name}\` | ${shown} | ${unit} | ${meaning} |`;
  });
  return ["| name | default | unit | meaning |", "|---|---|---|---|", ...rows].join("\n");
}

const knownNames = Object.values(declarations).map(({ name }) => name);

function unknownNames(env: Record<string, string | undefined>): InputError[] {
  return Object.keys(env)
    .filter((name) => name.startsWith("MILLRACE_") && !knownNames.includes(name))
    .map((name) => {
      const [nearest] = knownNames
        .map((known) => ({ known, edits: editDistance(name, known) }))
        .filter(({ edits }) => edits <= Math.max(2, (name.length - "MILLRACE_".length) / 2))
        .sort((a, b) => a.edits - b.edits);
      const hint = nearest === undefined ? "see docs/settings.md" : `did you mean ${nearest.known}?`;
      return { pointer: `/${name}`, message: `${name} is not a setting; ${hint}`, expected: nearest?.known };
    });
}

function integerBetween(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) {
      throw new Fault(`must be a whole number from ${least} to ${most}, not "${text}".`);
    }
    return value;
  };
}

function durationFrom(leastMs: number): (text: string) => number {
  return (text) => {
    let value: number;
    try {
      value = parseDuration(text);
    } catch (error) {
      throw new Fault(`cannot be used: ${error instanceof Error ? error.message : String(error)}.`);
    }
    if (value < leastMs) {
      throw new Fault(`must be at least ${formatDuration(leastMs)}, not "${text}".`);
    }
    return value;
  };
}

function boolean(text: string): boolean {
  const value = { true: true, "1": true, yes: true, on: true, false: false, "0": false, no: false, off: false };
  const found = Object.entries(value).find(([word]) => word === text.toLowerCase());
  if (found === undefined) {
    throw new Fault(`must be true or false, not "${text}".`);
  }
  return found[1];
}

function oneOf<Word extends string>(words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const found = words.find((word) => word === text.toLowerCase());
    if (found === undefined) {
      throw new Fault(`must be one of ${words.join(", ")}, not "${text}".`);
    }
    return found;
  };
}

function roleList(text: string): Role[] {
  const chosen = text.split(",").map((part) => oneOf(roles)(part.trim()));
  return roles.filter((role) => chosen.includes(role));
}

function apiKey(text: string): string {
  if (text.length < 16 || /\s/.test(text)) {
    throw new Fault("must have at least 16 characters and no spaces.");
  }
  return text;
}

/** The text itself is not repeated: it may carry a password. */
function urlOf(...protocols: string[]): (text: string) => string {
  return (text) => {
    if (!URL.canParse(text) || !protocols.includes(new URL(text).protocol)) {
      throw new Fault(`must be a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}.`);
    }
    return text;
  };
}
