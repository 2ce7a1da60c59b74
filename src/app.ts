/**
 * The map of the system: every room is built here by hand, in the order in which it needs the others.
 *
 *     settings ─▶ PostgreSQL ─▶ schema ─▶ admin key ─▶ tasks, definitions ─▶ engine ─▶ HTTP
 *
 * What was started is stopped in the opposite order: HTTP drains first, PostgreSQL goes last.
 */
import { type AdminKey, createKeyCheck, ensureAdminKey } from "./auth/index.ts";
import { addClusterRoutes, createNodeCleanup } from "./cluster/index.ts";
import { createEngine, type Engine, retireOtherNodes } from "./engine/index.ts";
import { checkServer, Database, migrateUp } from "./foundation/database/index.ts";
import { apiKeyOf, createHttpServer, type HttpServer } from "./foundation/http/index.ts";
import type { Logger } from "./foundation/log.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./foundation/postgres/index.ts";
import type { Settings } from "./foundation/settings.ts";
import { version } from "./foundation/version.ts";
import { createBuiltinTasks, createTaskRegistry, type TaskHandler } from "./tasks/index.ts";
import {
  addDefinitionRoutes,
  addInstanceRoutes,
  addTemplateRoutes,
  type BulkWorker,
  checkInput,
  createBulkWorker,
  createDefinitionCache,
  type Definitions,
  type Instances,
} from "./workflows/index.ts";

export interface AppOptions {
  settings: Settings;
  log: Logger;
  /** Handlers of this program by task id, beside the built-in ones. */
  tasks?: Readonly<Record<string, TaskHandler>>;
  /** Answers of the API are checked against their schemas; for tests. */
  checkAnswers?: boolean;
}

export interface App {
  readonly db: Database;
  readonly engine: Engine;
  readonly definitions: Definitions;
  readonly instances: Instances;
  readonly bulkWorker: BulkWorker;
  /** Undefined when the node has not the role `api`. */
  readonly url: string | undefined;
  readonly adminKey: AdminKey;
  /** Undefined when `DATABASE_URL` names another. */
  readonly embedded: EmbeddedPostgres | undefined;
  /** Of PostgreSQL. */
  readonly serverVersion: string;
  /** Drains and stops everything. May be called again; every call resolves when all is over. */
  stop(): Promise<void>;
}

/** Resolves when requests and instances are taken. What fails on the way stops what was started, and rejects. */
export async function startApp({ settings, log, tasks = {}, checkAnswers }: AppOptions): Promise<App> {
  const ending = createEnding(log);
  try {
    // PostgreSQL: a private one, or the one that was named; nothing runs on a server that could lose commits.
    const embedded = settings.databaseUrl === undefined ? await startEmbedded({ settings, log, ending }) : undefined;
    const databaseUrl = settings.databaseUrl ?? embedded!.url;
    const db = new Database({ url: databaseUrl, log });
    ending.add("database", () => db.close());
    const { version: serverVersion } = await checkServer(db);
    await migrateUp(db);
    if (embedded !== undefined) await retireOtherNodes(db);
    const adminKey = await ensureAdminKey({ db, dataDir: settings.dataDir, given: settings.adminApiKey });

    // Control plane: what may run.
    const builtins = createBuiltinTasks({ allowPrivateAddresses: settings.allowPrivateAddresses });
    ending.add("built-in tasks", () => builtins.close());
    const handlers = createTaskRegistry({ ...builtins.handlers, ...tasks });
    const cache = createDefinitionCache(db);

    // Data plane: what runs.
    const { roles, leaseMs, drainMs, retentionMs, archiveDir } = settings;
    const engine = createEngine({
      database: db,
      log,
      handlers,
      definitions: { ...cache, checkInput: (definitionId, input) => checkInput(cache, definitionId, input) },
      version,
      roles: [...roles],
      leaseMs,
      drainMs,
      retentionMs,
      archiveDir,
    });
    const instances: Instances = { db, engine, log, load: cache.load };
    const definitions: Definitions = {
      db,
      async isUsed(_tx, definitionId) {
        const { namespace, workflowId } = await cache.load(definitionId);
        return await engine.isDefinitionUsed({ namespace, workflowId, definitionId });
      },
    };
    await engine.start();
    ending.add("engine", () => engine.stop());
    const nodeCleanup = createNodeCleanup({ db, log });
    nodeCleanup.start();
    ending.add("node cleanup", () => nodeCleanup.stop());
    const bulkWorker = createBulkWorker(instances, { keepMs: retentionMs });
    bulkWorker.start();
    ending.add("bulk operations", () => bulkWorker.stop());

    // Faces.
    let url: string | undefined;
    if (roles.includes("api")) {
      const http = createHttp({ db, log, checkAnswers });
      addDefinitionRoutes(http, definitions);
      addTemplateRoutes(http, definitions);
      addInstanceRoutes(http, instances, bulkWorker.wake);
      addClusterRoutes(http, { db });
      ending.add("HTTP", () => http.close({ deadlineMs: drainMs }));
      url = await http.listen({ host: settings.host, port: settings.port });
      http.setHealth("ok");
    }
    const parts = { db, engine, definitions, instances, bulkWorker };
    return { ...parts, url, adminKey, embedded, serverVersion, stop: () => ending.run() };
  } catch (error) {
    await ending.run();
    throw error;
  }
}

async function startEmbedded(what: { settings: Settings; log: Logger; ending: Ending }): Promise<EmbeddedPostgres> {
  const { settings, log, ending } = what;
  const embedded = await startEmbeddedPostgres({ dataDir: settings.dataDir, log });
  ending.add("embedded PostgreSQL", () => embedded.stop());
  return embedded;
}

function createHttp({ db, log, checkAnswers }: { db: Database; log: Logger; checkAnswers?: boolean }): HttpServer {
  const keys = createKeyCheck({ db });
  return createHttpServer({
    log,
    version,
    checkAnswers,
    async authenticate(headers) {
      const key = apiKeyOf(headers);
      const holder = key === undefined ? undefined : await keys.check(key);
      return holder === undefined ? undefined : { id: holder.name, permissions: new Set(holder.permissions) };
    },
  });
}

interface Ending {
  /** Registers how something that was started is stopped. */
  add(name: string, stop: () => Promise<void>): void;
  /** Stops everything, the newest first; what cannot be stopped is logged and does not keep the rest. */
  run(): Promise<void>;
}

function createEnding(log: Logger): Ending {
  const steps: { name: string; stop: () => Promise<void> }[] = [];
  let running: Promise<void> | undefined;
  const runAll = async () => {
    for (const { name, stop } of steps.reverse()) {
      await stop().catch((error: unknown) => log.error({ err: error, part: name }, "a part did not stop as it should"));
    }
  };
  return {
    add: (name, stop) => void steps.push({ name, stop }),
    run() {
      running ??= runAll();
      return running;
    },
  };
}
