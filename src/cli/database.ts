/** The database in use, for commands that work on it without a server. */
import { checkServer, Database } from "../foundation/database/index.ts";
import { silentLogger } from "../foundation/log.ts";
import { runningPostgresUrl, startEmbeddedPostgres } from "../foundation/postgres/index.ts";
import type { Settings } from "../foundation/settings.ts";

/** `DATABASE_URL`, else the embedded server of the program that lives on the data directory; undefined without one. */
export async function databaseUrlInUse({ databaseUrl, dataDir }: Settings): Promise<string | undefined> {
  return databaseUrl ?? (await runningPostgresUrl(dataDir));
}

/** Runs `work` on the database in use. Without a running program the embedded server is started for the time of it. */
export async function withDatabase<T>(settings: Settings, work: (db: Database) => Promise<T>): Promise<T> {
  const url = await databaseUrlInUse(settings);
  if (url !== undefined) return await withConnection(url, work);
  const embedded = await startEmbeddedPostgres({ dataDir: settings.dataDir, log: silentLogger });
  try {
    return await withConnection(embedded.url, work);
  } finally {
    await embedded.stop();
  }
}

async function withConnection<T>(url: string, work: (db: Database) => Promise<T>): Promise<T> {
  const db = new Database({ url, poolSize: 2, applicationName: "millrace command line", log: silentLogger });
  try {
    await checkServer(db);
    return await work(db);
  } finally {
    await db.close();
  }
}
