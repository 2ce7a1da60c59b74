/** Making the server's data directory, once. */
import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Account, giveTo } from "./account.ts";
import { postgresErrors } from "./errors.ts";

/** The server's superuser and the database that this program uses. */
export const databaseName = "millrace";
export const userName = "millrace";

const passwordFile = "millrace_password";

/**
 * Makes sure that `place` holds a data directory of the binaries' major version, and gives the password of its user.
 *
 * A new one is made beside it and renamed when it is whole, so a start that was interrupted leaves only a folder that
 * the next start removes.
 */
export async function ensureCluster({
  place,
  account,
  major,
}: {
  place: string;
  account: Account;
  major: number;
}): Promise<{ password: string; created: boolean }> {
  await removeHalfMade(place);
  const version = await readFile(join(place, "PG_VERSION"), "utf8").catch(() => undefined);
  if (version === undefined) {
    return { password: await createCluster({ place, account, major }), created: true };
  }
  if (Number(version) !== major) {
    throw postgresErrors.version_mismatch(
      `The data in ${place} was made by PostgreSQL ${version.trim()}, and the embedded one is ${major}. ` +
        "Use the release that made it, or move its content through a PostgreSQL of your own with DATABASE_URL.",
    );
  }
  await giveTo({ account, path: place });
  return { password: (await readFile(join(place, passwordFile), "utf8")).trim(), created: false };
}

/** Everything that a start which was interrupted while creating has left beside `place`. */
async function removeHalfMade(place: string): Promise<void> {
  const prefix = `${basename(place)}.new-`;
  for (const name of await readdir(dirname(place)).catch(() => [])) {
    if (name.startsWith(prefix)) {
      await rm(join(dirname(place), name), { recursive: true, force: true, maxRetries: 5 });
    }
  }
}

async function createCluster({
  place,
  account,
  major,
}: {
  place: string;
  account: Account;
  major: number;
}): Promise<string> {
  const password = randomBytes(24).toString("base64url");
  const workshop = `${place}.new-${process.pid}-${randomBytes(4).toString("hex")}`;
  const data = join(workshop, "data");
  const passwordPath = join(workshop, "password");
  await mkdir(workshop, { mode: 0o700 });
  try {
    await writeFile(passwordPath, `${password}\n`, { mode: 0o600 });
    await giveTo({ account, path: workshop });
    await runInitdb(account, [
      `--pgdata=${data}`,
      `--username=${userName}`,
      `--pwfile=${passwordPath}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      ...localeOptions(major),
    ]);
    await rename(passwordPath, join(data, passwordFile));
    await rename(data, place);
    await syncDirectory(dirname(place));
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
  return password;
}

/**
 * Text sorts by code point and case is Unicode's, the same on every machine. Before version 17 the server has no such
 * locale of its own, and case is ASCII's.
 */
function localeOptions(major: number): string[] {
  return major >= 17
    ? ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    : ["--locale=C", "--locale-provider=libc"];
}

async function runInitdb(account: Account, args: string[]): Promise<void> {
  const child = account.spawn("initdb", args);
  const output: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => output.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => output.push(chunk));
  const ending = await new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, killer) => resolve(code === 0 ? undefined : `ended with ${killer ?? code}`));
  });
  if (ending !== undefined) {
    throw postgresErrors.start_failed(
      `The data directory of PostgreSQL could not be made: initdb ${ending}.\n${Buffer.concat(output).toString().trim()}`,
    );
  }
}

/** Makes a rename survive a power cut. Windows cannot open directories, and needs no such thing. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform !== "win32") {
    const directory = await open(path, "r");
    await directory.sync();
    await directory.close();
  }
}
