/**
 * The lock on a data directory: at most one program at a time, and holding it proves the last holder dead.
 *
 * The kernel must let go of the lock when its holder is killed, so neither a pid file (pids are reused) nor a socket
 * file (a stale one must be removed, and two programs can race to do it) will do. Node has no file locks, but it
 * carries SQLite, and SQLite's exclusive transaction is exactly such a lock on a file, on every platform. Nothing is
 * ever written to that file. Do not open it by other means: closing any descriptor of it would drop the lock.
 */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { postgresErrors } from "./errors.ts";

export interface DataDirLock {
  release(): void;
}

/** `SQLITE_BUSY`: another connection, of this process or another one, holds the lock. */
const busy = 5;

/** Longer than `isDataDirLocked` of another program holds the lock only to see whether it is free. */
const patienceMs = 200;

/**
 * Takes the lock, creating the directory where needed, or refuses with `postgres.data_dir_in_use`, naming the holder.
 */
export function lockDataDir(dataDir: string): DataDirLock {
  mkdirSync(dataDir, { recursive: true });
  const lock = tryLock(dataDir);
  if (lock === undefined) {
    const pid = holderOf(dataDir);
    const who = pid === undefined ? "another program" : `the program with process id ${pid}`;
    throw postgresErrors.data_dir_in_use(
      `The data directory ${dataDir} is in use by ${who}. ` +
        "Stop that program, or choose another directory with MILLRACE_DATA_DIR.",
      { details: { dataDir, pid } },
    );
  }
  return lock;
}

/** Whether a living program holds the lock at this moment. */
export function isDataDirLocked(dataDir: string): boolean {
  const lock = tryLock(dataDir, { announce: false });
  lock?.release();
  return lock === undefined;
}

function tryLock(dataDir: string, { announce = true } = {}): DataDirLock | undefined {
  const path = join(dataDir, "lock");
  const holderPath = join(dataDir, "pid");
  const held = new DatabaseSync(path, { timeout: announce ? patienceMs : 0 });
  try {
    held.exec("pragma journal_mode = memory; begin exclusive");
  } catch (error) {
    held.close();
    if (error instanceof Error && Reflect.get(error, "errcode") === busy) {
      return undefined;
    }
    throw error;
  }
  if (announce) {
    chmodSync(path, 0o600);
    writeFileSync(holderPath, `${process.pid}\n`);
  }
  let released = false;
  return {
    release() {
      if (!released) {
        released = true;
        if (announce) {
          rmSync(holderPath, { force: true });
        }
        held.close();
      }
    },
  };
}

/** The pid that the holder wrote; only for the message, because the holder may be between two lines of `tryLock`. */
function holderOf(dataDir: string): number | undefined {
  try {
    const pid = Number(readFileSync(join(dataDir, "pid"), "utf8"));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
