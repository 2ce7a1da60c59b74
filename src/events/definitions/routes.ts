/** `/api/v1/event-definitions`. Each route reads by the contract, calls one operation and answers. */
import type { Database } from "../../foundation/database/index.ts";
import { encodeCursor, type HttpServer, idOfCursor } from "../../foundation/http/index.ts";
import * as contract from "./contract.ts";
import * as operations from "./operations.ts";

const base = "/api/v1/event-definitions";
const tags = ["Event definitions"];
const read = "events:read";
const write = "events:write";
const notFound = "There is no such definition in this namespace.";
const statusRefused = "The definition cannot go from its status to this one, or its events are described by another.";

export function addEventDefinitionRoutes(http: HttpServer, { db }: { db: Database }): void {
  http.route({
    method: "POST",
    url: base,
    summary: "Create a version of an event definition",
    description: "The same pattern, source types and schema again change nothing but what is given of the rest.",
    tags,
    operationId: "createEventDefinition",
    body: contract.createRequest,
    yaml: true,
    permission: write,
    responses: {
      201: contract.definitionResponse,
      200: contract.definitionResponse,
      400: "The definition has faults; `errors` lists all of them.",
      409: "The version exists with other content, or another eventId has the pattern.",
    },
    async handler({ body, namespace, caller, reply }) {
      // What its schema leaves open was parsed from JSON.
      const given = { ...body, namespace, createdBy: caller.id } as operations.NewDefinition;
      const { created, definition } = await db.transaction((tx) => operations.createDefinition(tx, given));
      reply.code(created ? 201 : 200).header("location", `${base}/${definition.id}`);
      return definition;
    },
  });

  http.route({
    method: "GET",
    url: base,
    summary: "List event definitions, every version, newest first",
    tags,
    operationId: "listEventDefinitions",
    query: contract.listQuery,
    permission: read,
    responses: { 200: contract.pageResponse, 400: "A filter cannot be understood." },
    async handler({ query, namespace }) {
      const { cursor, ...filter } = query;
      const before = idOfCursor(cursor);
      const { items, next } = await operations.listDefinitions(db, { ...filter, namespace, before });
      return { items, nextCursor: next === undefined ? null : encodeCursor(next) };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id`,
    summary: "Get an event definition by its id, or by its eventId",
    tags,
    operationId: "getEventDefinition",
    params: contract.reference,
    query: contract.versionQuery,
    permission: read,
    responses: { 200: contract.definitionResponse, 404: notFound },
    handler: ({ params, query, namespace }) => operations.getDefinition(db, { namespace, ref: params.id, ...query }),
  });

  http.route({
    method: "PATCH",
    url: `${base}/:id`,
    summary: "Change the name, description, examples or display of an event definition",
    tags,
    operationId: "changeEventDefinition",
    params: contract.reference,
    query: contract.versionQuery,
    body: contract.changeRequest,
    yaml: true,
    permission: write,
    responses: { 200: contract.definitionResponse, 400: "An example does not fit the schema.", 404: notFound },
    handler: ({ params, query, body, namespace }) =>
      db.transaction((tx) =>
        operations.changeDefinition(tx, { namespace, ref: params.id, ...query }, body as operations.Change),
      ),
  });

  for (const [verb, status, summary] of [
    ["activate", "active", "Check events by a version: the highest active one counts"],
    ["deprecate", "deprecated", "Check events by a version no more"],
  ] as const) {
    http.route({
      method: "POST",
      url: `${base}/:id/${verb}`,
      summary,
      tags,
      operationId: `${verb}EventDefinition`,
      params: contract.reference,
      query: contract.versionQuery,
      permission: write,
      responses: { 200: contract.definitionResponse, 404: notFound, 409: statusRefused },
      handler: ({ params, query, namespace }) =>
        db.transaction((tx) => operations.setStatus(tx, { namespace, ref: params.id, ...query }, status)),
    });
  }

  http.route({
    method: "DELETE",
    url: `${base}/:id`,
    summary: "Delete a draft",
    tags,
    operationId: "deleteEventDefinition",
    params: contract.reference,
    query: contract.versionQuery,
    permission: write,
    responses: { 204: "It is gone.", 404: notFound, 409: "It is no draft." },
    async handler({ params, query, namespace }) {
      await db.transaction((tx) => operations.deleteDefinition(tx, { namespace, ref: params.id, ...query }));
    },
  });
}
