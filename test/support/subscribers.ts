/** The rooms of subscribers on a test database, without an engine: events and deliveries are rows that the test writes. */
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { EventInput, RouteAgain } from "../../src/engine/index.ts";
import { createSubscribers, type SubscriberHandlers, type Subscribers } from "../../src/events/index.ts";
import { createHttpServer } from "../../src/foundation/http/index.ts";
import { uuidv7 } from "../../src/foundation/ids.ts";
import { silentLogger } from "../../src/foundation/log.ts";
import { openTestDatabase } from "./database.ts";

export interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  text: string;
  body: Record<string, unknown>;
  atMs: number;
}

export interface Answering {
  status: number;
  headers?: Record<string, string>;
  body?: string;
  /** Holds the answer back until it resolves. */
  after?: Promise<unknown>;
}

export interface Receiver {
  url: string;
  received: Received[];
  /** How requests to a path are answered from now on; 200 otherwise. */
  answer(path: string, how: (nth: number) => Answering): void;
  at(path: string): Received[];
  close(): Promise<void>;
}

/** A real server on a loopback port. */
export async function openReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const ways = new Map<string, (nth: number) => Answering>();
  const at = (path: string) => received.filter((one) => one.path === path);
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", async () => {
      const text = Buffer.concat(chunks).toString();
      const path = request.url ?? "";
      received.push({ path, headers: request.headers, text, body: JSON.parse(text), atMs: Date.now() });
      const how = ways.get(path)?.(at(path).length) ?? { status: 200 };
      await how.after;
      response.writeHead(how.status, how.headers).end(how.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    answer: (path, how) => void ways.set(path, how),
    at,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

export interface Answer {
  status: number;
  headers: Headers;
  body: Body;
}

export interface Body {
  id: string;
  status: string;
  items: Body[];
  errors: { pointer: string; message: string }[];
  code: string;
  secret: string;
  history: { attempt: number; status?: number; error?: { code: string } }[];
  [field: string]: unknown;
}

export interface SubscribersRig {
  db: Awaited<ReturnType<typeof openTestDatabase>>["db"];
  url: string;
  databaseUrl: string;
  subscribers: Subscribers;
  /** What the engine was asked for. */
  asked: { published: EventInput[]; routedAgain: RouteAgain[]; woken: number };
  call(method: string, path: string, options?: { body?: unknown; namespace?: string }): Promise<Answer>;
  /** An event as the intake writes it; gives its row's id. */
  event(what?: Partial<EventInput> & { acceptedAt?: string }): Promise<string>;
  /** A delivery as the engine's flush writes it. */
  delivery(what: { eventId: string; subscriptionId: string; namespace?: string; replayId?: string }): Promise<string>;
  subscribe(body: Record<string, unknown>, namespace?: string): Promise<Body>;
  /** Puts all that waits for a later time to now, and sends what is due. */
  later(): Promise<void>;
  another(handlers?: SubscriberHandlers): Subscribers;
  stop(): Promise<void>;
}

export async function createSubscribersRig({
  handlers = {},
  allowPrivateAddresses = true,
}: {
  handlers?: SubscriberHandlers;
  allowPrivateAddresses?: boolean;
} = {}): Promise<SubscribersRig> {
  const { db, url: databaseUrl, drop } = await openTestDatabase();
  await makePartition(db);
  const asked: SubscribersRig["asked"] = { published: [], routedAgain: [], woken: 0 };
  const engineOf = (nodeId: string) => ({
    nodeId,
    async publish(events: EventInput[]) {
      asked.published.push(...events);
      return events.map(({ eventId = uuidv7(Date.now()) }) => ({
        id: uuidv7(Date.now()),
        eventId,
        status: "accepted" as const,
        timestamp: new Date().toISOString(),
      }));
    },
    routeAgain: async (_tx: unknown, requests: RouteAgain[]) => void asked.routedAgain.push(...requests),
    wakeRouters() {
      asked.woken++;
    },
  });
  const another = (own: SubscriberHandlers = {}) =>
    createSubscribers({
      db,
      log: silentLogger,
      engine: engineOf(uuidv7(Date.now())),
      handlers: own,
      allowPrivateAddresses,
      retentionMs: 86_400_000,
      drainMs: 1_000,
    });
  const subscribers = another(handlers);
  const http = createHttpServer({
    log: silentLogger,
    version: "1.0.0",
    checkAnswers: true,
    authenticate: async () => ({ id: "tester", permissions: new Set(["*"]) }),
  });
  subscribers.addRoutes(http);
  const url = await http.listen({ host: "127.0.0.1", port: 0 });
  const call: SubscribersRig["call"] = async (method, path, { body, namespace } = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(namespace !== undefined && { "x-millrace-namespace": namespace }),
      },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) };
  };
  return {
    db,
    url,
    databaseUrl,
    subscribers,
    asked,
    call,
    another,
    async event({ acceptedAt, ...what } = {}) {
      const id = uuidv7(acceptedAt === undefined ? Date.now() : Date.parse(acceptedAt));
      const { namespace = "default", eventId = id, pattern = "orders.paid", payload = { total: 5 } } = what;
      await db.unnamed(
        `insert into event_processing_service.event_instances
           (shard, id, namespace, event_id, pattern, source_key, "timestamp", payload, metadata, partition_key, accepted_at)
         values (1, $1, $2, $3, $4, $5, now(), $6, $7, $8, coalesce($9::timestamptz, now()))`,
        [
          id,
          namespace,
          eventId,
          pattern,
          what.sourceKey ?? null,
          JSON.stringify(payload),
          JSON.stringify(what.metadata ?? {}),
          what.partitionKey ?? null,
          acceptedAt ?? null,
        ],
      );
      return id;
    },
    async delivery({ eventId, subscriptionId, namespace = "default", replayId = null }) {
      const id = uuidv7(Date.now());
      await db.unnamed(
        `insert into event_processing_service.event_deliveries (id, shard, namespace, event_id, subscription_id, replay_id)
         values ($1, 1, $2, $3, $4, $5)`,
        [id, namespace, eventId, subscriptionId, replayId],
      );
      return id;
    },
    async subscribe(body, namespace) {
      const answer = await call("POST", "/api/v1/subscriptions", { body, namespace });
      if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
      return answer.body;
    },
    async later() {
      await db.unnamed(
        `update event_processing_service.event_deliveries set next_attempt_at = now()
         where status = 'pending' and claimed_until is null`,
      );
      await subscribers.deliverer.tick();
    },
    async stop() {
      await subscribers.stop();
      await http.close();
      await drop();
    },
  };
}

/** The engine makes partitions as weeks go by; this one holds all weeks before. */
async function makePartition(db: SubscribersRig["db"]): Promise<void> {
  const [row] = await db.unnamed<{ least: string }>(
    `select min((regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''(.*?)''\\)'))[1]) as least
     from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'event_processing_service.event_instances'::regclass`,
  );
  await db.unnamed(
    `create table event_processing_service.event_instances_before partition of event_processing_service.event_instances
     for values from (minvalue) to ('${row!.least}')`,
  );
}
