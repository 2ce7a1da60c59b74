/** `/api/v1/workflows/templates`. Each route reads by the contract, calls one operation and answers. */
import { encodeCursor, type HttpServer, textOfCursor } from "../../foundation/http/index.ts";
import { isUuid } from "../../foundation/ids.ts";
import { createdResponse } from "../contract.ts";
import type { Definitions } from "../routes.ts";
import * as contract from "./contract.ts";
import { maxTemplateBytes } from "./fill.ts";
import * as operations from "./operations.ts";

const base = "/api/v1/workflows/templates";
const definitions = "/api/v1/workflows/definitions";
const tags = ["Templates"];
const read = "workflows:read";
const write = "workflows:write";
const notFound = "There is no such template in this namespace.";
const builtin = "It is a built-in template.";

/** Text has more bytes than what it says: blanks, comments, escapes. */
const bodyLimitBytes = 4 * maxTemplateBytes;

export function addTemplateRoutes(http: HttpServer, { db, isUsed }: Definitions): void {
  http.route({
    method: "POST",
    url: base,
    summary: "Create a version of a template",
    description: "The same content again changes nothing but description, category and whether it is active.",
    tags,
    operationId: "createWorkflowTemplate",
    body: contract.createRequest,
    yaml: true,
    bodyLimitBytes,
    permission: write,
    responses: {
      201: contract.createdTemplateResponse,
      200: contract.createdTemplateResponse,
      400: "The template has faults; `errors` lists all of them.",
      409: "The version exists with other content, or the name is that of a built-in template.",
    },
    async handler({ body, namespace, caller, reply }) {
      const { created, template, warnings } = await db.transaction((tx) =>
        operations.createTemplate(tx, { ...body, namespace, createdBy: caller.id }),
      );
      reply.code(created ? 201 : 200).header("location", `${base}/${template.id}`);
      return { ...template, warnings };
    },
  });

  http.route({
    method: "GET",
    url: base,
    summary: "List templates: the namespace's own, newest first, then the built-in ones",
    tags,
    operationId: "listWorkflowTemplates",
    query: contract.listQuery,
    permission: read,
    responses: { 200: contract.pageResponse, 400: "A filter cannot be understood." },
    async handler({ query, namespace }) {
      const { cursor, ...filter } = query;
      const { items, next } = await operations.listTemplates(db, { ...filter, namespace, ...placeOfCursor(cursor) });
      return { items, nextCursor: next === undefined ? null : encodeCursor(next) };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id`,
    summary: "Get a template by its id or its name",
    tags,
    operationId: "getWorkflowTemplate",
    params: contract.reference,
    permission: read,
    responses: { 200: contract.templateResponse, 404: notFound },
    handler: ({ params, namespace }) => operations.getTemplate(db, { namespace, ref: params.id }),
  });

  http.route({
    method: "PATCH",
    url: `${base}/:id`,
    summary: "Change a template's description or category, or whether it may be used",
    tags,
    operationId: "changeWorkflowTemplate",
    params: contract.reference,
    body: contract.changeRequest,
    yaml: true,
    permission: write,
    responses: { 200: contract.templateResponse, 404: notFound, 409: builtin },
    handler: ({ params, body, namespace }) =>
      db.transaction((tx) => operations.changeTemplate(tx, { namespace, ref: params.id }, body)),
  });

  http.route({
    method: "DELETE",
    url: `${base}/:id`,
    summary: "Delete a version of a template",
    description: "Definitions that were made of it stay.",
    tags,
    operationId: "deleteWorkflowTemplate",
    params: contract.reference,
    permission: write,
    responses: { 204: "It is gone.", 404: notFound, 409: builtin },
    async handler({ params, namespace }) {
      await db.transaction((tx) => operations.deleteTemplate(tx, { namespace, ref: params.id }));
    },
  });

  http.route({
    method: "POST",
    url: `${base}/:id/instantiate`,
    summary: "Create a definition from a template",
    description: "With `dryRun` the answer is what would be stored.",
    tags,
    operationId: "instantiateWorkflowTemplate",
    params: contract.reference,
    body: contract.instantiateRequest,
    yaml: true,
    permission: write,
    responses: {
      201: createdResponse,
      200: contract.unchangedOrPreview,
      400: "The parameters do not fit; `errors` has a pointer to each.",
      404: notFound,
      409: "The template is not active, or the version of the workflow has instances and other content.",
    },
    async handler({ params, body, namespace, caller, reply }) {
      const { dryRun, ...given } = body;
      const what = { ...given, isUsed, namespace, ref: params.id, createdBy: caller.id };
      if (dryRun === true) {
        const preview = await operations.previewTemplate(db, what);
        reply.code(200);
        return { dryRun: true, ...preview };
      }
      const { created, definition, warnings } = await db.transaction((tx) => operations.instantiateTemplate(tx, what));
      reply.code(created ? 201 : 200).header("location", `${definitions}/${definition.id}`);
      return { ...definition, warnings };
    },
  });
}

/** A cursor is the last item's id: a UUID among the namespace's own, a name among the built-in ones. */
function placeOfCursor(cursor: string | undefined): { before?: string; after?: string } {
  const value = textOfCursor(cursor);
  if (value === undefined) return {};
  return isUuid(value) ? { before: value } : { after: value };
}
