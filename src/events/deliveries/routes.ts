/** What has been sent to a subscription and what is to be. Each route reads by the contract, calls one operation and answers. */
import type { Database } from "../../foundation/database/index.ts";
import { encodeCursor, type HttpServer, idOfCursor } from "../../foundation/http/index.ts";
import type { Logger } from "../../foundation/log.ts";
import * as subscriptions from "../subscriptions/contract.ts";
import { base, notFound, read, tags, write } from "../subscriptions/routes.ts";
import * as contract from "./contract.ts";
import type { Deliverer } from "./deliverer.ts";
import * as operations from "./operations.ts";

const noDelivery = "There is no such delivery in this namespace.";

export function addDeliveryRoutes(
  http: HttpServer,
  { db, log, deliverer }: { db: Database; log: Logger; deliverer: Deliverer },
): void {
  http.route({
    method: "POST",
    url: `${base}/:id/test`,
    summary: "Send a test event now, and say what came back",
    description: "Signed and sent like any other, once; also while the subscription is suspended or disabled.",
    tags,
    operationId: "testSubscription",
    params: subscriptions.reference,
    permission: write,
    responses: { 200: subscriptions.testResponse, 404: notFound, 409: "This node has not the handler." },
    handler: ({ params, namespace, signal }) =>
      operations.testSubscription({ db, log, deliverer, signal }, { namespace, id: params.id }),
  });

  http.route({
    method: "GET",
    url: `${base}/:id/deliveries`,
    summary: "List a subscription's deliveries, newest first",
    tags,
    operationId: "listDeliveries",
    params: subscriptions.reference,
    query: contract.listQuery,
    permission: read,
    responses: { 200: contract.pageResponse, 400: "A filter cannot be understood.", 404: notFound },
    async handler({ params, query, namespace }) {
      const { cursor, ...filter } = query;
      const list = { ...filter, namespace, subscriptionId: params.id, before: idOfCursor(cursor) };
      const { items, next } = await operations.listDeliveries(db, list);
      return { items, nextCursor: next === undefined ? null : encodeCursor(next) };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/deliveries/:id`,
    summary: "Get a delivery and its attempts",
    tags,
    operationId: "getDelivery",
    params: contract.reference,
    permission: read,
    responses: { 200: contract.deliveryResponse, 404: noDelivery },
    handler: ({ params, namespace }) => operations.getDelivery(db, { namespace, id: params.id }),
  });

  http.route({
    method: "POST",
    url: `${base}/deliveries/:id/retry`,
    summary: "Send an event again",
    description:
      "Under the same webhook-id, from the first attempt on; also one that was delivered, failed or cancelled.",
    tags,
    operationId: "retryDelivery",
    params: contract.reference,
    permission: write,
    responses: { 202: contract.deliveryResponse, 404: noDelivery, 409: "The subscription is disabled." },
    async handler({ params, namespace, caller }) {
      const delivery = await db.transaction((tx) =>
        operations.retryDelivery(tx, { namespace, id: params.id, by: caller.id }),
      );
      deliverer.wake();
      return delivery;
    },
  });
}
