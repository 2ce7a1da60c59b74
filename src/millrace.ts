/**
 * Millrace inside another program: the engine without its server.
 *
 * ```ts
 * const millrace = createMillrace({ tasks: { greet: (input) => `Hello ${input.name}` }, workflows: [definition] });
 * await millrace.start();
 * const { instanceId } = await millrace.startInstance({ definitionId: "greeting", input: { name: "Ada" } });
 * const ended = await millrace.waitForEnd(instanceId, { timeoutMs: 5_000 });
 * ```
 */
import { type App, startApp } from "./app.ts";
import type {
  CancelAnswer,
  InstanceFilter,
  InstanceSummary,
  InstanceView,
  Json,
  LifeAnswer,
  LogFilter,
  LogItem,
  MigrateAnswer,
  StartAnswer,
  WhyItem,
} from "./engine/index.ts";
import type { SubscriberHandlers, SubscriptionView, SubscriptionWish } from "./events/index.ts";
import { type Published, publishEvents, readSubmission } from "./events/index.ts";
import { isUuid } from "./foundation/ids.ts";
import { createLogger, type Logger } from "./foundation/log.ts";
import { readSettings, type Settings } from "./foundation/settings.ts";
import type { TaskHandler } from "./tasks/index.ts";
import {
  checkedPriority,
  createDefinition,
  type DefinitionView,
  ensureSchedule,
  ensureTrigger,
  getInstance,
  instanceIdOf,
  migrateInstance,
  restartInstance,
  type ScheduleView,
  startInstance,
  type TriggerDocument,
  type TriggerView,
} from "./workflows/index.ts";

export interface MillraceOptions {
  /** Default: `DATABASE_URL`, else an embedded PostgreSQL in `dataDir`. */
  databaseUrl?: string;
  dataDir?: string;
  /** Handlers by task id. */
  tasks?: Readonly<Record<string, TaskHandler>>;
  /** What takes events in this program, by name; `subscribe` says which events. */
  subscribers?: SubscriberHandlers;
  /** Definitions to have before anything starts, as documents. */
  workflows?: readonly unknown[];
  /** Where HTTP is served too; by default it is not. */
  http?: { host?: string; port?: number };
  /** In which all calls of this face work. Default `default`. */
  namespace?: string;
  /** Who starts and cancels, for the records. Default `program`. */
  actor?: string;
  /** Default: warnings and errors to standard error. */
  log?: Logger;
  leaseMs?: number;
  drainMs?: number;
  allowPrivateAddresses?: boolean;
}

export interface StartInstance {
  /** A workflowId, or the id of a version. */
  definitionId: string;
  /** With a workflowId. Absent: the latest active one. */
  version?: string;
  /** Default: an empty object. */
  input?: unknown;
  correlationId?: string;
  /** The same key again is the same start. */
  idempotencyKey?: string;
  /** LOW 1, MEDIUM 5 (default), HIGH 8, CRITICAL 10. */
  priority?: number;
  /** Values that variables of the definition begin with, in the place of their defaults. */
  variables?: Readonly<Record<string, unknown>>;
}

export interface RestartInstance {
  /** A step of the workflow itself; what came before it is carried over and does not run again. */
  fromStepId: string;
  /** Absent: the input of the origin. */
  input?: unknown;
  /** By stepId: what steps that are carried over gave, in the place of what they did give. */
  outputs?: Readonly<Record<string, unknown>>;
  /** Of the same workflow. Absent: that of the origin. */
  version?: string;
  /** The same key again is the same restart. */
  idempotencyKey?: string;
}

export interface Signal {
  type: string;
  payload?: unknown;
  /** The same key again is the same signal. */
  idempotencyKey?: string;
}

export interface NewEvent {
  /** The same one again, of the same source, within seven days is the same event. Absent: one is made. */
  eventId?: string;
  /** The event's name: tokens with dots between, without wildcards. */
  pattern: string;
  payload?: unknown;
  /** `type` is one of workflow, task, integration, external, system, service. */
  source?: { type: string; id?: string; name?: string };
  /** ISO 8601 with a zone; absent: now. */
  timestamp?: string;
  /** Events with the same key are routed in the order in which they were accepted. */
  partitionKey?: string;
  metadata?: Readonly<Record<string, unknown>>;
}

export interface Subscribe extends Omit<SubscriptionWish, "eventPattern" | "subscriber"> {
  /** By which it is found again: the same name is the same subscription, changed to what is asked for. Default: the handler's. */
  name?: string;
  eventPattern: string;
  /** One of `subscribers`. */
  handler: string;
}

export type InstanceQuery = Partial<Omit<InstanceFilter, "namespace">>;
export type LogQuery = Partial<Omit<LogFilter, "namespace" | "instanceId">>;

/** What programs do with workflows. Refusals are `AppError`s with the codes of `docs/errors.md`. */
export interface Millrace {
  /** Stores a definition; the same content again changes nothing. */
  define(document: unknown): Promise<DefinitionView>;
  /** Stores a schedule as `POST /schedules` takes it, or gives the one with its name these settings. */
  schedule(document: unknown): Promise<ScheduleView>;
  startInstance(what: StartInstance): Promise<StartAnswer>;
  /** Has events given to a handler of this program, from now on and until somebody deletes the subscription. */
  subscribe(what: Subscribe): Promise<SubscriptionView>;
  /** Makes a trigger, or changes the one of that name. The secret of a webhook is told once, when it is made. */
  trigger(document: TriggerDocument): Promise<TriggerView & { secret?: string }>;
  signal(instanceId: string, signal: Signal): Promise<{ signalId: string }>;
  /** Resolves when it is committed. It is checked as over HTTP, by the namespace's event definitions too. */
  publish(event: NewEvent): Promise<Published>;
  cancel(instanceId: string, what: { reason: string; compensate?: boolean }): Promise<CancelAnswer>;
  /** Nothing new begins; what runs ends, and timers that come due are held. */
  pause(instanceId: string): Promise<LifeAnswer>;
  resume(instanceId: string): Promise<LifeAnswer>;
  /** A failed instance goes on: what failed, and what was cancelled with it, begins again. */
  retry(instanceId: string): Promise<LifeAnswer>;
  /** A step under way, or one that has not begun, is passed over. */
  skip(instanceId: string, stepId: string): Promise<LifeAnswer>;
  /** 1 to 10. */
  setPriority(instanceId: string, priority: number): Promise<LifeAnswer>;
  /** A new instance that begins with a step of another one, and names it as its origin. */
  restart(instanceId: string, what: RestartInstance): Promise<StartAnswer>;
  /** Lets it go on with another version of its workflow. With `dryRun`, `problems` says whether it could. */
  migrate(instanceId: string, what: { version: string; dryRun?: boolean }): Promise<MigrateAnswer>;
  /** Why something of it is not running; empty when it has ended, undefined when there is none. */
  why(instanceId: string): Promise<WhyItem[] | undefined>;
  /** The lines of its log, oldest first; `after` is the id of the last one of the page before. */
  logs(instanceId: string, query?: LogQuery): Promise<LogItem[]>;
  /** Undefined when there is none. */
  get(instanceId: string): Promise<InstanceView | undefined>;
  /** Newest first; `after` is the id of the last item of the page before. */
  list(query?: InstanceQuery): Promise<InstanceSummary[]>;
  /** The instance when it is final, or as it is when the time is up. */
  waitForEnd(
    instanceId: string,
    options: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<InstanceView | undefined>;
}

export interface EmbeddedMillrace extends Millrace {
  /** Resolves when instances can be started. May be called again after `stop`. */
  start(): Promise<void>;
  /** Lets running steps end, at most `drainMs`, and lets everything go. */
  stop(): Promise<void>;
  /** Where HTTP is served, if it is. */
  readonly url: string | undefined;
}

/** Makes the face; nothing is opened before `start()`. Calls before that are refused. */
export function createMillrace(options: MillraceOptions = {}): EmbeddedMillrace {
  let app: App | undefined;
  let starting: Promise<App> | undefined;
  const face = faceOf(() => {
    if (app === undefined) throw new Error("Millrace is not running; call start() first, and nothing after stop().");
    return app;
  }, options);
  return {
    ...face,
    get url() {
      return app?.url;
    },
    async start() {
      const log = options.log ?? createLogger({ level: "warn" });
      const { tasks, subscribers } = options;
      starting ??= startApp({ settings: settingsOf(options), log, tasks, subscribers });
      try {
        app = await starting;
      } catch (error) {
        starting = undefined;
        throw error;
      }
      for (const document of options.workflows ?? []) await face.define(document);
    },
    async stop() {
      const running = await starting?.catch(() => undefined);
      app = undefined;
      starting = undefined;
      await running?.stop();
    },
  };
}

/** The face of a running app; `npm start` uses it for the examples. */
export function faceOf(
  app: () => App,
  { namespace = "default", actor = "program" }: { namespace?: string; actor?: string } = {},
): Millrace {
  const named = (instanceId: string) => ({ namespace, instanceId: instanceIdOf(instanceId) });
  const life = (instanceId: string) => ({ ...named(instanceId), requestedBy: actor });
  return {
    async define(document) {
      const { db, isUsed } = app().definitions;
      const { definition } = await db.transaction((tx) =>
        createDefinition(tx, { isUsed, namespace, document, createdBy: actor }),
      );
      return definition;
    },
    async startInstance({ input = {}, variables, ...request }) {
      return await startInstance(app().instances, {
        ...request,
        input: asJson(input),
        ...(variables !== undefined && { variables: asMembers(variables) }),
        namespace,
        startedBy: actor,
      });
    },
    async schedule(document) {
      return await ensureSchedule(app(), { namespace, document: asJson(document), createdBy: actor });
    },
    async subscribe({ handler, name = handler, ...wish }) {
      const given = { ...wish, name, subscriber: { type: "handler" as const, handler } };
      return await app().subscribers.ensure({ namespace, given, createdBy: actor });
    },
    async trigger(document) {
      return await ensureTrigger(app(), { namespace, document, createdBy: actor });
    },
    async signal(instanceId, { payload = null, ...signal }) {
      return await app().engine.signal({ ...named(instanceId), ...signal, payload: asJson(payload) });
    },
    async publish(event) {
      const { events } = readSubmission({ body: asJson(event), headers: {} });
      const [published] = await publishEvents(app().intake, { namespace, events });
      return published!;
    },
    async cancel(instanceId, what) {
      return await app().engine.cancel({ ...what, ...life(instanceId) });
    },
    pause: async (instanceId) => await app().engine.pause(life(instanceId)),
    resume: async (instanceId) => await app().engine.resume(life(instanceId)),
    retry: async (instanceId) => await app().engine.retry(life(instanceId)),
    skip: async (instanceId, stepId) => await app().engine.skip({ ...life(instanceId), stepId }),
    async setPriority(instanceId, priority) {
      return await app().engine.setPriority({ ...life(instanceId), priority: checkedPriority(priority) });
    },
    async restart(instanceId, { fromStepId, version, input, outputs, idempotencyKey }) {
      return await restartInstance(app().instances, {
        ...life(instanceId),
        fromStepId,
        version,
        ...(idempotencyKey !== undefined && { idempotencyKey }),
        ...(input !== undefined && { input: asJson(input) }),
        ...(outputs !== undefined && { outputs: asMembers(outputs) }),
      });
    },
    migrate: async (instanceId, what) => await migrateInstance(app().instances, { ...what, ...life(instanceId) }),
    async why(instanceId) {
      return isUuid(instanceId) ? await app().engine.why(named(instanceId)) : undefined;
    },
    async logs(instanceId, { limit = 100, ...query } = {}) {
      await getInstance(app().instances, named(instanceId));
      return await app().engine.logs({ ...query, limit, ...named(instanceId) });
    },
    get: async (instanceId) => await app().engine.getInstance({ namespace, instanceId }),
    list: async ({ limit = 50, ...filter } = {}) => await app().engine.listInstances({ ...filter, limit, namespace }),
    async waitForEnd(instanceId, options) {
      await getInstance(app().instances, named(instanceId));
      return await app().engine.waitForEnd({ ...named(instanceId), ...options });
    },
  };
}

function asMembers(values: Readonly<Record<string, unknown>>): Record<string, Json> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, asJson(value)]));
}

/** What JSON keeps of a value; a program may hand over dates and undefined members. */
function asJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value) ?? "null");
}

function settingsOf(options: MillraceOptions): Settings {
  const read = readSettings(process.env);
  const { databaseUrl, dataDir, leaseMs, drainMs, allowPrivateAddresses, http } = options;
  return {
    ...read,
    databaseUrl: databaseUrl ?? read.databaseUrl,
    dataDir: dataDir ?? read.dataDir,
    leaseMs: leaseMs ?? read.leaseMs,
    drainMs: drainMs ?? read.drainMs,
    allowPrivateAddresses: allowPrivateAddresses ?? read.allowPrivateAddresses,
    host: http?.host ?? read.host,
    port: http?.port ?? read.port,
    roles: http === undefined ? read.roles.filter((role) => role !== "api") : read.roles,
  };
}
