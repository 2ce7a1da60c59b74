import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { documentSettings, readSettings, SettingsError } from "./settings.ts";

function faultsOf(env: Record<string, string>): string[] {
  try {
    readSettings(env);
  } catch (error) {
    expect(error).toBeInstanceOf(SettingsError);
    return error instanceof SettingsError ? error.faults.map(({ message }) => message) : [];
  }
  return [];
}

test("without an environment every setting has its default", () => {
  expect(readSettings({ PATH: "/bin", HOME: "/home" })).toEqual({
    databaseUrl: undefined,
    dataDir: ".millrace",
    port: 7400,
    host: "127.0.0.1",
    adminApiKey: undefined,
    examples: true,
    roles: ["api", "engine", "router", "scheduler", "console"],
    leaseMs: 10_000,
    allowPrivateAddresses: false,
    url: "http://127.0.0.1:7400",
    logLevel: "info",
    drainMs: 10_000,
    retentionMs: 2_592_000_000,
    archiveDir: undefined,
  });
});

test("every setting can be set", () => {
  const env = {
    DATABASE_URL: "postgres://user:secret@db:5432/app",
    MILLRACE_DATA_DIR: "/var/data",
    MILLRACE_PORT: "0",
    MILLRACE_HOST: "0.0.0.0",
    MILLRACE_ADMIN_API_KEY: "0123456789abcdef",
    MILLRACE_EXAMPLES: "false",
    MILLRACE_ROLES: "engine, api",
    MILLRACE_LEASE_MS: "2000",
    MILLRACE_ALLOW_PRIVATE_ADDRESSES: "1",
    MILLRACE_URL: "https://millrace.example",
    MILLRACE_LOG_LEVEL: "debug",
    MILLRACE_DRAIN_MS: "0",
    MILLRACE_RETENTION: "P2W",
    MILLRACE_ARCHIVE_DIR: "/var/archive",
  };
  expect(readSettings(env)).toEqual({
    databaseUrl: env.DATABASE_URL,
    dataDir: "/var/data",
    port: 0,
    host: "0.0.0.0",
    adminApiKey: "0123456789abcdef",
    examples: false,
    roles: ["api", "engine"],
    leaseMs: 2_000,
    allowPrivateAddresses: true,
    url: "https://millrace.example",
    logLevel: "debug",
    drainMs: 0,
    retentionMs: 1_209_600_000,
    archiveDir: "/var/archive",
  });
});

test("an empty value is an absent one", () => {
  expect(readSettings({ DATABASE_URL: "", MILLRACE_PORT: " " })).toEqual(readSettings({}));
});

test("the command line follows the port when only that is set", () => {
  expect(readSettings({ MILLRACE_PORT: "8123" }).url).toBe("http://127.0.0.1:8123");
});

test("an unknown name is refused, and the one that was meant is named", () => {
  expect(faultsOf({ MILLRACE_PROT: "1", MILLRACE_LEASEMS: "1", MILLRACE_WHATEVER: "1" })).toEqual([
    "MILLRACE_PROT is not a setting; did you mean MILLRACE_PORT?",
    "MILLRACE_LEASEMS is not a setting; did you mean MILLRACE_LEASE_MS?",
    "MILLRACE_WHATEVER is not a setting; see docs/settings.md",
  ]);
});

test("all faults are named at once, each with what would be right, and no secret is repeated", () => {
  const faults = faultsOf({
    DATABASE_URL: "mysql://root:hunter2@db/app",
    MILLRACE_PORT: "70000",
    MILLRACE_ADMIN_API_KEY: "hunter2",
    MILLRACE_EXAMPLES: "maybe",
    MILLRACE_ROLES: "engine,cook",
    MILLRACE_LEASE_MS: "2s",
    MILLRACE_LOG_LEVEL: "loud",
    MILLRACE_RETENTION: "PT1H",
  });
  expect(faults).toEqual([
    'MILLRACE_PORT must be a whole number from 0 to 65535, not "70000".',
    "DATABASE_URL must be a URL that begins with postgres:// or postgresql://.",
    "MILLRACE_ADMIN_API_KEY must have at least 16 characters and no spaces.",
    'MILLRACE_EXAMPLES must be true or false, not "maybe".',
    'MILLRACE_ROLES must be one of api, engine, router, scheduler, console, not "cook".',
    'MILLRACE_LEASE_MS must be a whole number from 1000 to 600000, not "2s".',
    'MILLRACE_LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent, not "loud".',
    'MILLRACE_RETENTION must be at least P1D, not "PT1H".',
  ]);
  expect(faultsOf({ MILLRACE_RETENTION: "P1M" })).toEqual([
    'MILLRACE_RETENTION cannot be used: "P1M" has years or months, whose length is not fixed; write days, such as "P30D".',
  ]);
});

test("the documentation shows exactly the settings that exist", async () => {
  const page = await readFile(join(import.meta.dirname, "..", "..", "docs", "settings.md"), "utf8");
  const table = page.split("\n").filter((line) => line.startsWith("|"));
  expect(table.join("\n")).toBe(documentSettings());
});
