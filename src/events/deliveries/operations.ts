/** The verbs on deliveries that people ask for; `deliverer.ts` does the sending. */
import type { Db } from "../../foundation/database/index.ts";
import { isUuid, uuidv7 } from "../../foundation/ids.ts";
import type { Logger } from "../../foundation/log.ts";
import { nameFor } from "../filters.ts";
import { subscriptionErrors } from "../subscriptions/errors.ts";
import { type Named, readRow } from "../subscriptions/operations.ts";
import type { Deliverer } from "./deliverer.ts";
import { testEvent } from "./events.ts";
import { runHandler } from "./handler.ts";
import { cloudEvent, type Parcel } from "./model.ts";
import * as queries from "./queries.ts";

/** Newest first. Throws `subscription_not_found`. */
export async function listDeliveries(
  db: Db,
  { namespace, ...filter }: queries.ListFilter & { namespace: string },
): Promise<{ items: ReturnType<typeof summaryOf>[]; next: string | undefined }> {
  const { id: subscriptionId } = await readRow(db, { namespace, id: filter.subscriptionId });
  const rows = await queries.listDeliveryRows(db, { ...filter, subscriptionId, limit: filter.limit + 1 });
  const items = rows.slice(0, filter.limit).map(summaryOf);
  return { items, next: rows.length > filter.limit ? items.at(-1)?.id : undefined };
}

/** Throws `delivery_not_found`. */
export async function getDelivery(db: Db, { namespace, id }: Named) {
  const [row] = isUuid(id) ? await db.query<queries.DeliveryRow>(queries.readDelivery, [namespace, id]) : [];
  if (row === undefined) {
    throw subscriptionErrors.delivery_not_found(`There is no delivery ${id.slice(0, 64)} in this namespace.`);
  }
  return viewOf(row);
}

/** Sends it again, whatever became of it; one that is under way stays so. Needs the subscription to be there and not disabled. */
export async function retryDelivery(tx: Db, { by, ...named }: Named & { by: string }) {
  const { subscriptionId, id } = await getDelivery(tx, named);
  const { status } = await readRow(tx, { namespace: named.namespace, id: subscriptionId });
  if (status === "disabled") {
    const message = "The subscription of this delivery is disabled; enable it first.";
    throw subscriptionErrors.status_change_refused(message, { details: { subscriptionId, status } });
  }
  const [row] = await tx.query<queries.DeliveryRow>(queries.retryDelivery, [named.namespace, id, by]);
  return row === undefined ? await getDelivery(tx, named) : viewOf(row);
}

function summaryOf(row: queries.DeliverySummaryRow) {
  const { id, subscriptionId, eventId, replayId, status, attempts, isClaimed, nextAttemptAt, completedAt } = row;
  return {
    id,
    subscriptionId,
    eventId,
    ...(replayId !== null && { replayId }),
    status,
    attempts,
    underWay: status === "pending" && isClaimed,
    ...(status === "pending" && { nextAttemptAt }),
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
    ...(completedAt !== null && { completedAt }),
  };
}

function viewOf(row: queries.DeliveryRow) {
  return { ...summaryOf(row), history: row.history };
}

interface Testing {
  db: Db;
  log: Logger;
  deliverer: Deliverer;
  signal: AbortSignal;
}

/** Sends an event that nobody published, now, and gives what came back; nothing is recorded. */
export async function testSubscription({ db, log, deliverer, signal }: Testing, named: Named) {
  const row = await readRow(db, named);
  const id = uuidv7(Date.now());
  const event = testEvent(nameFor(row.eventPattern), { id, nowIso: new Date().toISOString() });
  const parcel: Parcel = { deliveryId: id, namespace: named.namespace, event, replayId: null };
  const { endpoint, handler: name, timeoutMs, id: subscriptionId } = row;
  const send = async () => {
    if (endpoint !== null) return await deliverer.sender.send(parcel, { ...row, endpoint }, signal);
    const handler = Object.hasOwn(deliverer.handlers, name!) ? deliverer.handlers[name!] : undefined;
    if (handler === undefined) {
      throw subscriptionErrors.handler_missing(`This node has no handler "${name}"; ask one that has it.`);
    }
    return await runHandler({ handler, parcel, subscriptionId, attempt: 1, timeoutMs, signal, log });
  };
  const { delivered, durationMs, status, body, failure } = await send();
  return {
    delivered,
    event: cloudEvent(parcel),
    durationMs,
    ...(status !== undefined && { status }),
    ...(body !== undefined && { body }),
    ...(failure !== undefined && { error: { code: failure.code, message: failure.message } }),
  };
}
