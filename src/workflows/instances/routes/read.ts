/** Looking at instances: lists, one of them, its history, and following it. */
import type { InstanceView } from "../../../engine/index.ts";
import {
  cursorInvalid,
  decodeCursor,
  encodeCursor,
  type HttpServer,
  idOfCursor,
} from "../../../foundation/http/index.ts";
import * as contract from "../contract.ts";
import { getInstance, type Instances, instanceIdOf } from "../operations.ts";
import { instantOf, statusesOf } from "../request.ts";
import { streamInstance } from "../stream.ts";
import { base, notFound, permissions, tags } from "./shared.ts";

export function addReadRoutes(http: HttpServer, instances: Instances): void {
  const { engine } = instances;

  http.route({
    method: "GET",
    url: base,
    summary: "List instances, newest first",
    tags,
    operationId: "listInstances",
    query: contract.listQuery,
    permission: permissions.read,
    responses: { 200: contract.listResponse, 400: "A filter cannot be understood." },
    async handler({ query, namespace }) {
      const { limit, definitionId, correlationId } = query;
      const found = await engine.listInstances({
        namespace,
        status: statusesOf(query.status),
        definitionId,
        correlationId,
        startedAfter: instantOf(query.startedAfter, "/query/startedAfter"),
        startedBefore: instantOf(query.startedBefore, "/query/startedBefore"),
        parentInstanceId: query.parentInstanceId?.toLowerCase(),
        after: idOfCursor(query.cursor),
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
    permission: permissions.read,
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
    permission: permissions.read,
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
    permission: permissions.read,
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
    permission: permissions.read,
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
