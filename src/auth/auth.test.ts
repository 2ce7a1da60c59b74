import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openTestDatabase } from "../../test/support/database.ts";
import { makeTemporaryDirectory, type TemporaryDirectory } from "../../test/support/temporary.ts";
import type { Database } from "../foundation/database/index.ts";
import { adminKeyPath, ensureAdminKey } from "./admin_key.ts";
import { createKeyCheck } from "./keys.ts";

let db: Database;
let drop: () => Promise<void>;
let directory: TemporaryDirectory;
let dataDir: string;
let counter = 0;

beforeAll(async () => {
  ({ db, drop } = await openTestDatabase());
  directory = await makeTemporaryDirectory("millrace-auth-");
});
afterAll(async () => {
  await drop();
  await directory.remove();
});
beforeEach(async () => {
  await db.unnamed("delete from auth_service.api_keys");
  dataDir = join(directory.path, String(++counter));
});

/** Whether a key opens the API, asked anew. */
async function opens(secret: string): Promise<boolean> {
  return (await createKeyCheck({ db }).check(secret)) !== undefined;
}

describe("the first admin key", () => {
  test("is made once, kept in a file that only its owner reads, and only its hash is in the database", async () => {
    const made = await ensureAdminKey({ db, dataDir });
    expect(made).toMatchObject({ origin: "made", path: adminKeyPath(dataDir) });
    expect((await readFile(made.path!, "utf8")).trim()).toBe(made.secret);
    expect((await stat(made.path!)).mode & 0o777).toBe(0o600);
    expect(await opens(made.secret!)).toBe(true);
    const rows = await db.unnamed("select k::text as row from auth_service.api_keys k");
    expect(JSON.stringify(rows)).not.toContain(made.secret);
    expect(await ensureAdminKey({ db, dataDir })).toEqual({ origin: "found", path: made.path });
  });

  test("is not made by a node that finds one, wherever its data directory is", async () => {
    await ensureAdminKey({ db, dataDir });
    expect(await ensureAdminKey({ db, dataDir: `${dataDir}-other` })).toEqual({ origin: "found" });
  });

  test("is one, also when many nodes start at once", async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, node) => ensureAdminKey({ db, dataDir: `${dataDir}-${node}` })),
    );
    const made = answers.filter(({ origin }) => origin === "made");
    expect(made).toHaveLength(1);
    expect(await opens(made[0]!.secret!)).toBe(true);
  });

  test("is taken up from the file when a crash came between the file and the database", async () => {
    const secret = "mrk_left-behind-by-a-crash";
    await mkdir(dataDir, { recursive: true });
    await writeFile(adminKeyPath(dataDir), `${secret}\n`, { mode: 0o600 });
    expect(await ensureAdminKey({ db, dataDir })).toMatchObject({ origin: "made", secret });
    expect(await opens(secret)).toBe(true);
  });
});

describe("a given admin key", () => {
  test("opens the API, and no key is made beside it", async () => {
    expect(await ensureAdminKey({ db, dataDir, given: "given-key-number-one" })).toEqual({ origin: "given" });
    expect(await opens("given-key-number-one")).toBe(true);
    expect(await ensureAdminKey({ db, dataDir })).toEqual({ origin: "found" });
  });

  test("replaces the one that was given before, and can come back", async () => {
    for (const given of ["given-key-number-one", "given-key-number-two", "given-key-number-one"]) {
      await ensureAdminKey({ db, dataDir, given });
      expect(await opens(given)).toBe(true);
    }
    expect(await opens("given-key-number-two")).toBe(false);
  });

  test("leaves the made one as it is", async () => {
    const { secret } = await ensureAdminKey({ db, dataDir });
    await ensureAdminKey({ db, dataDir, given: "given-key-number-one" });
    expect(await opens(secret!)).toBe(true);
  });
});

describe("a check", () => {
  test("knows nobody by a key that is wrong, expired or revoked", async () => {
    const { secret } = await ensureAdminKey({ db, dataDir });
    expect(await opens("wrong")).toBe(false);
    await db.unnamed("update auth_service.api_keys set expires_at = now() - interval '1 second'");
    expect(await opens(secret!)).toBe(false);
    await db.unnamed("update auth_service.api_keys set expires_at = null, revoked_at = now()");
    expect(await opens(secret!)).toBe(false);
  });

  test("remembers a good key for the time that it was told, and no longer", async () => {
    const { secret } = await ensureAdminKey({ db, dataDir });
    const remembering = createKeyCheck({ db, memoryMs: 60_000 });
    const forgetful = createKeyCheck({ db, memoryMs: 0 });
    expect(await remembering.check(secret!)).toMatchObject({ name: "admin", permissions: ["*"] });
    await forgetful.check(secret!);
    await db.unnamed("update auth_service.api_keys set revoked_at = now()");
    expect(await remembering.check(secret!)).toBeDefined();
    expect(await forgetful.check(secret!)).toBeUndefined();
  });
});
