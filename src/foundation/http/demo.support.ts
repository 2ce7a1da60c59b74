/** A small server with routes of every kind, on loopback, for the tests of this folder. */
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { z } from "zod";
import { silentLogger } from "../log.ts";
import { createHttpServer, type HttpServer, type HttpServerOptions, sse } from "./index.ts";

export const adminKey = "admin-key";
export const readerKey = "reader-key";

export interface Demo {
  server: HttpServer;
  url: string;
  port: number;
  /** A request with the admin's key; `json` is sent as the body. */
  call(method: string, path: string, options?: CallOptions): Promise<Answered>;
}

export interface CallOptions {
  json?: unknown;
  body?: string | Buffer;
  headers?: Record<string, string>;
}

export interface Answered {
  status: number;
  headers: Headers;
  json: Record<string, unknown>;
}

type Step = { id: string; next?: Step[] };

const part = z.object({ sku: z.string().min(1), count: z.int().min(1).default(1) }).meta({ id: "Part" });
const step: z.ZodType<Step> = z
  .object({
    id: z.string(),
    get next() {
      return z.array(step).optional();
    },
  })
  .meta({ id: "Step" });

export async function startDemo(options: Partial<HttpServerOptions> = {}): Promise<Demo> {
  const server = createHttpServer({
    log: silentLogger,
    version: "1.2.3",
    checkAnswers: true,
    authenticate: ({ "x-api-key": key, authorization }) => {
      if (key === adminKey || authorization === `Bearer ${adminKey}`)
        return { id: "admin", permissions: new Set(["*"]) };
      return key === readerKey ? { id: "reader", permissions: new Set(["things:read"]) } : undefined;
    },
    ...options,
  });
  declareRoutes(server);
  const url = await server.listen({ host: "127.0.0.1", port: 0 });
  server.setHealth("ok");
  const { port } = server.fastify.server.address() as AddressInfo;
  return { server, url, port, call: (method, path, how) => call(url + path, method, how) };
}

async function call(url: string, method: string, { json, body, headers = {} }: CallOptions = {}): Promise<Answered> {
  const sent = json === undefined ? body : JSON.stringify(json);
  const type: Record<string, string> = sent === undefined ? {} : { "content-type": "application/json" };
  const response = await fetch(url, { method, headers: { "x-api-key": adminKey, ...type, ...headers }, body: sent });
  const text = await response.text();
  return { status: response.status, headers: response.headers, json: text.startsWith("{") ? JSON.parse(text) : {} };
}

function declareRoutes(server: HttpServer): void {
  server.route({
    method: "GET",
    url: "/api/v1/things/:id",
    summary: "One thing",
    tags: ["things"],
    permission: "things:read",
    params: z.object({ id: z.string().max(200) }),
    query: z.object({
      limit: z.int().min(1).max(500).default(50),
      deep: z.boolean().optional(),
      status: z.array(z.string()).optional(),
    }),
    responses: {
      200: z.object({ id: z.string(), limit: z.int(), namespace: z.string(), caller: z.string() }),
      404: "There is no such thing.",
    },
    handler: ({ params, query, namespace, caller }) => ({
      id: params.id,
      limit: query.limit,
      namespace,
      caller: caller.id,
    }),
  });
  server.route({
    method: "POST",
    url: "/api/v1/things",
    summary: "Make a thing",
    description: "Makes one thing of many parts.",
    tags: ["things"],
    permission: "things:write",
    yaml: true,
    body: z.object({
      name: z.string().min(1).max(100),
      parts: z.array(part).max(1000).default([]),
      notes: z.unknown().optional(),
      plan: step.optional(),
    }),
    responses: {
      201: z.object({ name: z.string(), parts: z.array(part), notes: z.unknown().optional() }).meta({ id: "Thing" }),
    },
    handler: ({ body: { name, parts, notes } }) => ({ name, parts, notes }),
  });
  server.route({
    method: "POST",
    url: "/api/v1/things/:id/cancel",
    summary: "Cancel a thing",
    tags: ["things"],
    permission: "things:write",
    params: z.object({ id: z.uuid() }),
    body: z.object({ reason: z.string().optional() }).optional(),
    responses: { 204: "Cancelled." },
    handler: () => undefined,
  });
  server.route({
    method: "GET",
    url: "/api/v1/stream",
    summary: "A stream",
    permission: "things:read",
    responses: { 200: { description: "Events.", contentType: "text/event-stream" } },
    handler: ({ reply, signal, headers }) => {
      const stream = sse(reply, { signal, heartbeatMs: 50 });
      stream.send({ id: "1", event: "hello", data: { after: headers["last-event-id"] ?? null } });
      stream.send({ data: "two\nlines" });
      return reply;
    },
  });
  server.route({
    method: "GET",
    url: "/broken",
    summary: "A route with a fault",
    public: true,
    responses: { 200: z.object({ ok: z.boolean() }) },
    handler: ({ query: _ }) => {
      throw new Error("the secret of the house");
    },
  });
  server.route({
    method: "GET",
    url: "/database-away",
    summary: "A route whose database is away",
    public: true,
    responses: { 200: "Never." },
    handler: async () => {
      const socket = connect({ host: "127.0.0.1", port: 1 });
      await once(socket, "connect");
    },
  });
  server.route({
    method: "GET",
    url: "/against-contract",
    summary: "A route that does not keep its word",
    public: true,
    responses: { 200: z.object({ ok: z.boolean() }) },
    handler: () => ({ ok: "yes" }),
  });
}
