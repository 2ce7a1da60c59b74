/** Whether a PostgreSQL server may be used at all. */
import type { Db } from "./client.ts";
import { databaseErrors } from "./errors.ts";
import { readServer } from "./queries.ts";

const oldestMajor = 15;
const newestMajor = 18;

export interface ServerFacts {
  /** As the server writes it: `18.4`. */
  version: string;
  major: number;
}

interface ServerRow {
  versionNumber: number;
  version: string;
  synchronousCommit: string;
  isolation: string;
  encoding: string;
  standby: boolean;
}

/**
 * Refuses a server on which the program's promises would not hold, with `database.server_unsupported` and what to
 * change: a version that was never tested, commits that are acknowledged before they are on disk, another isolation
 * level, an encoding that cannot hold JSON, a standby.
 */
export async function checkServer(db: Db): Promise<ServerFacts> {
  const [row] = await db.query<ServerRow>(readServer);
  const server = row!;
  const fault = faultOf(server);
  if (fault !== undefined) {
    throw databaseErrors.server_unsupported(fault, { details: { ...server } });
  }
  return { version: server.version, major: majorOf(server) };
}

function faultOf(server: ServerRow): string | undefined {
  const major = majorOf(server);
  if (major < oldestMajor || major > newestMajor) {
    return `PostgreSQL ${server.version} is not supported; versions ${oldestMajor} to ${newestMajor} are.`;
  }
  if (server.standby) {
    return "The PostgreSQL server is a standby and cannot be written to; connect to the primary.";
  }
  if (server.synchronousCommit === "off") {
    return (
      "The PostgreSQL server runs with synchronous_commit = off, so it acknowledges commits that a crash can lose. " +
      "Set it to on (or remote_write, remote_apply, local) for this database and role."
    );
  }
  if (server.isolation !== "read committed") {
    return (
      `The default transaction isolation is "${server.isolation}"; every statement here is written for READ COMMITTED. ` +
      "Set default_transaction_isolation to 'read committed' for this database and role."
    );
  }
  if (server.encoding !== "UTF8") {
    return `The database is encoded in ${server.encoding}; create it with encoding UTF8.`;
  }
  return undefined;
}

function majorOf(server: ServerRow): number {
  return Math.floor(server.versionNumber / 10_000);
}
