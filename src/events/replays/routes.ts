/** `/api/v1/replays`. Each route reads by the contract, calls one operation and answers. */
import type { Database } from "../../foundation/database/index.ts";
import { encodeCursor, type HttpServer, idOfCursor } from "../../foundation/http/index.ts";
import * as contract from "./contract.ts";
import * as operations from "./operations.ts";

const base = "/api/v1/replays";
const tags = ["Replays"];
const read = "events:read";
const write = "events:replay";
const notFound = "There is no such replay in this namespace.";

/** `wake` tells this node's worker that there is something to do. */
export function addReplayRoutes(http: HttpServer, { db, wake }: { db: Database; wake: () => void }): void {
  http.route({
    method: "POST",
    url: base,
    summary: "Route events once more",
    description:
      "Events of a pattern that were accepted within a time, to all triggers and subscriptions or to some. Targets see " +
      "that it is a replay. Waiting instances do not get them. With `dryRun` the events are only counted.",
    tags,
    operationId: "createReplay",
    body: contract.createRequest,
    permission: write,
    responses: {
      200: contract.previewResponse,
      202: contract.replayResponse,
      400: "The replay has faults; `errors` lists all of them.",
    },
    async handler({ body, namespace, caller, reply }) {
      const { dryRun, ...given } = body;
      if (dryRun === true) return await operations.previewReplay(db, { ...given, namespace });
      const replay = await operations.createReplay(db, { ...given, namespace, requestedBy: caller.id });
      wake();
      reply.code(202).header("location", `${base}/${replay.id}`);
      return replay;
    },
  });

  http.route({
    method: "GET",
    url: base,
    summary: "List replays, newest first",
    tags,
    operationId: "listReplays",
    query: contract.listQuery,
    permission: read,
    responses: { 200: contract.pageResponse, 400: "The cursor is not one of this list." },
    async handler({ query, namespace }) {
      const { limit, cursor } = query;
      const { items, next } = await operations.listReplays(db, { namespace, before: idOfCursor(cursor), limit });
      return { items, nextCursor: next === undefined ? null : encodeCursor(next) };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id`,
    summary: "Say how far a replay is",
    tags,
    operationId: "getReplay",
    params: contract.reference,
    permission: read,
    responses: { 200: contract.replayResponse, 404: notFound },
    handler: ({ params, namespace }) => operations.getReplay(db, { namespace, id: params.id }),
  });

  http.route({
    method: "POST",
    url: `${base}/:id/cancel`,
    summary: "End a replay where it stands",
    description: "What was routed stays routed.",
    tags,
    operationId: "cancelReplay",
    params: contract.reference,
    permission: write,
    responses: { 200: contract.replayResponse, 404: notFound, 409: "It has ended." },
    handler: ({ params, namespace }) => operations.cancelReplay(db, { namespace, id: params.id }),
  });
}
