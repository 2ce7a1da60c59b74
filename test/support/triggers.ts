/** Triggers over HTTP with a real database, and an engine that only notes what it is asked. */
import type { EventInput, PublishAnswer, StartRequest } from "../../src/engine/index.ts";
import type { Database } from "../../src/foundation/database/index.ts";
import { createHttpServer } from "../../src/foundation/http/index.ts";
import { uuidv7 } from "../../src/foundation/ids.ts";
import { silentLogger } from "../../src/foundation/log.ts";
import {
  addDefinitionRoutes,
  addTriggerRoutes,
  createDefinitionCache,
  type TriggerSchedules,
  type Triggers,
} from "../../src/workflows/index.ts";
import { openTestDatabase } from "./database.ts";

type Fields = Record<string, unknown>;

export interface Reply {
  status: number;
  json: Fields;
  headers: Headers;
}

export interface TriggerDesk {
  db: Database;
  published: EventInput[];
  started: StartRequest[];
  wakes(): number;
  /** A client in a namespace of its own, which has the workflow "order". */
  client(): Promise<Client>;
  stop(): Promise<void>;
}

export interface Client {
  namespace: string;
  call(method: string, path?: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  /** Sends bytes to a path of the server, without a key. */
  send(path: string, body: string | Buffer | undefined, headers?: Record<string, string>): Promise<Reply>;
}

const base = "/api/v1/workflow-triggers";

export async function openTriggerDesk(options: { schedules?: TriggerSchedules } = {}): Promise<TriggerDesk> {
  const { db, drop } = await openTestDatabase();
  const published: EventInput[] = [];
  const started: StartRequest[] = [];
  const seen = new Map<string, PublishAnswer>();
  const keys = new Set<string>();
  let wakes = 0;
  const cache = createDefinitionCache(db);
  const publish: Triggers["publish"] = async (events) =>
    events.map((event) => {
      const key = JSON.stringify([event.namespace, event.sourceKey, event.eventId]);
      const before = event.eventId === undefined ? undefined : seen.get(key);
      if (before !== undefined) return { ...before, status: "duplicate" as const };
      published.push(event);
      const id = uuidv7(Date.now());
      const timestamp = new Date().toISOString();
      const answer = { id, eventId: event.eventId ?? id, status: "accepted" as const, timestamp };
      seen.set(key, answer);
      return answer;
    });
  const engine: Pick<Triggers["engine"], "wakeRouters" | "startInstance"> = {
    wakeRouters: () => {
      wakes += 1;
    },
    async startInstance(request) {
      const { namespace, definitionId: ref, version } = request;
      const { definitionId: id } = await cache.resolve({ namespace, ref, version });
      await request.check?.(id);
      const created = request.idempotencyKey === undefined || !keys.has(request.idempotencyKey);
      if (request.idempotencyKey !== undefined) keys.add(request.idempotencyKey);
      if (created) started.push(request);
      return {
        instanceId: uuidv7(1),
        definitionId: id,
        status: "RUNNING",
        startedAt: new Date().toISOString(),
        created,
      };
    },
  };
  const http = createHttpServer({
    log: silentLogger,
    version: "0.0.0",
    checkAnswers: true,
    authenticate: (headers) =>
      headers["x-api-key"] === undefined ? undefined : { id: "ann", permissions: new Set(["*"]) },
  });
  addDefinitionRoutes(http, { db, isUsed: async () => false });
  addTriggerRoutes(http, {
    publish,
    db,
    engine: engine as Triggers["engine"],
    log: silentLogger,
    load: cache.load,
    ...options,
  });
  const url = await http.listen({ host: "127.0.0.1", port: 0 });
  let namespaces = 0;

  async function client(): Promise<Client> {
    const namespace = `n${++namespaces}`;
    const request = async (path: string, init: RequestInit): Promise<Reply> => {
      const answer = await fetch(url + path, init);
      const text = await answer.text();
      return { status: answer.status, json: text === "" ? {} : JSON.parse(text), headers: answer.headers };
    };
    const keyed = (method: string, path: string, body: unknown, headers: Record<string, string> = {}) =>
      request(path, {
        method,
        headers: {
          "x-api-key": "k",
          "x-millrace-namespace": namespace,
          ...(body !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    await keyed("POST", "/api/v1/workflows/definitions", order);
    return {
      namespace,
      call: (method, path = "", body, headers) => keyed(method, base + path, body, headers),
      send: (path, body, headers) =>
        request(path, {
          method: "POST",
          headers,
          body: typeof body === "string" ? body : body && new Uint8Array(body),
        }),
    };
  }

  return {
    db,
    published,
    started,
    wakes: () => wakes,
    client,
    async stop() {
      await http.close();
      await drop();
    },
  };
}

const order = {
  workflowId: "order",
  name: "Order",
  version: "1.0.0",
  inputSchema: { type: "object", required: ["orderId"], properties: { orderId: { type: "string" } } },
  steps: [{ stepId: "a", type: "TASK", taskId: "t" }],
};
