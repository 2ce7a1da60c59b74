/** `/api/v1/hooks/{triggerId}`: the public address of a webhook. Whoever knows a secret may call it. */
import { maxPayloadBytes } from "../../../engine/index.ts";
import type { HttpServer } from "../../../foundation/http/index.ts";
import * as contract from "../contract.ts";
import { type Receiver, receiveCall } from "./receive.ts";

export function addHookRoute(http: HttpServer, receiver: Receiver): void {
  http.route({
    method: "POST",
    url: "/api/v1/hooks/:triggerId",
    summary: "Call a webhook",
    description:
      "The body is JSON or a form, signed as the trigger's webhook says, and becomes the payload of an event in the trigger's " +
      "namespace. A delivery that came before is a duplicate: nothing is done.",
    tags: ["Triggers"],
    operationId: "callWebhook",
    params: contract.hookReference,
    query: contract.hookQuery,
    rawBody: true,
    bodyLimitBytes: maxPayloadBytes,
    public: true,
    responses: {
      202: contract.calledResponse,
      200: contract.calledResponse,
      400: "The body cannot be read, or the event does not fit its definition.",
      401: "The signature or token is missing or wrong, or the call was signed too long ago.",
      404: "There is no such webhook.",
      409: "The webhook is disabled.",
      429: "Too many events are under way; deliver again later.",
    },
    async handler({ params: { triggerId }, query, headers, rawBody, reply }) {
      const { eventId, status, timestamp } = await receiveCall(receiver, { triggerId, headers, query, raw: rawBody });
      reply.code(status === "duplicate" ? 200 : 202);
      return { eventId, status, timestamp };
    },
  });
}
