/** The SQL of the database layer itself. */
import { statement } from "./statements.ts";

/** Sent as plain text: they take no values, and preparing them would cost a round trip per connection. */
export const beginText = "begin isolation level read committed";
export const commitText = "commit";
export const rollbackText = "rollback";

/** `channel` is an identifier that the driver has quoted. */
export const listenText = (channel: string): string => `listen ${channel}`;

export const readServer = statement(
  "database.read_server",
  `select current_setting('server_version_num')::int as "versionNumber",
          current_setting('server_version') as "version",
          current_setting('synchronous_commit') as "synchronousCommit",
          current_setting('default_transaction_isolation') as "isolation",
          current_setting('server_encoding') as "encoding",
          pg_is_in_recovery() as "standby"`,
);

/** Asked of the server and not taken from the handshake: behind a pooler the handshake names another process. */
export const readBackendPid = statement("database.read_backend_pid", `select pg_backend_pid() as "pid"`);

/** Sent as plain text, because it must run before anything can be prepared against the table. */
export const createMigrationsTableText = `
  create table if not exists public.schema_migrations (
    version     varchar(50) primary key,
    applied_at  timestamptz not null default now(),
    description text        not null,
    checksum    text        not null,
    breaking    boolean     not null default false
  )`;

export const hasMigrationsTableText = `select to_regclass('public.schema_migrations') is not null as "present"`;

export const listAppliedMigrations = statement(
  "database.list_applied_migrations",
  `select version, applied_at as "appliedAt", description, checksum, breaking
   from public.schema_migrations order by version`,
);

export const recordMigration = statement(
  "database.record_migration",
  `insert into public.schema_migrations (version, description, checksum, breaking) values ($1, $2, $3, $4)`,
);

export const forgetMigration = statement(
  "database.forget_migration",
  `delete from public.schema_migrations where version = $1`,
);

/** The key spells "millrace". Advisory locks are per database, so only programs on the same one meet. */
export const tryMigrationLock = statement(
  "database.try_migration_lock",
  `select pg_try_advisory_lock(x'6d696c6c72616365'::bigint) as "locked"`,
);

export const releaseMigrationLock = statement(
  "database.release_migration_lock",
  `select pg_advisory_unlock(x'6d696c6c72616365'::bigint)`,
);
