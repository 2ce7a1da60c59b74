import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, watch } from "node:fs";
import { mkdir, readdir, readFile, readlink, realpath, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeTemporaryDirectory, type TemporaryDirectory } from "../../../test/support/temporary.ts";
import { type Connection, Database, isConnectionLost } from "../database/index.ts";
import { silentLogger } from "../log.ts";
import { chooseAccount } from "./account.ts";
import { findBinaries } from "./binaries.ts";
import { type EmbeddedPostgres, runningPostgresUrl, startEmbeddedPostgres } from "./embedded.ts";
import { readPidFile } from "./processes.ts";
import { serverArguments } from "./server_settings.ts";

const program = join(import.meta.dirname, "..", "..", "..", "test", "support", "embedded_program.ts");
const isRoot = process.getuid?.() === 0;
const onLinux = process.platform === "linux";

let directory: TemporaryDirectory;
let dataDir: string;
const running: EmbeddedPostgres[] = [];
const children: ChildProcess[] = [];

beforeEach(async () => {
  directory = await makeTemporaryDirectory("millrace-embedded-");
  dataDir = join(directory.path, "data");
});
afterEach(async () => {
  for (const postgres of running.splice(0)) {
    await postgres.stop();
  }
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  }
  await directory.remove();
});

async function start(options: { refuseNamespaces?: boolean; dataDir?: string } = {}): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({ dataDir, log: silentLogger, ...options });
  running.push(postgres);
  return postgres;
}

async function stop(postgres: EmbeddedPostgres): Promise<void> {
  running.splice(running.indexOf(postgres), 1);
  await postgres.stop();
}

/** Starts the program of `embedded_program.ts` and waits for its line; rejects with its last words if it ends. */
async function startProgram(): Promise<{ child: ChildProcess; url: string; serverPid: number }> {
  const child = spawn(process.execPath, [program, dataDir], { stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  let words = "";
  child.stderr.on("data", (chunk: Buffer) => {
    words += chunk.toString();
  });
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), "line").then(([first]) => String(first)),
    once(child, "close").then(() => Promise.reject(new Error(words))),
  ]);
  return { child, ...JSON.parse(line) };
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

async function withDatabase<T>(url: string, work: (db: Database) => Promise<T>): Promise<T> {
  const db = new Database({ url, log: silentLogger });
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

async function remember(url: string, word: string): Promise<void> {
  await withDatabase(url, async (db) => {
    await db.unnamed("create table if not exists memory (word text)");
    await db.unnamed("insert into memory values ($1)", [word]);
  });
}

async function remembered(url: string): Promise<string[]> {
  const rows = await withDatabase(url, (db) => db.unnamed<{ word: string }>("select word from memory order by word"));
  return rows.map(({ word }) => word);
}

/** Every process whose working directory is the server's data directory. */
async function serverProcesses(place: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const homes = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => "")));
  return pids.filter((_, index) => homes[index] === place);
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe("starting and stopping", () => {
  test("a later start finds data, port and password as the first one left them", async () => {
    const first = await start();
    await remember(first.url, "kept");
    await stop(first);
    const second = await start();
    expect([first.created, second.created, second.url]).toEqual([true, false, first.url]);
    expect(await remembered(second.url)).toEqual(["kept"]);
  });

  test("the server listens on loopback only, wants the password, and keeps its commits on disk", async () => {
    const { url, port } = await start();
    const wrong = new URL(url);
    wrong.password = "guess";
    await expect(withDatabase(wrong.toString(), (db) => db.unnamed("select 1"))).rejects.toMatchObject({
      code: "28P01",
    });
    const names = ["listen_addresses", "unix_socket_directories", "fsync", "synchronous_commit", "server_encoding"];
    const rows = await withDatabase(url, (db) =>
      db.unnamed<{ value: string }>("select current_setting(name) as value from unnest($1::text[]) name", [names]),
    );
    expect(rows.map(({ value }) => value)).toEqual(["127.0.0.1", "", "on", "on", "UTF8"]);
    expect(new URL(url).host).toBe(`127.0.0.1:${port}`);
  });

  test("what holds the password is readable by its owner only", async () => {
    await start();
    for (const file of ["postgres.json", join("postgres", "millrace_password")]) {
      expect([file, ((await stat(join(dataDir, file))).mode & 0o777).toString(8)]).toEqual([file, "600"]);
    }
  });

  test("the connection string can be asked for while the server runs, and only then", async () => {
    expect(await runningPostgresUrl(dataDir)).toBeUndefined();
    const postgres = await start();
    expect(await runningPostgresUrl(dataDir)).toBe(postgres.url);
    await stop(postgres);
    expect(await runningPostgresUrl(dataDir)).toBeUndefined();
  });

  test("after a stop nothing runs and nothing is locked", async () => {
    const postgres = await start();
    const { pid, url } = postgres;
    await stop(postgres);
    expect(() => process.kill(pid!, 0)).toThrow(/ESRCH/);
    const error = await withDatabase(url, (db) => db.unnamed("select 1")).catch((caught: unknown) => caught);
    expect(isConnectionLost(error)).toBe(true);
    await start();
  });

  test("data of another major version is refused and left alone", async () => {
    await stop(await start());
    await writeFile(join(dataDir, "postgres", "PG_VERSION"), "14\n");
    await expect(start()).rejects.toMatchObject({
      code: "postgres.version_mismatch",
      message: expect.stringMatching(/made by PostgreSQL 14, and the embedded one is 18/),
    });
    await writeFile(join(dataDir, "postgres", "PG_VERSION"), "18\n");
    await start();
  });

  test("a server that cannot start says why in its own words", async () => {
    await stop(await start());
    await rm(join(dataDir, "postgres", "global"), { recursive: true });
    await expect(start()).rejects.toMatchObject({
      code: "postgres.start_failed",
      message: expect.stringMatching(/It said:\n.*could not find the database system/),
    });
  });
});

describe("one program at a time", () => {
  test("a second program on the same data directory is refused and told who is there", async () => {
    const { child, url } = await startProgram();
    await expect(start()).rejects.toMatchObject({
      code: "postgres.data_dir_in_use",
      message: expect.stringContaining(`in use by the program with process id ${child.pid}.`),
    });
    await expect(startProgram()).rejects.toThrow(/in use by the program with process id/);
    await remember(url, "undisturbed");
  });

  test("of programs that start at the same moment exactly one gets the directory", async () => {
    const outcomes = await Promise.allSettled([startProgram(), startProgram(), startProgram()]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected", "rejected"]);
  });

  test("the pid file of a dead holder stops nobody, also when its pid belongs to a stranger by now", async () => {
    await mkdir(dataDir);
    await writeFile(join(dataDir, "pid"), `${process.pid}\n`);
    await writeFile(join(dataDir, "lock"), "");
    await start();
  });
});

describe.runIf(onLinux)("after a program was killed", () => {
  test("the next start succeeds at once and finds everything that was committed", async () => {
    const { child, url } = await startProgram();
    await remember(url, "committed");
    await kill(child);
    const beganMs = performance.now();
    const postgres = await start();
    expect(performance.now() - beganMs).toBeLessThan(2_000);
    expect(await remembered(postgres.url)).toEqual(["committed"]);
  });

  test("program and server killed together: the next start recovers", async () => {
    const { child, url, serverPid } = await startProgram();
    await remember(url, "committed");
    process.kill(serverPid, "SIGKILL");
    await kill(child);
    const postgres = await start();
    expect(await remembered(postgres.url)).toEqual(["committed"]);
  });

  test("a paused server that was left behind is stopped before the next one starts", async () => {
    const { child, url, serverPid } = await startProgram();
    await remember(url, "committed");
    process.kill(serverPid, "SIGSTOP");
    await kill(child);
    const postgres = await start();
    const place = await realpath(join(dataDir, "postgres"));
    expect(await serverProcesses(place)).toContain(postgres.pid);
    expect(await serverProcesses(place)).not.toContain(serverPid);
    expect(await remembered(postgres.url)).toEqual(["committed"]);
  });

  test("a server that runs on with clients is stopped before the next one starts", async () => {
    const first = await start();
    await stop(first);
    const place = await realpath(join(dataDir, "postgres"));
    const account = await chooseAccount(await findBinaries({ spareDir: dataDir }));
    const orphan = account.spawn("postgres", serverArguments({ place, port: first.port }));
    orphan.stderr?.resume();
    const ended = once(orphan, "exit");
    await until(async () => (await readPidFile(place))?.ready ?? false);
    const client = new Database({ url: first.url, log: silentLogger });
    const busy = client.unnamed("select pg_sleep(60)").catch((caught: unknown) => caught);
    await until(async () => (await serverProcesses(place)).length > 1);
    const second = await start();
    await ended;
    expect(isConnectionLost(await busy)).toBe(true);
    expect(second.url).toBe(first.url);
    expect(second.pid).not.toBe(orphan.pid);
    await client.close();
  });

  test("a stale pid file of the server stops nobody, also when its pid belongs to a stranger by now", async () => {
    await stop(await start());
    const stale = [process.pid, join(dataDir, "postgres"), 1_700_000_000, 5432, "", "127.0.0.1", "  1 1", "ready   "];
    await writeFile(join(dataDir, "postgres", "postmaster.pid"), `${stale.join("\n")}\n`, { mode: 0o600 });
    await start();
  });

  test("a creation that was interrupted leaves nothing that matters", async () => {
    await mkdir(dataDir);
    const began = new Promise<void>((resolve) => {
      const watcher = watch(dataDir, (_, name) => {
        if (name?.startsWith("postgres.new-")) {
          watcher.close();
          resolve();
        }
      });
    });
    const attempt = startProgram().catch(() => undefined);
    await began;
    const halfMade = (await readdir(dataDir)).filter((name) => name.startsWith("postgres.new-"));
    await until(() => existsSync(join(dataDir, halfMade[0]!, "data", "base")));
    await kill(children[0]!);
    await attempt;
    expect(existsSync(join(dataDir, "postgres"))).toBe(false);
    const postgres = await start();
    expect(postgres.created).toBe(true);
    expect((await readdir(dataDir)).sort()).toEqual(["lock", "pid", "postgres", "postgres.json"]);
  });

  test("a program that exits without stopping takes its server along", async () => {
    const { child } = await startProgram();
    const exited = once(child, "exit");
    child.kill("SIGUSR2");
    expect((await exited)[0]).toBe(3);
    const place = await realpath(join(dataDir, "postgres"));
    await until(async () => (await serverProcesses(place)).length === 0);
  });
});

describe.runIf(onLinux)("when the server dies under a living program", () => {
  test("it is restarted on the same port, with what was committed, also while a statement runs", async () => {
    const postgres = await start();
    await remember(postgres.url, "committed");
    const endings: unknown[] = [];
    postgres.onExit((ending) => endings.push(ending));
    const pids: number[] = [];
    for (let round = 0; round < 3; round++) {
      const db = new Database({ url: postgres.url, log: silentLogger });
      const connection: Connection = await db.connect();
      const busy = connection.unnamed("select pg_sleep(60)").catch((caught: unknown) => caught);
      pids.push(postgres.pid!);
      process.kill(postgres.pid!, "SIGKILL");
      await until(() => postgres.pid !== undefined && postgres.pid !== pids.at(-1));
      expect(isConnectionLost(await busy)).toBe(true);
      await until(() =>
        remembered(postgres.url)
          .then((words) => words.length === 1)
          .catch(() => false),
      );
      await db.close();
    }
    expect(endings).toEqual(["SIGKILL", "SIGKILL", "SIGKILL"]);
    expect(new Set(pids).size).toBe(3);
  });

  test("the crash of one backend is the server's own affair", async () => {
    const postgres = await start();
    await remember(postgres.url, "committed");
    const { pid } = postgres;
    const db = new Database({ url: postgres.url, log: silentLogger });
    const connection = await db.connect();
    const lost = new Promise<Error>((resolve) => connection.onLost(resolve));
    process.kill(connection.backendPid, "SIGKILL");
    expect(isConnectionLost(await lost)).toBe(true);
    await until(() =>
      remembered(postgres.url)
        .then((words) => words.length === 1)
        .catch(() => false),
    );
    expect(postgres.pid).toBe(pid);
    await db.close();
  });

  test("a stop during a restart ends both", async () => {
    const postgres = await start();
    const place = await realpath(join(dataDir, "postgres"));
    const died = new Promise<unknown>((resolve) => postgres.onExit(resolve));
    process.kill(postgres.pid!, "SIGKILL");
    await died;
    await stop(postgres);
    expect(await serverProcesses(place)).toEqual([]);
  });
});

describe.runIf(onLinux && isRoot)("as root where user namespaces are refused", () => {
  async function ownerOf(pid: number): Promise<number> {
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    return Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]);
  }

  test("the server runs as nobody, and the same data serves both ways", async () => {
    const first = await start({ refuseNamespaces: true });
    expect(await ownerOf(first.pid!)).toBe(65534);
    await remember(first.url, "as nobody");
    await stop(first);
    const second = await start();
    await remember(second.url, "as root in a namespace");
    await stop(second);
    const third = await start({ refuseNamespaces: true });
    expect(await remembered(third.url)).toEqual(["as nobody", "as root in a namespace"]);
  });

  test("data that nobody could not reach is kept elsewhere", async () => {
    const hidden = join(directory.path, "private");
    await mkdir(hidden, { mode: 0o700 });
    const own = join(hidden, "data");
    const postgres = await start({ refuseNamespaces: true, dataDir: own });
    const place = await realpath(join(own, "postgres"));
    expect(place).toMatch(/^\/var\/lib\/millrace\/data\//);
    await remember(postgres.url, "elsewhere");
    await stop(postgres);
    const again = await start({ refuseNamespaces: true, dataDir: own });
    expect(await remembered(again.url)).toEqual(["elsewhere"]);
    await stop(again);
    await rm(dirname(place), { recursive: true });
    // Others may keep theirs there; then the folders stay.
    await rmdir(dirname(dirname(place))).catch(() => undefined);
    await rmdir("/var/lib/millrace").catch(() => undefined);
  });
});
