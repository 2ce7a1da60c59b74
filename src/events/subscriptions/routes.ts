/** `/api/v1/subscriptions`. Each route reads by the contract, calls one operation and answers. */
import type { Engine } from "../../engine/index.ts";
import type { Database } from "../../foundation/database/index.ts";
import { encodeCursor, type HttpServer, idOfCursor } from "../../foundation/http/index.ts";
import type { AddressJudge } from "../../foundation/outbound/index.ts";
import * as contract from "./contract.ts";
import * as operations from "./operations.ts";

export const base = "/api/v1/subscriptions";
export const tags = ["Event subscriptions"];
export const read = "events:read";
export const write = "events:write";
export const notFound = "There is no such subscription in this namespace.";
const invalid = "The subscription has faults; `errors` lists all of them.";

export interface SubscriptionParts {
  db: Database;
  engine: Pick<Engine, "wakeRouters">;
  judge: AddressJudge;
  /** Something may be due now. */
  wakeDeliveries(): void;
  /** What is pending for a subscription is void. */
  sweepDeliveries(): void;
  /** Has what one subscription missed sent to it. Gives the replay's id. */
  replayMissing(tx: Parameters<typeof operations.enableSubscription>[0], what: Missing): Promise<string>;
  wakeReplays(): void;
}

interface Missing {
  namespace: string;
  subscriptionId: string;
  eventPattern: string;
  since: string;
  requestedBy: string;
}

export function addSubscriptionRoutes(http: HttpServer, parts: SubscriptionParts): void {
  const { db, engine, judge, wakeDeliveries, sweepDeliveries, replayMissing, wakeReplays } = parts;

  http.route({
    method: "POST",
    url: base,
    summary: "Subscribe to events",
    description:
      "Events whose names fit the pattern, and for which the filter holds, are sent to a webhook as CloudEvents, signed " +
      "as Standard Webhooks says, or given to a handler of a program.",
    tags,
    operationId: "createSubscription",
    body: contract.createRequest,
    permission: write,
    responses: { 201: contract.createdResponse, 400: invalid, 409: "Another subscription has the name." },
    async handler({ body, namespace, caller, reply }) {
      const made = await db.transaction((tx) =>
        operations.createSubscription(tx, { namespace, given: body, judge, createdBy: caller.id }),
      );
      engine.wakeRouters();
      reply.code(201).header("location", `${base}/${made.id}`);
      return made;
    },
  });

  http.route({
    method: "GET",
    url: base,
    summary: "List subscriptions, newest first",
    tags,
    operationId: "listSubscriptions",
    query: contract.listQuery,
    permission: read,
    responses: { 200: contract.pageResponse, 400: "A filter cannot be understood." },
    async handler({ query, namespace }) {
      const { cursor, ...filter } = query;
      const list = { ...filter, namespace, before: idOfCursor(cursor) };
      const { items, next } = await operations.listSubscriptions(db, list);
      return { items, nextCursor: next === undefined ? null : encodeCursor(next) };
    },
  });

  http.route({
    method: "GET",
    url: `${base}/:id`,
    summary: "Get a subscription",
    tags,
    operationId: "getSubscription",
    params: contract.reference,
    permission: read,
    responses: { 200: contract.subscriptionResponse, 404: notFound },
    handler: ({ params, namespace }) => operations.getSubscription(db, { namespace, id: params.id }),
  });

  http.route({
    method: "PATCH",
    url: `${base}/:id`,
    summary: "Change a subscription",
    description: "Events that were routed before keep their way; attempts from now on go to the new address.",
    tags,
    operationId: "changeSubscription",
    params: contract.reference,
    body: contract.changeRequest,
    permission: write,
    responses: { 200: contract.subscriptionResponse, 400: invalid, 404: notFound },
    async handler({ params, body, namespace }) {
      const changed = await db.transaction((tx) =>
        operations.changeSubscription(tx, { namespace, id: params.id, given: body, judge }),
      );
      engine.wakeRouters();
      wakeDeliveries();
      return changed;
    },
  });

  http.route({
    method: "DELETE",
    url: `${base}/:id`,
    summary: "Delete a subscription",
    description: "What has not been sent is cancelled.",
    tags,
    operationId: "deleteSubscription",
    params: contract.reference,
    permission: write,
    responses: { 204: "It is gone.", 404: notFound },
    async handler({ params, namespace }) {
      await db.transaction((tx) => operations.deleteSubscription(tx, { namespace, id: params.id }));
      engine.wakeRouters();
      sweepDeliveries();
    },
  });

  http.route({
    method: "POST",
    url: `${base}/:id/suspend`,
    summary: "Hold deliveries back",
    description: "Events are kept meanwhile, and sent after the resume.",
    tags,
    operationId: "suspendSubscription",
    params: contract.reference,
    body: contract.suspendRequest,
    permission: write,
    responses: { 200: contract.subscriptionResponse, 404: notFound, 409: "It is not active." },
    async handler({ params, body, namespace }) {
      const what = { namespace, id: params.id, reason: body?.reason };
      const changed = await db.transaction((tx) => operations.suspendSubscription(tx, what));
      engine.wakeRouters();
      return changed;
    },
  });

  http.route({
    method: "POST",
    url: `${base}/:id/resume`,
    summary: "Let deliveries go on",
    tags,
    operationId: "resumeSubscription",
    params: contract.reference,
    permission: write,
    responses: { 200: contract.subscriptionResponse, 404: notFound, 409: "It is not suspended." },
    async handler({ params, namespace }) {
      const changed = await db.transaction((tx) => operations.resumeSubscription(tx, { namespace, id: params.id }));
      engine.wakeRouters();
      wakeDeliveries();
      return changed;
    },
  });

  http.route({
    method: "POST",
    url: `${base}/:id/enable`,
    summary: "Enable a subscription that was disabled",
    description:
      "It was disabled because its endpoint answered 410, or only failed for too long. With `replayMissing` a replay sends " +
      "what it has missed since.",
    tags,
    operationId: "enableSubscription",
    params: contract.reference,
    body: contract.enableRequest,
    permission: write,
    responses: { 200: contract.enabledResponse, 404: notFound, 409: "It is not disabled." },
    async handler({ params, body, namespace, caller }) {
      const answer = await db.transaction(async (tx) => {
        const { subscription, missedSince } = await operations.enableSubscription(tx, { namespace, id: params.id });
        if (body?.replayMissing !== true) return subscription;
        const { id: subscriptionId, eventPattern } = subscription;
        const since = body.since ?? missedSince;
        const what = { namespace, subscriptionId, eventPattern, since, requestedBy: caller.id };
        return { ...subscription, replayId: await replayMissing(tx, what) };
      });
      engine.wakeRouters();
      wakeDeliveries();
      wakeReplays();
      return answer;
    },
  });

  http.route({
    method: "POST",
    url: `${base}/:id/rotate-secret`,
    summary: "Make a new signing secret",
    description: "Requests carry signatures of both secrets until the overlap is over.",
    tags,
    operationId: "rotateSubscriptionSecret",
    params: contract.reference,
    body: contract.rotateRequest,
    permission: write,
    responses: { 200: contract.rotatedResponse, 400: invalid, 404: notFound, 409: "It is no webhook." },
    handler: ({ params, body, namespace }) =>
      db.transaction((tx) => operations.rotateSecret(tx, { ...body, namespace, id: params.id })),
  });
}
