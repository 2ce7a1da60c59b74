/**
 * Processes of a server that outlived the program that started it.
 *
 * Whoever calls these functions holds the lock of the data directory, so no living program of ours owns what is found.
 */
import { readdir, readFile, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../log.ts";
import type { Account } from "./account.ts";

const gracefulMs = 10_000;
const forcedMs = 5_000;
const pollMs = 10;

/**
 * Ends every process that still runs in the server's data directory: first by a fast shutdown, then by force. After
 * it nothing writes there. Removes a pid file that no living server wrote; its pid may belong to a stranger by now,
 * and PostgreSQL would refuse to start.
 */
export async function endOrphans({
  place,
  account,
  log,
}: {
  place: string;
  account: Account;
  log: Logger;
}): Promise<void> {
  const pid = await postmasterPid(place);
  if (process.platform === "linux") {
    await endByWorkingDirectory({ place, pid, log });
  } else if (pid !== undefined && isAlive(pid)) {
    log.warn({ pid }, "stopping a PostgreSQL server that was left behind");
    await stopWithPgCtl({ place, account });
  }
  if (pid !== undefined) {
    await rm(join(place, "postmaster.pid"), { force: true });
  }
}

/** Every process of a server has the data directory as its working directory, which no reused pid imitates. */
async function endByWorkingDirectory({
  place,
  pid,
  log,
}: {
  place: string;
  pid: number | undefined;
  log: Logger;
}): Promise<void> {
  const found = await processesIn(place);
  if (found.length === 0) {
    return;
  }
  log.warn({ pids: found }, "stopping a PostgreSQL server that was left behind");
  if (pid !== undefined && found.includes(pid)) {
    signal(pid, "SIGINT");
    // One that was paused would never see it.
    signal(pid, "SIGCONT");
    if (await emptyWithin({ place, timeoutMs: gracefulMs })) {
      return;
    }
  }
  for (const left of await processesIn(place)) {
    signal(left, "SIGKILL");
  }
  await emptyWithin({ place, timeoutMs: forcedMs });
}

async function emptyWithin({ place, timeoutMs }: { place: string; timeoutMs: number }): Promise<boolean> {
  const endMs = performance.now() + timeoutMs;
  while ((await processesIn(place)).length > 0) {
    if (performance.now() > endMs) {
      return false;
    }
    await sleep(pollMs);
  }
  return true;
}

async function processesIn(place: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const homes = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => undefined)));
  return pids.filter((_, index) => homes[index] === place).map(Number);
}

async function stopWithPgCtl({ place, account }: { place: string; account: Account }): Promise<void> {
  const stopping = account.spawn("pg_ctl", ["stop", "-D", place, "-m", "fast", "-w", "-t", String(gracefulMs / 1000)]);
  const code = await new Promise<number | null>((resolve) => stopping.once("close", resolve));
  if (code !== 0) {
    const forced = account.spawn("pg_ctl", ["stop", "-D", place, "-m", "immediate", "-w", "-t", "5"]);
    await new Promise((resolve) => forced.once("close", resolve));
  }
}

/** The pid in the server's pid file, or undefined when there is none. */
async function postmasterPid(place: string): Promise<number | undefined> {
  return (await readPidFile(place))?.pid;
}

/** The facts that a server writes about itself, one a line: pid first, its readiness on the eighth. */
export async function readPidFile(place: string): Promise<{ pid: number; ready: boolean } | undefined> {
  const text = await readFile(join(place, "postmaster.pid"), "utf8").catch(() => undefined);
  const lines = text?.split("\n") ?? [];
  const pid = Math.abs(Number(lines[0]));
  return Number.isInteger(pid) && pid > 0 ? { pid, ready: lines[7]?.startsWith("ready") ?? false } : undefined;
}

export function isAlive(pid: number): boolean {
  return signal(pid, 0);
}

/** Sends a signal; false when there is no such process, or it is not ours to signal. */
export function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
