/** Operations on many instances. */
import { demandPermission, encodeCursor, type HttpServer, idOfCursor } from "../../../foundation/http/index.ts";
import type { BulkAction } from "../bulk/model.ts";
import { cancelBulk, createBulk, getBulk, listBulks, previewBulk } from "../bulk/operations.ts";
import { bulkWishOf } from "../bulk/request.ts";
import { pageQuery } from "../contract.ts";
import * as contract from "../contract_bulk.ts";
import type { Instances } from "../operations.ts";
import { base, permissions, tags } from "./shared.ts";

const bulk = `${base}/bulk`;
const notFound = "There is no such operation in this namespace.";

/** What a caller must hold to do to many what the action does to one. */
function permissionOf(action: BulkAction): string {
  if (action === "cancel") return permissions.cancel;
  return action === "restart" ? permissions.start : permissions.control;
}

/** `wake` tells this node's worker that there is something to do. */
export function addBulkRoutes(http: HttpServer, instances: Instances, wake: () => void): void {
  http.route({
    method: "POST",
    url: bulk,
    summary: "Act on many instances",
    description:
      "By `filter` or by `ids`. With `dryRun` only counts them. Otherwise the operation goes on by itself, whatever " +
      "becomes of this node. Beside this route's permission the caller needs that of the action.",
    tags,
    operationId: "createBulkOperation",
    body: contract.bulkRequest,
    permission: permissions.read,
    responses: {
      200: contract.bulkPreview,
      202: contract.bulkAccepted,
      400: "Fields do not go together, or the filter is empty.",
    },
    async handler({ body, namespace, caller, reply }) {
      demandPermission(caller, permissionOf(body.action));
      const wish = { ...bulkWishOf(body), namespace };
      if (body.dryRun === true) return await previewBulk(instances, wish);
      const accepted = await createBulk(instances, { ...wish, requestedBy: caller.id });
      wake();
      reply.code(202).header("location", `${bulk}/${accepted.operationId}`);
      return accepted;
    },
  });

  http.route({
    method: "GET",
    url: bulk,
    summary: "List operations on many instances, newest first",
    tags,
    operationId: "listBulkOperations",
    query: pageQuery,
    permission: permissions.read,
    responses: { 200: contract.bulkList, 400: "The cursor is not one of this list." },
    async handler({ query, namespace }) {
      const { limit, cursor } = query;
      const { items, next } = await listBulks(instances, { namespace, before: idOfCursor(cursor), limit });
      return { items, nextCursor: next === undefined ? null : encodeCursor(next) };
    },
  });

  http.route({
    method: "GET",
    url: `${bulk}/:operationId`,
    summary: "Say how far an operation is",
    tags,
    operationId: "getBulkOperation",
    params: contract.bulkReference,
    permission: permissions.read,
    responses: { 200: contract.bulkOperation, 404: notFound },
    handler: ({ params, namespace }) => getBulk(instances, { namespace, operationId: params.operationId }),
  });

  http.route({
    method: "POST",
    url: `${bulk}/:operationId/cancel`,
    summary: "End an operation where it stands",
    description: "What it has done stays done; what it has in hand at this moment is still done and counted.",
    tags,
    operationId: "cancelBulkOperation",
    params: contract.bulkReference,
    permission: permissions.control,
    responses: { 200: contract.bulkOperation, 404: notFound, 409: "It has ended." },
    handler: ({ params, namespace }) => cancelBulk(instances, { namespace, operationId: params.operationId }),
  });
}
