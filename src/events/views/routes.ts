/** `GET /api/v1/events` and what belongs to one event. */
import { encodeCursor, type HttpServer, idOfCursor } from "../../foundation/http/index.ts";
import * as contract from "./contract.ts";
import { type Events, getEvent, ledgerOf, listEvents } from "./operations.ts";

const base = "/api/v1/events";
const tags = ["Events"];
const permission = "events:read";
const notFound = "There is no such event in this namespace.";

export function addEventViewRoutes(http: HttpServer, events: Events): void {
  const { db } = events;
  http.route({
    method: "GET",
    url: base,
    summary: "List events, newest first",
    description:
      "A page looks at no more than 2,000 events that its filters cannot find by an index (wildcards, payload, the second of " +
      "several filters); then it has fewer items than its limit, and its nextCursor goes on where it stopped.",
    tags,
    operationId: "listEvents",
    query: contract.listQuery,
    permission,
    responses: { 200: contract.pageResponse, 400: "A filter cannot be understood." },
    async handler({ query, namespace }) {
      const { cursor, ...filter } = query;
      const { items, next } = await listEvents(db, { ...filter, namespace, before: idOfCursor(cursor) });
      return { items, nextCursor: next === undefined ? null : encodeCursor(next) };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id`,
    summary: "Get an event",
    tags,
    operationId: "getEvent",
    params: contract.reference,
    permission,
    responses: { 200: contract.eventResponse, 404: notFound },
    handler: ({ params, namespace }) => getEvent(db, { namespace, ref: params.id }),
  });

  http.route({
    method: "GET",
    url: `${base}/:id/ledger`,
    summary: "Get what became of an event: what took it, what did not and why, what was delivered when",
    tags,
    operationId: "getEventLedger",
    params: contract.reference,
    permission,
    responses: { 200: contract.ledgerResponse, 404: notFound },
    handler: ({ params, namespace }) => ledgerOf(events, { namespace, ref: params.id }),
  });
}
