/** `POST /api/v1/events`. */
import type { HttpServer } from "../../foundation/http/index.ts";
import { readSubmission } from "./body.ts";
import { publishBody, publishResponse } from "./contract.ts";
import { type Intake, publishEvents } from "./operations.ts";

export function addIntakeRoutes(http: HttpServer, intake: Intake): void {
  http.route({
    method: "POST",
    url: "/api/v1/events",
    summary: "Publish an event, or many",
    description:
      "In our shape, or as CloudEvents 1.0: structured (application/cloudevents+json), batch " +
      "(application/cloudevents-batch+json), binary (ce-* headers, data in JSON), or in plain JSON. The answer comes when " +
      "all of them are committed; of a batch with a fault nothing is taken.",
    tags: ["Events"],
    operationId: "publishEvents",
    body: publishBody,
    permission: "events:publish",
    responses: {
      202: publishResponse,
      400: "A member is no event, or does not fit its definition; `errors` says which.",
      413: "The body or a payload is too large.",
      429: "Too many events wait to be routed; try again later.",
    },
    async handler({ body, headers, namespace }) {
      const { events, isBatch } = readSubmission({ body, headers });
      const items = await publishEvents(intake, { namespace, events });
      return isBatch ? { items } : items[0];
    },
  });
}
