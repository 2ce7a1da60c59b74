/**
 * The first key of an installation.
 *
 * A given one (`MILLRACE_ADMIN_API_KEY`) is accepted from now on, instead of the one that was given before. When none
 * is given and the database has none, one is made: its secret stands in the data directory, readable by its owner only,
 * and its hash in the database. Nodes that start side by side end with one key between them.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Database } from "../foundation/database/index.ts";
import { addAdminKey, hasLivingKey, makeSecret, setAdminKey } from "./keys.ts";

export interface AdminKeyOptions {
  db: Database;
  dataDir: string;
  /** The setting, whose length was checked when it was read. */
  given?: string;
}

export interface AdminKey {
  origin: "given" | "made" | "found";
  /** Where the secret can be read, if it was made or stands in this data directory. */
  path?: string;
  /** Only when it was made just now. */
  secret?: string;
}

export function adminKeyPath(dataDir: string): string {
  return join(dataDir, "admin_api_key");
}

export async function ensureAdminKey({ db, dataDir, given }: AdminKeyOptions): Promise<AdminKey> {
  if (given !== undefined) {
    await setAdminKey(db, { name: "admin-setting", secret: given });
    return { origin: "given" };
  }
  const path = adminKeyPath(dataDir);
  const present = await readAdminKey(dataDir);
  if (await hasLivingKey(db)) return present === undefined ? { origin: "found" } : { origin: "found", path };
  return await makeFirst({ db, dataDir, path, present });
}

/** The secret in the data directory, if there is one. */
export async function readAdminKey(dataDir: string): Promise<string | undefined> {
  try {
    const secret = (await readFile(adminKeyPath(dataDir), "utf8")).trim();
    return secret === "" ? undefined : secret;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** The file comes first: a crash between the two leaves a secret that the next start puts to use, not a lost one. */
async function makeFirst(what: {
  db: Database;
  dataDir: string;
  path: string;
  present: string | undefined;
}): Promise<AdminKey> {
  const secret = what.present ?? makeSecret();
  if (what.present === undefined) {
    await mkdir(what.dataDir, { recursive: true });
    await writeFile(what.path, `${secret}\n`, { mode: 0o600 });
  }
  if (await addAdminKey(what.db, { name: "admin", secret })) return { origin: "made", path: what.path, secret };
  // Another node was faster. Its key may be this very file, where both share the data directory.
  if (what.present === undefined && (await readAdminKey(what.dataDir)) === secret) await rm(what.path, { force: true });
  return { origin: "found" };
}
