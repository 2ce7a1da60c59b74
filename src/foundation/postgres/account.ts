/**
 * As whom the PostgreSQL processes run.
 *
 * PostgreSQL refuses to run as root. Where this program is root (a container, a rented machine) there are two ways:
 *
 * - a user namespace in which root appears as nobody: nothing has to be copied or given away, the files stay root's;
 * - where namespaces are refused (Docker's default), the user id of nobody for real. Then binaries and data must be
 *   where nobody can reach, which `/root` is not; what is out of reach is kept under `/var/lib/millrace`.
 *
 * Where the machine has `setpriv`, every process also asks the kernel for a fast shutdown when this program dies,
 * however it dies. It is a courtesy: the next start deals with processes that stayed behind all the same.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chown, cp, lstat, mkdir, readdir, readlink, realpath, rename, rm, stat, symlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { type Binaries, binary, linkLibraries } from "./binaries.ts";
import { postgresErrors } from "./errors.ts";

export interface Account {
  /** The owner that data files must have, or undefined when nothing has to be done. */
  owner: { uid: number; gid: number } | undefined;
  binaries: Binaries;
  /** Starts a binary as this account, in a session of its own: a Ctrl-C in the terminal must not reach it. */
  spawn(name: "initdb" | "pg_ctl" | "postgres", args: string[]): ChildProcess;
}

const nobody = 65534;
const namespace = ["unshare", "--user", `--map-user=${nobody}`, `--map-group=${nobody}`];
const dieWithParent = ["setpriv", "--pdeathsig", "INT"];
const sharedDir = "/var/lib/millrace";

/** Chooses the account for this machine and user. `refuseNamespaces` is for the test of the second way. */
export async function chooseAccount(binaries: Binaries, { refuseNamespaces = false } = {}): Promise<Account> {
  const root = process.getuid?.() === 0;
  const [namespaces, courtesy] = await Promise.all([
    root && !refuseNamespaces && runs(namespace, binaries),
    process.platform === "linux" && runs(dieWithParent, binaries),
  ]);
  const prefix = [...(namespaces ? namespace : []), ...(courtesy ? dieWithParent : [])];
  if (!root || namespaces) {
    const owner = root ? { uid: 0, gid: process.getgid?.() ?? 0 } : undefined;
    return account({ prefix, owner, binaries, identity: {} });
  }
  const owner = { uid: nobody, gid: nobody };
  return account({ prefix, owner, binaries: await reachableBinaries(binaries), identity: owner });
}

function account({
  prefix,
  owner,
  binaries,
  identity,
}: {
  prefix: string[];
  owner: Account["owner"];
  binaries: Binaries;
  identity: { uid?: number; gid?: number };
}): Account {
  return {
    owner,
    binaries,
    spawn(name, args) {
      const [command, ...rest] = [...prefix, binary(binaries, name), ...args];
      return spawn(command!, rest, {
        ...identity,
        detached: process.platform !== "win32",
        windowsHide: true,
        cwd: "/",
        env: { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC", ...systemRoot(), ...binaries.env },
        stdio: ["ignore", "pipe", "pipe"],
      });
    },
  };
}

/** Windows programs do not start without it. */
function systemRoot(): Record<string, string> {
  return process.env.SystemRoot === undefined ? {} : { SystemRoot: process.env.SystemRoot };
}

/** Whether `postgres` can be run behind a prefix on this machine. */
async function runs(prefix: string[], binaries: Binaries): Promise<boolean> {
  const [command, ...args] = [...prefix, binary(binaries, "postgres"), "--version"];
  return await promisify(execFile)(command!, args, { env: { PATH: process.env.PATH, ...binaries.env } }).then(
    () => true,
    () => false,
  );
}

/**
 * Where the server's data directory really is. Normally `<dataDir>/postgres`; when the account cannot reach that, a
 * place under `/var/lib/millrace` to which `<dataDir>/postgres` is then a link.
 */
export async function placeData({ dataDir, account }: { dataDir: string; account: Account }): Promise<string> {
  const place = join(await realpath(dataDir), "postgres");
  const present = await lstat(place).catch(() => undefined);
  if (present?.isSymbolicLink()) {
    return resolve(dirname(place), await readlink(place));
  }
  if (account.owner?.uid !== nobody || (await othersCanReach(dirname(place)))) {
    return place;
  }
  if (present !== undefined) {
    throw postgresErrors.start_failed(
      `This machine refuses user namespaces, so PostgreSQL runs as nobody, who cannot reach the data in ${place}. ` +
        "Move the data directory to where every user may pass, or start this program as an ordinary user.",
    );
  }
  const elsewhere = join(sharedDir, "data", createHash("sha256").update(place).digest("hex").slice(0, 16));
  await mkdir(elsewhere, { recursive: true, mode: 0o755 });
  await symlink(join(elsewhere, "postgres"), place);
  return join(elsewhere, "postgres");
}

/** Gives a directory and everything in it to the account, when it is not the account's already. */
export async function giveTo({ account, path }: { account: Account; path: string }): Promise<void> {
  const { owner } = account;
  if (owner === undefined || (await stat(path)).uid === owner.uid) {
    return;
  }
  for (const entry of await readdir(path, { recursive: true })) {
    await chown(join(path, entry), owner.uid, owner.gid);
  }
  // The top comes last, so that an interrupted change of owner is taken up again.
  await chown(path, owner.uid, owner.gid);
}

/** Copies the binaries to where nobody can run them, unless they are there. */
async function reachableBinaries(binaries: Binaries): Promise<Binaries> {
  if ((await othersCanReach(binaries.root)) && Object.keys(binaries.env).length === 0) {
    return binaries;
  }
  const { mtimeMs, size } = await stat(binary(binaries, "postgres"));
  const key = createHash("sha256").update(`${binaries.root} ${mtimeMs} ${size}`).digest("hex").slice(0, 16);
  const root = join(sharedDir, "binaries", key);
  if ((await stat(root).catch(() => undefined)) === undefined) {
    const copy = `${root}.${process.pid}`;
    await mkdir(dirname(root), { recursive: true, mode: 0o755 });
    await cp(binaries.root, join(copy, "native"), { recursive: true, verbatimSymlinks: true });
    await linkLibraries({ root: join(copy, "native"), spareDir: copy });
    // Whoever is second finds the place taken by an equal copy.
    await rename(copy, root).catch(() => rm(copy, { recursive: true, force: true }));
  }
  return { ...binaries, root: join(root, "native"), env: {} };
}

/** Whether a stranger may pass through every directory down to `path`. */
async function othersCanReach(path: string): Promise<boolean> {
  for (let at = path; ; at = dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) {
      return false;
    }
    if (basename(at) === "") {
      return true;
    }
  }
}
