/** `/api/v1/dead-letters`. Each route reads by the contract, calls one operation and answers. */
import type { Json } from "../../engine/index.ts";
import { encodeCursor, type HttpServer, idOfCursor } from "../../foundation/http/index.ts";
import * as contract from "./contract.ts";
import * as many from "./many.ts";
import * as operations from "./operations.ts";
import { type DeadLetters, reprocessLetter } from "./reprocess.ts";

const base = "/api/v1/dead-letters";
const tags = ["Dead letters"];
const read = "events:read";
const write = "events:dead-letters";
const notFound = "There is no such dead letter in this namespace.";
const closed = "It was resolved or discarded, is being reprocessed, or what it was meant for cannot take it.";

/** `wake` tells this node's worker that there is something to do. */
export function addDeadLetterRoutes(http: HttpServer, letters: DeadLetters, wake: () => void): void {
  const { db } = letters;
  addManyRoutes(http, letters, wake);

  http.route({
    method: "GET",
    url: base,
    summary: "List dead letters, newest first",
    tags,
    operationId: "listDeadLetters",
    query: contract.listQuery,
    permission: read,
    responses: { 200: contract.pageResponse, 400: "A filter cannot be understood." },
    async handler({ query, namespace }) {
      const { cursor, ...filter } = query;
      const { items, next } = await operations.listLetters(db, { ...filter, namespace, before: idOfCursor(cursor) });
      return { items, nextCursor: next === undefined ? null : encodeCursor(next) };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id`,
    summary: "Get a dead letter: the event, the error, the attempts",
    tags,
    operationId: "getDeadLetter",
    params: contract.reference,
    permission: read,
    responses: { 200: contract.letterResponse, 404: notFound },
    handler: ({ params, namespace }) => operations.getLetter(db, { namespace, id: params.id }),
  });

  http.route({
    method: "POST",
    url: `${base}/:id/reprocess`,
    summary: "Hand a dead letter on again",
    description:
      "An event that was refused is published; a trigger or a subscription gets its event again; with `payload`, edited. " +
      "The letter is resolved when it is taken, and pending again when it is not.",
    tags,
    operationId: "reprocessDeadLetter",
    params: contract.reference,
    body: contract.reprocessRequest,
    permission: write,
    responses: { 202: contract.letterResponse, 404: notFound, 409: closed },
    handler: ({ params, body, namespace, caller }) =>
      reprocessLetter(letters, {
        namespace,
        id: params.id,
        by: caller.id,
        ...(body?.payload !== undefined && { payload: body.payload as Json }),
      }),
  });

  for (const verb of ["resolve", "discard"] as const) {
    http.route({
      method: "POST",
      url: `${base}/:id/${verb}`,
      summary: verb === "resolve" ? "Say that a dead letter was settled in another way" : "Give a dead letter up",
      tags,
      operationId: `${verb}DeadLetter`,
      params: contract.reference,
      body: contract.closeRequest,
      permission: write,
      responses: { 200: contract.letterResponse, 404: notFound, 409: "It was resolved or discarded." },
      handler: ({ params, body, namespace, caller }) =>
        operations.closeLetter(db, { namespace, id: params.id, verb, by: caller.id, notes: body?.notes }),
    });
  }
}

function addManyRoutes(http: HttpServer, { db }: DeadLetters, wake: () => void): void {
  const reprocessings = `${base}/reprocessings`;
  const noOperation = "There is no such reprocessing in this namespace.";

  http.route({
    method: "POST",
    url: `${base}/purge`,
    summary: "Remove dead letters for good",
    description: "Those that a filter finds, but for those that are being reprocessed.",
    tags,
    operationId: "purgeDeadLetters",
    body: contract.purgeRequest,
    permission: write,
    responses: { 200: contract.purgeResponse, 400: "The filter is empty or cannot be understood." },
    handler: ({ body, namespace }) => operations.purgeLetters(db, { namespace, filter: body.filter }),
  });

  http.route({
    method: "POST",
    url: `${base}/reprocess`,
    summary: "Hand many dead letters on again",
    description: "Pending ones that a filter finds, a few at once, by whichever node; with `dryRun` only counts them.",
    tags,
    operationId: "reprocessDeadLetters",
    body: contract.reprocessManyRequest,
    permission: write,
    responses: {
      200: contract.previewResponse,
      202: contract.reprocessingResponse,
      400: "The filter is empty or cannot be understood.",
    },
    async handler({ body, namespace, caller, reply }) {
      const { dryRun, ...what } = body;
      if (dryRun === true) return await many.previewReprocessing(db, { namespace, filter: what.filter });
      const made = await many.createReprocessing(db, { ...what, namespace, requestedBy: caller.id });
      wake();
      reply.code(202).header("location", `${reprocessings}/${made.id}`);
      return made;
    },
  });

  http.route({
    method: "GET",
    url: reprocessings,
    summary: "List reprocessings of many dead letters, newest first",
    tags,
    operationId: "listDeadLetterReprocessings",
    query: contract.reprocessingQuery,
    permission: read,
    responses: { 200: contract.reprocessingPage, 400: "The cursor is not one of this list." },
    async handler({ query, namespace }) {
      const { limit, cursor } = query;
      const { items, next } = await many.listReprocessings(db, { namespace, before: idOfCursor(cursor), limit });
      return { items, nextCursor: next === undefined ? null : encodeCursor(next) };
    },
  });

  http.route({
    method: "GET",
    url: `${reprocessings}/:id`,
    summary: "Say how far a reprocessing is",
    tags,
    operationId: "getDeadLetterReprocessing",
    params: contract.reference,
    permission: read,
    responses: { 200: contract.reprocessingResponse, 404: noOperation },
    handler: ({ params, namespace }) => many.getReprocessing(db, { namespace, id: params.id }),
  });

  http.route({
    method: "POST",
    url: `${reprocessings}/:id/cancel`,
    summary: "End a reprocessing where it stands",
    tags,
    operationId: "cancelDeadLetterReprocessing",
    params: contract.reference,
    permission: write,
    responses: { 200: contract.reprocessingResponse, 404: noOperation, 409: "It has ended." },
    handler: ({ params, namespace }) => many.cancelReprocessing(db, { namespace, id: params.id }),
  });
}
