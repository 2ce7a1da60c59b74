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
import {
  addEventRoutes,
  addQueueRoutes,
  addSequenceRoutes,
  createDefinitionSource,
  createGate,
  createQueueKeeper,
  createRoutingSource,
  createSequenceWorker,
  createSubscribers,
  type Gate,
  type Intake,
  isPaused,
  loadSubscriptionTargets,
  lookAtQueue,
  publishInputs,
  type SequenceWorker,
  type SubscriberHandlers,
  type Subscribers,
} from "./events/index.ts";
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
  addScheduleRoutes,
  addTemplateRoutes,
  addTriggerRoutes,
  type BulkWorker,
  checkInput,
  createBulkWorker,
  createDefinitionCache,
  createScheduleSource,
  createTriggerSchedules,
  type Definitions,
  type Instances,
  loadTriggerTargets,
} from "./workflows/index.ts";

export interface AppOptions {
  settings: Settings;
  log: Logger;
  /** Handlers of this program by task id, beside the built-in ones. */
  tasks?: Readonly<Record<string, TaskHandler>>;
  /** In-process subscribers of this program, by the name that subscriptions of the type `handler` give. */
  subscribers?: SubscriberHandlers;
  /** Answers of the API are checked against their schemas; for tests. */
  checkAnswers?: boolean;
}

export interface App {
  readonly db: Database;
  readonly engine: Engine;
  readonly definitions: Definitions;
  readonly instances: Instances;
  readonly bulkWorker: BulkWorker;
  /** Where producers pass before their events are accepted. */
  readonly gate: Gate;
  readonly sequenceWorker: SequenceWorker;
  readonly intake: Intake;
  readonly subscribers: Subscribers;
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
export async function startApp({
  settings,
  log,
  tasks = {},
  subscribers: own = {},
  checkAnswers,
}: AppOptions): Promise<App> {
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

    // Where events go.
    const targets = { loadTriggers: loadTriggerTargets, loadSubscriptions: loadSubscriptionTargets };
    const routing = createRoutingSource({ db, log, ...targets, isPaused });

    // Data plane: what runs.
    const { roles, leaseMs, drainMs, retentionMs, archiveDir } = settings;
    const engine = createEngine({
      database: db,
      log,
      handlers,
      schedules: createScheduleSource(db),
      routing,
      delivering: () => subscribers.wake(),
      definitions: { ...cache, checkInput: (definitionId, input) => checkInput(cache, definitionId, input) },
      version,
      roles: [...roles],
      leaseMs,
      drainMs,
      retentionMs,
      archiveDir,
    });
    const { allowPrivateAddresses } = settings;
    const subscribers = createSubscribers({
      db,
      log,
      engine,
      handlers: own,
      allowPrivateAddresses,
      retentionMs,
      drainMs,
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
    const gate = createGate({ look: () => lookAtQueue({ db, engine }), log });
    const queueKeeper = createQueueKeeper({ db, engine, gate, log });
    queueKeeper.start();
    ending.add("event queue", () => queueKeeper.stop());
    const intake: Intake = { db, publish: engine.publish, definitions: createDefinitionSource(db), admit: gate.admit };
    const sequenceWorker = createSequenceWorker({
      ...{ db, engine, log, keepMs: retentionMs },
      publish: (events) => publishInputs(intake, events),
    });
    sequenceWorker.start();
    ending.add("event sequences", () => sequenceWorker.stop());

    subscribers.start();
    ending.add("subscribers", () => subscribers.stop());

    // Faces.
    let url: string | undefined;
    if (roles.includes("api")) {
      const http = createHttp({ db, log, checkAnswers });
      addDefinitionRoutes(http, definitions);
      addTemplateRoutes(http, definitions);
      addInstanceRoutes(http, instances, bulkWorker.wake);
      addQueueRoutes(http, { db, engine, gate });
      addSequenceRoutes(http, { db, engine }, sequenceWorker.wake);
      subscribers.addRoutes(http);
      addScheduleRoutes(http, { db, engine });
      addTriggerRoutes(http, {
        ...instances,
        publish: (events) => publishInputs(intake, events),
        schedules: createTriggerSchedules(engine),
      });
      addClusterRoutes(http, { db });
      addEventRoutes(http, { db, engine, intake });
      ending.add("HTTP", () => http.close({ deadlineMs: drainMs }));
      url = await http.listen({ host: settings.host, port: settings.port });
      http.setHealth("ok");
    }
    const control = { definitions, instances, bulkWorker, gate, sequenceWorker, intake, subscribers };
    const parts = { db, engine, ...control };
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
