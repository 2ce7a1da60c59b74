/** `/api/v1/workflows/instances`. Each route reads by the contract, calls one operation and answers. */
import type { InstanceView, StartRequest } from "../../engine/index.ts";
import { isFinal } from "../../engine/index.ts";
import { cursorInvalid, decodeCursor, encodeCursor, type HttpServer } from "../../foundation/http/index.ts";
import { isUuid } from "../../foundation/ids.ts";
import * as contract from "./contract.ts";
import { getInstance, type Instances, instanceIdOf, startInstance } from "./operations.ts";
import { idempotencyKeyOf, instantOf, statusesOf, waitMsOf } from "./request.ts";
import { streamInstance } from "./stream.ts";

const base = "/api/v1/workflows/instances";
const tags = ["Instances"];
const notFound = "There is no such instance in this namespace.";
const read = "workflows:read";

export function addInstanceRoutes(http: HttpServer, instances: Instances): void {
  const { engine } = instances;

  http.route({
    method: "POST",
    url: base,
    summary: "Start an instance",
    description: "With an idempotency key the same start again answers what the first one answered.",
    tags,
    operationId: "startInstance",
    query: contract.startQuery,
    body: contract.startRequest,
    yaml: true,
    permission: "workflows:start",
    responses: {
      201: contract.startResponse,
      200: contract.startResponse,
      400: "The request, or the input by the definition's inputSchema, is not valid.",
      404: "There is no such definition.",
      409: "The definition cannot be started.",
      422: "The idempotency key was used with another input.",
      429: "Too much is under way; try again later.",
    },
    async handler({ body, query, headers, namespace, caller, reply, signal }) {
      const waitMs = waitMsOf(query.wait);
      const { priority, input = {}, ...rest } = body;
      const request: StartRequest = {
        ...rest,
        // The body came as JSON or YAML, so it is JSON.
        input: input as StartRequest["input"],
        namespace,
        priority: typeof priority === "string" ? contract.priorities[priority] : priority,
        idempotencyKey: idempotencyKeyOf(body, headers),
        startedBy: caller.id,
      };
      const answer = await startInstance(instances, request);
      const { created, ...started } = answer;
      reply.code(created ? 201 : 200).header("location", `${base}/${answer.instanceId}`);
      if (waitMs === undefined) return started;
      const what = { namespace, instanceId: answer.instanceId };
      const view = await engine.waitForEnd({ ...what, timeoutMs: waitMs, signal });
      return view !== undefined && isFinal(view.status) ? { ...started, ...view } : started;
    },
  });

  http.route({
    method: "GET",
    url: base,
    summary: "List instances, newest first",
    tags,
    operationId: "listInstances",
    query: contract.listQuery,
    permission: read,
    responses: { 200: contract.listResponse, 400: "A filter cannot be understood." },
    async handler({ query, namespace }) {
      const { limit, definitionId, correlationId } = query;
      const found = await engine.listInstances({
        namespace,
        status: statusesOf(query.status),
        definitionId,
        correlationId,
        startedAfter: instantOf(query.startedAfter, "startedAfter"),
        startedBefore: instantOf(query.startedBefore, "startedBefore"),
        after: query.cursor === undefined ? undefined : idOfCursor(query.cursor),
        limit: limit + 1,
      });
      const items = found.slice(0, limit);
      return { items, nextCursor: found.length > limit ? encodeCursor(items.at(-1)!.id) : null };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id`,
    summary: "Get an instance",
    tags,
    operationId: "getInstance",
    params: contract.instanceReference,
    permission: read,
    responses: { 200: contract.instanceResponse, 404: notFound },
    handler: ({ params, namespace }): Promise<InstanceView> =>
      getInstance(instances, { namespace, instanceId: instanceIdOf(params.id) }),
  });

  http.route({
    method: "GET",
    url: `${base}/:id/history`,
    summary: "List the attempts of an instance's steps, oldest first",
    tags,
    operationId: "getInstanceHistory",
    params: contract.instanceReference,
    query: contract.pageQuery,
    permission: read,
    responses: { 200: contract.historyResponse, 400: "The cursor is not one of this list.", 404: notFound },
    async handler({ params, query, namespace }) {
      const instanceId = instanceIdOf(params.id);
      const afterSeq = query.cursor === undefined ? 0 : seqOfCursor(query.cursor);
      await getInstance(instances, { namespace, instanceId });
      const found = await engine.history({ namespace, instanceId, afterSeq, limit: query.limit + 1 });
      const items = found.slice(0, query.limit);
      return { items, nextCursor: found.length > query.limit ? encodeCursor(items.at(-1)!.seq) : null };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id/transitions`,
    summary: "List the changes of an instance's status, oldest first",
    tags,
    operationId: "getInstanceTransitions",
    params: contract.instanceReference,
    query: contract.transitionsQuery,
    permission: read,
    responses: { 200: contract.transitionsResponse, 404: notFound },
    async handler({ params, query, namespace }) {
      const instanceId = instanceIdOf(params.id);
      await getInstance(instances, { namespace, instanceId });
      return { items: await engine.transitions({ namespace, instanceId, limit: query.limit }), nextCursor: null };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id/stream`,
    summary: "Follow an instance",
    description:
      "Server-sent events: `instance` (what changed last, without input, output and steps), `step` (an item of the history; " +
      "its `seq` is the event's id, so that `Last-Event-ID` resumes after it) and, when the instance is final, `end`.",
    tags,
    operationId: "streamInstance",
    params: contract.instanceReference,
    permission: read,
    responses: {
      200: { description: "Events until the instance is final.", contentType: "text/event-stream" },
      404: notFound,
    },
    async handler({ params, headers, namespace, reply, signal }) {
      const instanceId = instanceIdOf(params.id);
      await getInstance(instances, { namespace, instanceId });
      const lastEventId = headers["last-event-id"];
      await streamInstance({ engine, namespace, instanceId, reply, signal, afterSeq: seqOfEvent(lastEventId) });
      return reply;
    },
  });

  http.route({
    method: "POST",
    url: `${base}/:id/signal`,
    summary: "Send a signal to an instance",
    description: "A signal that comes before its wait is kept; each one fulfils one wait.",
    tags,
    operationId: "signalInstance",
    params: contract.instanceReference,
    body: contract.signalRequest,
    yaml: true,
    permission: "workflows:signal",
    responses: { 202: contract.signalResponse, 404: notFound, 409: "The instance has ended." },
    async handler({ params, body, headers, namespace }) {
      const instanceId = instanceIdOf(params.id);
      const payload = (body.payload ?? null) as StartRequest["input"];
      const idempotencyKey = idempotencyKeyOf(body, headers);
      return await engine.signal({ namespace, instanceId, type: body.type, payload, idempotencyKey });
    },
  });

  http.route({
    method: "POST",
    url: `${base}/:id/cancel`,
    summary: "Cancel an instance",
    description: "Running handlers are told to stop; then the compensation steps run, unless `compensate` is false.",
    tags,
    operationId: "cancelInstance",
    params: contract.instanceReference,
    body: contract.cancelRequest,
    yaml: true,
    permission: "workflows:cancel",
    responses: { 200: contract.cancelResponse, 404: notFound, 409: "The instance has ended." },
    async handler({ params, body, namespace, caller }) {
      const instanceId = instanceIdOf(params.id);
      return await engine.cancel({ namespace, instanceId, ...body, requestedBy: caller.id });
    },
  });
}

function idOfCursor(cursor: string): string {
  const value = decodeCursor(cursor);
  if (typeof value !== "string" || !isUuid(value)) throw cursorInvalid();
  return value;
}

function seqOfCursor(cursor: string): number {
  const value = decodeCursor(cursor);
  if (typeof value !== "number" || !isSeq(value)) throw cursorInvalid();
  return value;
}

/** What a client sends that is no number of ours began somewhere else: it gets everything. */
function seqOfEvent(header: string | string[] | undefined): number {
  const seq = typeof header === "string" && /^\d{1,10}$/.test(header) ? Number(header) : 0;
  return isSeq(seq) ? seq : 0;
}

/** A number that the journal's column can hold. */
function isSeq(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 2 ** 31;
}
