/** A whole program on a test database: real HTTP on a free loopback port, answers checked against their schemas. */
import { type App, type AppOptions, startApp } from "../../src/app.ts";
import { silentLogger } from "../../src/foundation/log.ts";
import { readSettings, type Settings } from "../../src/foundation/settings.ts";
import { createTestDatabase } from "./database.ts";
import { makeTemporaryDirectory } from "./temporary.ts";

export const testKey = "test-key-of-at-least-16-characters";

/** The fields of answers that tests look at by name. The server checks each answer against its schema. */
export interface Body {
  id: string;
  instanceId: string;
  definitionId: string;
  signalId: string;
  status: string;
  startedAt: string;
  completedAt?: string;
  version: unknown;
  priority: number;
  currentStepId?: string;
  output?: unknown;
  state: { currentStepId?: string; waitingForEvent?: unknown; steps: Record<string, unknown> };
  compensationState?: unknown;
  cancelation?: unknown;
  items: Body[];
  nextCursor: string | null;
  code: string;
  errors: { pointer: string; message: string }[];
  [field: string]: unknown;
}

export interface Answer {
  status: number;
  headers: Headers;
  body: Body;
}

export interface CallOptions {
  body?: unknown;
  headers?: Record<string, string>;
  namespace?: string;
}

export interface TestApp {
  app: App;
  url: string;
  databaseUrl: string;
  dataDir: string;
  /** One request with the admin key; a body is sent as JSON, a text as it is. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  stop(): Promise<void>;
}

export async function startTestApp({
  tasks,
  subscribers,
  settings = {},
}: Pick<AppOptions, "tasks" | "subscribers"> & { settings?: Partial<Settings> } = {}): Promise<TestApp> {
  const [database, directory] = await Promise.all([createTestDatabase(), makeTemporaryDirectory("millrace-app-")]);
  const app = await startApp({
    settings: {
      ...readSettings({}),
      databaseUrl: database.url,
      dataDir: directory.path,
      port: 0,
      adminApiKey: testKey,
      ...settings,
    },
    log: silentLogger,
    tasks,
    subscribers,
    checkAnswers: true,
  });
  const url = app.url ?? "";
  return {
    app,
    url,
    databaseUrl: database.url,
    dataDir: directory.path,
    call: (method, path, options) => call(url + path, method, options),
    async stop() {
      await app.stop();
      await database.drop();
      await directory.remove();
    },
  };
}

export async function call(
  url: string,
  method: string,
  { body, headers = {}, namespace }: CallOptions = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${testKey}`,
      ...(body !== undefined && { "content-type": "application/json" }),
      ...(namespace !== undefined && { "x-millrace-namespace": namespace }),
      ...headers,
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) };
}
