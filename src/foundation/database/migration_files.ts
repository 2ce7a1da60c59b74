/**
 * The files of the migrations: `0001_engine.up.sql` and, to take it back, `0001_engine.down.sql`.
 *
 * The comment lines at the top of a file say how to treat it:
 *
 * ```sql
 * -- description: the tables of the engine      (required in the forward file)
 * -- breaking: true                             (programs that do not know it must not start; default false)
 * -- transaction: none                          (for create index concurrently; default is one transaction)
 * ```
 *
 * A file without a transaction is sent statement by statement; each ends with a semicolon at the end of a line. It may
 * be interrupted halfway and is then run again from its start, so write it to bear that.
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { databaseErrors } from "./errors.ts";

export interface MigrationScript {
  text: string;
  inTransaction: boolean;
}

export interface Migration {
  /** Four digits. */
  version: string;
  /** With its slug: `0001_engine`. */
  name: string;
  description: string;
  breaking: boolean;
  /** SHA-256 of the forward file, line ends as `\n`. */
  checksum: string;
  up: MigrationScript;
  down: MigrationScript;
}

export const projectMigrations = join(import.meta.dirname, "..", "..", "migrations");

const fileName = /^(\d{4})_([a-z0-9_]+)\.(up|down)\.sql$/;

/** Reads a folder's migrations in order; refuses with `database.migration_invalid` what cannot be understood. */
export async function readMigrations(folder = projectMigrations): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => /\.(up|down)\.sql$/.test(name)).sort();
  const versions = new Map<string, { name: string; up?: string; down?: string }>();
  for (const file of names) {
    const [, version, slug, direction] = fileName.exec(file) ?? [];
    if (version === undefined) {
      throw databaseErrors.migration_invalid(`${file} must be named like 0001_engine.up.sql or 0001_engine.down.sql.`);
    }
    const name = `${version}_${slug}`;
    const entry = versions.get(version) ?? { name };
    if (entry.name !== name) {
      throw databaseErrors.migration_invalid(`The version ${version} is used twice: by ${entry.name} and by ${name}.`);
    }
    const text = (await readFile(join(folder, file), "utf8")).replaceAll("\r\n", "\n");
    versions.set(version, { ...entry, [direction === "up" ? "up" : "down"]: text });
  }
  return [...versions].map(([version, { name, up, down }]) => {
    if (up === undefined || down === undefined) {
      throw databaseErrors.migration_invalid(`${name}.${up === undefined ? "up" : "down"}.sql is missing.`);
    }
    return migrationOf({ version, name, up, down });
  });
}

function migrationOf({ version, name, up, down }: Record<"version" | "name" | "up" | "down", string>): Migration {
  const head = headOf(up, `${name}.up.sql`);
  const description = head.get("description");
  if (description === undefined) {
    throw databaseErrors.migration_invalid(`${name}.up.sql must begin with a line "-- description: …".`);
  }
  return {
    version,
    name,
    description,
    breaking: head.get("breaking") === "true",
    checksum: createHash("sha256").update(up).digest("hex"),
    up: { text: up, inTransaction: head.get("transaction") !== "none" },
    down: { text: down, inTransaction: headOf(down, `${name}.down.sql`).get("transaction") !== "none" },
  };
}

const allowed: Record<string, RegExp> = {
  description: /\S/,
  breaking: /^(true|false)$/,
  transaction: /^none$/,
};

/** The `key: value` lines among the comments at the top of a file. */
function headOf(text: string, file: string): Map<string, string> {
  const head = new Map<string, string>();
  for (const line of text.split("\n")) {
    if (line.trim() !== "" && !line.startsWith("--")) {
      break;
    }
    const [, key, value] = /^--\s*(description|breaking|transaction)\s*:\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) {
      if (!allowed[key]?.test(value)) {
        throw databaseErrors.migration_invalid(`${file}: "${value}" is not a value of "${key}".`);
      }
      head.set(key, value);
    }
  }
  return head;
}

/** The statements of a script that must not run in a transaction. */
export function statementsOf(text: string): string[] {
  return text
    .split(/;[ \t]*$/m)
    .map((part) => part.trim())
    .filter((part) => part.replace(/^\s*--.*$/gm, "").trim() !== "");
}
