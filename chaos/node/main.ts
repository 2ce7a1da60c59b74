/**
 * A node of a chaos run: a process that embeds the engine and does what its standard input says.
 *
 * `DATABASE_URL`, `CHAOS_DIARY` and `CHAOS_LEASE_MS` come from the orchestrator. SIGTERM drains; the end of the input
 * ends the process, so that none outlives its orchestrator.
 */

import { createInterface } from "node:readline";
import { createEngine } from "../../src/engine/index.ts";
import { AppError } from "../../src/foundation/errors.ts";
import { createLogger } from "../../src/foundation/log.ts";
import { versionsByName } from "../shapes/index.ts";
import { openDiary } from "./diary.ts";
import { createHandlers } from "./handlers.ts";
import type { Reply, Request } from "./lines.ts";
import { chaosRouting } from "./routing.ts";
import { StruckDatabase } from "./strike.ts";

const diary = openDiary(process.env.CHAOS_DIARY!);
const log = createLogger({ level: "info", pretty: false });
const database = new StruckDatabase(
  { url: process.env.DATABASE_URL!, poolSize: 6, applicationName: "chaos node", log },
  diary,
);
const handlers = createHandlers(diary, () => ({ nodeId: engine.nodeId }));
const engine = createEngine({
  database,
  log,
  leaseMs: Number(process.env.CHAOS_LEASE_MS),
  routing: chaosRouting(database),
  handlers: { get: (taskId) => handlers.get(taskId), ids: () => [...handlers.keys()] },
  definitions: {
    resolve: async ({ ref }) => ({
      definitionId: versionOf(ref).definitionId,
      workflowId: versionOf(ref).definition.workflowId,
    }),
    load: async (definitionId) => ({ ...versionOf(definitionId).definition, namespace: "default" }),
  },
});

function versionOf(ref: string) {
  const version = versionsByName.get(ref);
  if (version === undefined) throw new Error(`there is no shape "${ref}"`);
  return version;
}

function reply(line: Reply): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function answer(request: Request): Promise<unknown> {
  switch (request.ask) {
    case "start":
      return await engine.startInstance(request.request);
    case "signal":
      return await engine.signal(request.request);
    case "cancel":
      return await engine.cancel(request.request);
    case "pause":
    case "resume":
    case "retry":
      return await engine[request.ask](request.request);
    case "skip":
      return await engine.skip(request.request);
    case "priority":
      return await engine.setPriority(request.request);
    case "migrate":
      return await engine.migrate(request.request);
    case "restart":
      return await engine.restart(request.request);
    case "publish":
      return await engine.publish(request.events);
    case "strike":
      return await new Promise((struck) => database.order({ ...request, struck }));
  }
}

async function take(line: string): Promise<void> {
  const request: Request = JSON.parse(line);
  try {
    reply({ id: request.id, ok: true, value: await answer(request) });
  } catch (error) {
    const [code, kind] = error instanceof AppError ? [error.code, error.kind] : ["defect", "internal"];
    reply({
      id: request.id,
      ok: false,
      code,
      kind,
      message: error instanceof Error ? `${error.message}` : String(error),
    });
    if (code === "defect") log.error({ err: error }, "a request broke");
  }
}

async function drain(): Promise<void> {
  await engine.stop();
  await database.close();
  process.exit(0);
}

createInterface({ input: process.stdin })
  .on("line", (line) => void take(line))
  .on("close", () => process.exit(2));
process.once("SIGTERM", () => {
  drain().catch((error: unknown) => {
    log.fatal({ err: error }, "the drain failed");
    process.exit(1);
  });
});

try {
  await engine.start();
  reply({ event: "ready", nodeId: engine.nodeId });
} catch (error) {
  // PostgreSQL is away just now; whoever started this process starts another.
  log.warn({ err: error }, "the node could not start");
  process.exit(1);
}
