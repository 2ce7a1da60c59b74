/** The whole program on a bench database, spoken to over HTTP as by anybody else; client and server share this process. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startApp } from "../../src/app.ts";
import type { Definition, Json } from "../../src/engine/index.ts";
import { createLogger } from "../../src/foundation/log.ts";
import { readSettings } from "../../src/foundation/settings.ts";
import type { BenchDatabase } from "./server.ts";
import { handlers, inputOf, threeSteps } from "./workload.ts";

const key = "bench-key-of-at-least-16-characters";
const endPollMs = 1;

export interface BenchProgram {
  /**
   * Starts `count` three-step workflows in requests of `batch` starts each, `atOnce` requests at a time; gives the seconds
   * until the last was answered, and until the last workflow had ended.
   */
  startInBatches(what: { count: number; batch: number; atOnce: number }): Promise<{ accepted: number; ended: number }>;
  stop(): Promise<void>;
}

export async function startProgram(database: Pick<BenchDatabase, "url">): Promise<BenchProgram> {
  const dataDir = await mkdtemp(join(tmpdir(), "millrace-bench-"));
  let endings = 0;
  const app = await startApp({
    settings: { ...readSettings({}), databaseUrl: database.url, dataDir, port: 0, adminApiKey: key },
    log: createLogger({ level: "warn" }),
    tasks: handlers(() => endings++),
  });

  async function post(path: string, body: Definition | Json): Promise<{ items: { instanceId?: string }[] }> {
    const response = await fetch(`${app.url}/api/v1/workflows${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path} was answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as { items: { instanceId?: string }[] };
  }

  await post("/definitions", threeSteps);
  return {
    async startInBatches({ count, batch, atOnce }) {
      endings = 0;
      let next = 0;
      const client = async (): Promise<void> => {
        while (next < count) {
          const first = next;
          next = Math.min(count, first + batch);
          const starts = Array.from({ length: next - first }, (_, i) => {
            return { definitionId: threeSteps.workflowId, input: inputOf(first + i) };
          });
          const { items } = await post("/instances/batch", starts);
          const refused = items.find(({ instanceId }) => instanceId === undefined);
          if (refused !== undefined) throw new Error(`a start was refused: ${JSON.stringify(refused)}`);
        }
      };
      const beganAt = performance.now();
      await Promise.all(Array.from({ length: atOnce }, client));
      const accepted = (performance.now() - beganAt) / 1000;
      while (endings < count || app.engine.stats().residents > 0) await sleep(endPollMs);
      return { accepted, ended: (performance.now() - beganAt) / 1000 };
    },
    async stop() {
      await app.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
