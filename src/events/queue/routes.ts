/** `/api/v1/events/queue`: one queue for all namespaces. */
import { encodeCursor, type HttpServer, idOfCursor } from "../../foundation/http/index.ts";
import * as contract from "./contract.ts";
import type { Gate } from "./gate.ts";
import * as operations from "./operations.ts";

const base = "/api/v1/events/queue";
const tags = ["Event queue"];
const read = "event-queue:read";
const control = "event-queue:control";

export function addQueueRoutes(http: HttpServer, parts: operations.QueueParts & { gate: Gate }): void {
  http.route({
    method: "GET",
    url: base,
    summary: "Say how the event queue does: depth, age of the oldest, totals, rates",
    tags,
    operationId: "getEventQueue",
    permission: read,
    responses: { 200: contract.queueResponse },
    handler: () => operations.getQueue(parts),
  });

  http.route({
    method: "PATCH",
    url: base,
    summary: "Change the settings of the event queue",
    description: "Other nodes follow with the next events that reach them.",
    tags,
    operationId: "configureEventQueue",
    body: contract.configRequest,
    permission: control,
    responses: { 200: contract.queueResponse, 400: "The settings do not go together." },
    handler: ({ body, caller }) => operations.changeQueueConfig({ ...parts, by: caller.id }, body),
  });

  const verbs = {
    pause: ["Stop routing; events are still accepted", operations.pauseQueue],
    resume: ["Route and accept events again", operations.resumeQueue],
    drain: ["Accept no more events, and route those that wait", operations.drainQueue],
  } as const;
  for (const [verb, [summary, operation]] of Object.entries(verbs)) {
    http.route({
      method: "POST",
      url: `${base}/${verb}`,
      summary,
      description: "Asked again, it changes nothing.",
      tags,
      operationId: `${verb}EventQueue`,
      permission: control,
      responses: { 200: contract.queueResponse },
      handler: ({ caller }) => operation({ ...parts, by: caller.id }),
    });
  }

  http.route({
    method: "POST",
    url: `${base}/checkpoint`,
    summary: "Write down how far routing is",
    tags,
    operationId: "checkpointEventQueue",
    permission: control,
    responses: { 201: contract.checkpointResponse },
    handler: () => operations.checkpointQueue(parts, "asked"),
  });

  http.route({
    method: "GET",
    url: `${base}/checkpoints`,
    summary: "List checkpoints, newest first",
    description: "The newest thousand are kept.",
    tags,
    operationId: "listEventQueueCheckpoints",
    query: contract.pageQuery,
    permission: read,
    responses: { 200: contract.checkpointPage, 400: "The cursor is not one of this list." },
    async handler({ query: { limit, cursor } }) {
      const { items, next } = await operations.listCheckpoints(parts, { before: idOfCursor(cursor), limit });
      return { items, nextCursor: next === undefined ? null : encodeCursor(next) };
    },
  });
}
