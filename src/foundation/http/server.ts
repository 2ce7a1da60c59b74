/**
 * The HTTP shell: one server that authenticates, checks, answers and drains the same way for every route of every room.
 */
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { z } from "zod";
import type { AppError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { acceptedTypes, readBodies } from "./bodies.ts";
import { answerBrokenRequest } from "./broken_request.ts";
import { type Authenticate, demandPermission } from "./caller.ts";
import { drain, Traffic } from "./drain.ts";
import { httpErrors } from "./errors.ts";
import { requestHandler } from "./handle.ts";
import { openApiDocument } from "./openapi.ts";
import { isFault, problemHeaders, toAppError, toProblem } from "./problem.ts";
import { namespaceOf, requestIdOf, unauthenticated } from "./request.ts";
import type { DeclaredRoute, RouteDefinition } from "./route.ts";

export interface HttpServerOptions {
  log: Logger;
  /** The program's version, for the OpenAPI document. */
  version: string;
  authenticate: Authenticate;
  /** The largest body that is read; 17 MiB by default. A route may set its own. */
  bodyLimitBytes?: number;
  /** Check answers against their declared schemas and answer 500 when they differ; for tests. */
  checkAnswers?: boolean;
}

/** What `GET /health` says; only `ok` answers 200. */
export type HealthStatus = "starting" | "ok" | "degraded" | "draining";

export interface HttpServer {
  /** The instance below, for plugins. */
  readonly fastify: FastifyInstance;
  /** Declares a route; only before `listen`. Throws for schemas that could not be checked. */
  route<
    P extends z.ZodType = z.ZodUndefined,
    Q extends z.ZodType = z.ZodUndefined,
    B extends z.ZodType = z.ZodUndefined,
  >(definition: RouteDefinition<P, Q, B>): void;
  /** Sets what `GET /health` answers; `starting` until this is called. */
  setHealth(status: HealthStatus): void;
  /** Listens, port 0 for any free one; gives the URL. */
  listen(address: { host: string; port: number }): Promise<string>;
  /**
   * Drains: new requests are answered 503 with `Retry-After`, streams of events end, requests under way finish, and
   * then the port closes. After `deadlineMs` (10 s) their signals abort, and a second later the rest is cut off.
   * May be called again; every call resolves when the server is closed.
   */
  close(options?: { deadlineMs?: number }): Promise<void>;
}

const BODY_LIMIT_BYTES = 17 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 120_000;
const DRAIN_DEADLINE_MS = 10_000;
const RETRY_AFTER_MS = 1_000;
const MAX_PARAMETER_LENGTH = 2_048;

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { log, version, authenticate, bodyLimitBytes = BODY_LIMIT_BYTES, checkAnswers = false } = options;
  const routes: DeclaredRoute[] = [];
  const traffic = new Traffic();
  let health: HealthStatus = "starting";
  let document: string | undefined;
  let closing: Promise<void> | undefined;

  const fastify: FastifyInstance = Fastify({
    logger: false,
    bodyLimit: bodyLimitBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    genReqId: requestIdOf,
    return503OnClosing: false,
    forceCloseConnections: "idle",
    routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH },
    frameworkErrors: (error, request, reply) => refuse(request, reply, toAppError(error)),
    clientErrorHandler: answerBrokenRequest,
  });
  // An expectation that nobody knows is ignored; Node would answer it with an empty 417.
  fastify.server.on("checkExpectation", (request, response) => fastify.server.emit("request", request, response));
  fastify.decorate("millraceStreams", new Set<() => void>());
  fastify.decorateRequest("millrace");
  readBodies(fastify);

  function refuse(request: FastifyRequest, reply: FastifyReply, error: AppError): void {
    const { id: requestId, method, url } = request;
    if (isFault(error)) {
      log.error({ requestId, method, url: loggedUrl(request), err: error.cause ?? error }, "request failed");
    }
    if (reply.raw.headersSent) {
      // Half an answer is out; cutting the connection is the only way left to say that it failed.
      reply.raw.destroy();
      return;
    }
    // A request that was refused before its hooks ran has no id in its headers yet.
    reply.code(error.status).headers({ ...problemHeaders(error), "x-request-id": requestId });
    reply.send(JSON.stringify(toProblem(error, { url, requestId })));
  }

  fastify.setErrorHandler((error, request, reply) =>
    refuse(request, reply, toAppError(error, { accepted: acceptedTypes(request.routeOptions.config) })),
  );
  fastify.setNotFoundHandler((request, reply) => {
    const allowed = methodsAt(request.url, routes);
    if (allowed.length === 0) return refuse(request, reply, httpErrors.route_not_found("No route has this path."));
    reply.header("allow", allowed.join(", "));
    const error = httpErrors.method_not_allowed(`This path takes ${allowed.join(", ")}, not ${request.method}.`);
    refuse(request, reply, error);
  });

  fastify.addHook("onRequest", (request, reply, done) => {
    request.millrace = unauthenticated;
    const startedAt = performance.now();
    traffic.enter();
    reply.raw.once("close", () => {
      traffic.leave();
      if (!log.isLevelEnabled("debug")) return;
      const { id: requestId, method } = request;
      const url = loggedUrl(request);
      const tookMs = Math.round((performance.now() - startedAt) * 10) / 10;
      log.debug({ requestId, method, url, status: reply.raw.statusCode, tookMs }, "request");
    });
    reply.header("x-request-id", request.id);
    if (closing === undefined || request.routeOptions.url === HEALTH_URL) return done();
    reply.header("connection", "close");
    done(httpErrors.draining("The node is shutting down; try again.", { retryAfterMs: RETRY_AFTER_MS }));
  });

  async function admit(request: FastifyRequest, permission: string | undefined): Promise<void> {
    const { headers } = request;
    const caller = await authenticate(headers);
    if (!caller) {
      throw httpErrors.unauthenticated("Send a valid API key as Authorization: Bearer <key> or as X-API-Key: <key>.");
    }
    if (permission !== undefined) demandPermission(caller, permission);
    request.millrace = { caller, namespace: namespaceOf(headers) };
  }

  const server: HttpServer = {
    fastify,
    route(definition) {
      const { method, url, permission, yaml, rawBody } = definition;
      if (!definition.public && permission === undefined) throw new Error(`${method} ${url} has no permission`);
      routes.push(definition);
      fastify.route({
        method,
        url,
        bodyLimit: definition.bodyLimitBytes,
        config: { yaml, rawBody },
        onRequest: definition.public ? [] : (request) => admit(request, permission),
        handler: requestHandler(definition, { checkAnswers, stopping: traffic.stopping }),
      });
    },
    setHealth(status) {
      health = status;
    },
    listen: ({ host, port }) => fastify.listen({ host, port }),
    close({ deadlineMs = DRAIN_DEADLINE_MS } = {}) {
      health = "draining";
      closing ??= drain({ fastify, traffic, deadlineMs });
      return closing;
    },
  };

  server.route({
    method: "GET",
    url: HEALTH_URL,
    operationId: "getHealth",
    summary: "Whether the node is ready",
    tags: ["system"],
    public: true,
    responses: {
      200: healthSchema,
      503: { ...jsonAnswer, description: "Not ready, or no longer.", schema: healthSchema },
    },
    handler: ({ reply }) => {
      if (health !== "ok") reply.code(503);
      return { status: health };
    },
  });
  server.route({
    method: "GET",
    url: "/api/v1/openapi.json",
    operationId: "getOpenApi",
    summary: "This document",
    tags: ["system"],
    public: true,
    responses: { 200: { ...jsonAnswer, description: "The OpenAPI 3.1 document of all routes." } },
    handler: ({ reply }) => {
      document ??= JSON.stringify(openApiDocument({ routes, version }));
      return reply.type("application/json; charset=utf-8").send(document);
    },
  });
  return server;
}

/** Callers of a route of `rawBody` may have put a token into the query. */
function loggedUrl({ url, routeOptions }: FastifyRequest): string {
  return routeOptions.config?.rawBody ? url.split("?", 1)[0]! : url;
}

const HEALTH_URL = "/health";
const jsonAnswer = { contentType: "application/json" };
const healthSchema = z.object({ status: z.enum(["ok", "starting", "degraded", "draining"]) }).meta({ id: "Health" });

/** The methods that routes take at a path, for `Allow`. Runs only for requests that match no route. */
function methodsAt(url: string, routes: readonly DeclaredRoute[]): string[] {
  const segments = url.split("?", 1)[0]!.split("/");
  const matching = routes.filter((route) => {
    const pattern = route.url.split("/");
    if (pattern.length !== segments.length) return false;
    return pattern.every((part, index) => (part.startsWith(":") ? segments[index] !== "" : part === segments[index]));
  });
  const methods = new Set<string>(matching.map(({ method }) => method));
  if (methods.has("GET")) methods.add("HEAD");
  return [...methods].sort();
}
