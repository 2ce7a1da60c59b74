/**
 * The beat's thread. It beats on a connection of its own, so that neither a busy pool nor a busy main loop delays it,
 * and only while the main loop has turned within the lease: a node whose loop hangs must lose its shards.
 */

import { parentPort, workerData } from "node:worker_threads";
import { type Connection, Database } from "../../foundation/database/index.ts";
import { silentLogger } from "../../foundation/log.ts";
import { beat } from "../queries/lanes.ts";
import type { BeatData } from "./beat.ts";

const { url, nodeId, leaseMs, shared } = workerData as BeatData;
const cells = new BigInt64Array(shared);
const database = new Database({ url, poolSize: 1, applicationName: "millrace beat", log: silentLogger });
let line: Connection | undefined;
let stopped = false;

const nowMs = () => process.hrtime.bigint() / 1_000_000n;

async function beatOnce(): Promise<void> {
  const turnedAt = Atomics.load(cells, 0);
  if (nowMs() - turnedAt > BigInt(leaseMs)) return;
  const sentAt = nowMs();
  if (line?.alive !== true) line = await database.connect();
  const [row] = await line.query<{ registered: boolean }>(beat, [nodeId, leaseMs, Atomics.load(cells, 2) === 1n]);
  if (row?.registered === true) Atomics.store(cells, 1, sentAt + BigInt(leaseMs));
  else parentPort?.postMessage("unregistered");
}

async function run(): Promise<void> {
  while (!stopped) {
    await beatOnce().catch(() => {
      // The database is away; the next beat tries again, and the lease runs out meanwhile as it should.
    });
    await new Promise((resolve) => setTimeout(resolve, leaseMs / 3));
  }
}

parentPort?.on("message", (message) => {
  if (message === "now")
    void beatOnce().then(
      () => parentPort?.postMessage("beaten"),
      () => parentPort?.postMessage("beaten"),
    );
  if (message === "stop") {
    stopped = true;
    void Promise.resolve(line?.close())
      .catch(() => {})
      .then(() => process.exit(0));
  }
});

void run();
