/** `/api/v1/workflows/definitions`. Each route reads by the contract, calls one operation and answers. */
import type { Database } from "../foundation/database/index.ts";
import { encodeCursor, type HttpServer, idOfCursor, textOfCursor } from "../foundation/http/index.ts";
import * as contract from "./contract.ts";
import { publishedSchema } from "./document.ts";
import { workflowErrors } from "./errors.ts";
import { type VisibleStatus, visibleStatuses } from "./model.ts";
import * as operations from "./operations.ts";
import { maxDocumentBytes } from "./schema/parts.ts";
import { nearest, oneOf } from "./validate/nearest.ts";

const base = "/api/v1/workflows/definitions";
const tags = ["Definitions"];
const read = "workflows:read";
const write = "workflows:write";
const notFound = "There is no such definition in this namespace.";
const invalid = "The document has faults; `errors` lists all of them.";
const inUse = "The version has instances.";

/** Text has more bytes than what it says: blanks, comments, escapes. */
const bodyLimitBytes = 4 * maxDocumentBytes;

export interface Definitions {
  db: Database;
  isUsed: operations.IsUsed;
}

export function addDefinitionRoutes(http: HttpServer, { db, isUsed }: Definitions): void {
  const document = { body: contract.documentBody, yaml: true, bodyLimitBytes, tags };

  http.route({
    ...document,
    method: "POST",
    url: base,
    summary: "Create a version of a workflow",
    description: "The same content again changes nothing. Without a version it becomes the next minor one.",
    operationId: "createWorkflowDefinition",
    permission: write,
    responses: {
      201: contract.createdResponse,
      200: contract.createdResponse,
      400: invalid,
      409: `${inUse} Other content needs another version.`,
    },
    async handler({ body, namespace, caller, reply }) {
      const { created, definition, warnings } = await db.transaction((tx) =>
        operations.createDefinition(tx, { isUsed, namespace, document: body, createdBy: caller.id }),
      );
      reply.code(created ? 201 : 200).header("location", `${base}/${definition.id}`);
      return { ...definition, warnings };
    },
  });

  http.route({
    ...document,
    method: "POST",
    url: `${base}/validate`,
    summary: "Check a definition without storing it",
    operationId: "validateWorkflowDefinition",
    permission: read,
    responses: { 200: contract.validationResponse },
    handler: ({ body }) => {
      const { document: definition, errors, warnings } = operations.validateDefinition(body);
      return { valid: definition !== undefined, errors, warnings, definition };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/schema`,
    summary: "The JSON Schema of a definition",
    description: "JSON Schema 2020-12, for editors and tools.",
    tags,
    operationId: "getWorkflowDefinitionSchema",
    permission: read,
    responses: { 200: { description: "The schema.", contentType: "application/schema+json" } },
    handler: ({ reply }) =>
      reply.type("application/schema+json; charset=utf-8").send(JSON.stringify(publishedSchema())),
  });

  http.route({
    method: "GET",
    url: base,
    summary: "List versions of workflows, newest first",
    tags,
    operationId: "listWorkflowDefinitions",
    query: contract.listQuery,
    permission: read,
    responses: { 200: contract.pageResponse, 400: "A filter cannot be understood." },
    async handler({ query, namespace }) {
      const { workflowId, name, latest, limit } = query;
      const before = idOfCursor(query.cursor);
      const filter = { namespace, workflowId, statuses: statusesOf(query.status), name, latest, before, limit };
      const { items, next } = await operations.listDefinitions(db, filter);
      return { items, nextCursor: next === undefined ? null : encodeCursor(next) };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id`,
    summary: "Get a version by its id, or a workflow's latest",
    tags,
    operationId: "getWorkflowDefinition",
    params: contract.reference,
    query: contract.versionQuery,
    permission: read,
    responses: { 200: contract.definitionResponse, 404: notFound },
    handler: ({ params, query, namespace }) =>
      operations.getDefinition(db, { namespace, ref: params.id, version: query.version }),
  });

  http.route({
    ...document,
    method: "PUT",
    url: `${base}/:id`,
    summary: "Create a new version of the workflow that `id` names",
    description: "As creating one; the `workflowId` may be absent, and must be that of `id` when given.",
    operationId: "putWorkflowDefinition",
    params: contract.reference,
    permission: write,
    responses: {
      201: contract.createdResponse,
      200: contract.createdResponse,
      400: invalid,
      404: notFound,
      409: `${inUse} Other content needs another version.`,
    },
    async handler({ params, body, namespace, caller, reply }) {
      const { created, definition, warnings } = await db.transaction((tx) =>
        operations.putDefinition(tx, { isUsed, namespace, ref: params.id, document: body, createdBy: caller.id }),
      );
      reply.code(created ? 201 : 200).header("location", `${base}/${definition.id}`);
      return { ...definition, warnings };
    },
  });

  http.route({
    method: "DELETE",
    url: `${base}/:id`,
    summary: "Delete a version that no instance used",
    tags,
    operationId: "deleteWorkflowDefinition",
    params: contract.reference,
    query: contract.versionQuery,
    permission: write,
    responses: { 204: "It is gone.", 404: notFound, 409: `${inUse} Deprecate it.` },
    async handler({ params, query, namespace }) {
      const reference = { namespace, ref: params.id, version: query.version };
      await db.transaction((tx) => operations.deleteDefinition(tx, { ...reference, isUsed }));
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id/versions`,
    summary: "List the versions of a workflow, highest first",
    tags,
    operationId: "listWorkflowDefinitionVersions",
    params: contract.reference,
    query: contract.versionsQuery,
    permission: read,
    responses: { 200: contract.pageResponse, 400: "The cursor is not one of this list.", 404: notFound },
    async handler({ params, query, namespace }) {
      const below = textOfCursor(query.cursor);
      const found = await operations.listVersions(db, { namespace, ref: params.id, below, limit: query.limit });
      return { items: found.items, nextCursor: found.next === undefined ? null : encodeCursor(found.next) };
    },
  });

  const changes = {
    activate: { change: operations.activate, summary: "Let a draft or deprecated version be started by default" },
    deprecate: { change: operations.deprecate, summary: "Take a version out of the choice of the latest" },
  } as const;
  for (const [name, { change, summary }] of Object.entries(changes)) {
    http.route({
      method: "POST",
      url: `${base}/:id/${name}`,
      summary,
      tags,
      operationId: `${name}WorkflowDefinition`,
      params: contract.reference,
      query: contract.versionQuery,
      permission: write,
      responses: { 200: contract.definitionResponse, 404: notFound, 409: "The version's status forbids it." },
      handler: ({ params, query, namespace }) =>
        db.transaction((tx) => change(tx, { namespace, ref: params.id, version: query.version })),
    });
  }
}

function statusesOf(list: string | undefined): VisibleStatus[] | undefined {
  return list?.split(",").map((given) => {
    const status = visibleStatuses.find((known) => known === given.trim().toLowerCase());
    if (status !== undefined) return status;
    const errors = [
      {
        pointer: "/query/status",
        message: `${JSON.stringify(given)} is not a status`,
        expected: oneOf(visibleStatuses, nearest(given, visibleStatuses)),
      },
    ];
    throw workflowErrors.filter_invalid("The filter status cannot be understood.", { errors });
  });
}
