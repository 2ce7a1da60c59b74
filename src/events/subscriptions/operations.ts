/** The verbs on subscriptions. Those that change something need an open transaction; `wakeRouters` after its commit. */
import type { Db } from "../../foundation/database/index.ts";
import { parseDuration } from "../../foundation/duration.ts";
import { isUuid, uuidv7 } from "../../foundation/ids.ts";
import type { AddressJudge } from "../../foundation/outbound/index.ts";
import { type Given, nothingYet, type Wanted, wantedOf } from "./check.ts";
import { subscriptionErrors } from "./errors.ts";
import { makeSecret, rotated, type Secret, secretFault, usualOverlapMs } from "./model.ts";
import * as queries from "./queries.ts";
import { type SubscriptionView, viewOf } from "./views.ts";

export interface NewSubscription {
  namespace: string;
  given: Given & { name?: string; secret?: string; status?: "active" | "suspended" };
  judge: AddressJudge;
  createdBy: string;
}

/** The secret is in the answer and nowhere else. Throws `subscription_invalid`, `name_exists`. */
export async function createSubscription(
  tx: Db,
  { namespace, given, judge, createdBy }: NewSubscription,
): Promise<SubscriptionView & { secret?: string }> {
  const wanted = wantedOf(given, nothingYet, judge);
  const secret = wanted.subscriberType === "webhook" ? secretOf(given.secret) : undefined;
  const secrets: Secret[] = secret === undefined ? [] : [{ secret, createdAt: new Date().toISOString() }];
  const { status = "active", name = null } = given;
  const [row] = await tx.query<queries.SubscriptionRow>(queries.insertSubscription, [
    uuidv7(Date.now()),
    namespace,
    name,
    ...valuesOf(wanted, secrets),
    status,
    createdBy,
  ]);
  if (row === undefined) throw subscriptionErrors.name_exists(`There is a subscription named ${name} already.`);
  return { ...viewOf(row), ...(secret !== undefined && { secret }) };
}

function valuesOf(wanted: Wanted, secrets: Secret[]): unknown[] {
  return [
    wanted.eventPattern,
    wanted.subscriberType,
    wanted.endpoint,
    wanted.handler,
    JSON.stringify(wanted.headers),
    wanted.authentication && JSON.stringify(wanted.authentication),
    JSON.stringify(secrets),
    wanted.filter,
    JSON.stringify(wanted.retryPolicy),
    wanted.timeoutMs,
    wanted.maxConcurrency,
    wanted.disableAfterMs,
    wanted.description,
  ];
}

function secretOf(given: string | undefined): string {
  if (given === undefined) return makeSecret();
  const fault = secretFault(given);
  if (fault === undefined) return given;
  const errors = [{ pointer: "/secret", message: fault, expected: "whsec_ and the base64 of 24 to 64 bytes" }];
  throw subscriptionErrors.subscription_invalid(`The secret ${fault}.`, { errors });
}

export interface Named {
  namespace: string;
  id: string;
}

/** Throws `subscription_not_found`. */
export async function getSubscription(db: Db, named: Named): Promise<SubscriptionView> {
  return viewOf(await readRow(db, named));
}

export async function readRow(db: Db, { namespace, id }: Named): Promise<queries.SubscriptionRow> {
  const [row] = isUuid(id) ? await db.query<queries.SubscriptionRow>(queries.readSubscription, [namespace, id]) : [];
  return row ?? notFound(id);
}

async function lock(tx: Db, { namespace, id }: Named): Promise<queries.SubscriptionRow> {
  const [row] = isUuid(id) ? await tx.query<queries.SubscriptionRow>(queries.lockSubscription, [namespace, id]) : [];
  return row ?? notFound(id);
}

export function notFound(id: string): never {
  throw subscriptionErrors.subscription_not_found(`There is no subscription ${id.slice(0, 64)} in this namespace.`);
}

/** Newest first; `next` is the id below which the next page begins. */
export async function listSubscriptions(
  db: Db,
  filter: queries.ListFilter,
): Promise<{ items: SubscriptionView[]; next: string | undefined }> {
  const rows = await queries.listSubscriptionRows(db, { ...filter, limit: filter.limit + 1 });
  const items = rows.slice(0, filter.limit).map(viewOf);
  return { items, next: rows.length > filter.limit ? items.at(-1)?.id : undefined };
}

/** What becomes a webhook gets a secret, which a rotation shows. Deliveries under way keep what they began with. */
export async function changeSubscription(
  tx: Db,
  { judge, given, ...named }: Named & { given: Given; judge: AddressJudge },
): Promise<SubscriptionView> {
  const before = await lock(tx, named);
  const wanted = wantedOf(given, before, judge);
  const isNewWebhook = wanted.subscriberType === "webhook" && before.secrets.length === 0;
  const fresh: Secret[] = isNewWebhook ? [{ secret: makeSecret(), createdAt: new Date().toISOString() }] : [];
  const values = [named.namespace, named.id, ...valuesOf(wanted, [...before.secrets, ...fresh])];
  const [row] = await tx.query<queries.SubscriptionRow>(queries.replaceSubscription, values);
  return row === undefined ? notFound(named.id) : viewOf(row);
}

/** The subscription of this name as it is asked for: made, or changed. For programs, which say so at every start. */
export async function ensureSubscription(
  tx: Db,
  what: NewSubscription & { given: { name: string } },
): Promise<SubscriptionView & { secret?: string }> {
  const { namespace, given, judge } = what;
  const values = [namespace, given.name];
  const [existing] = await tx.query<queries.SubscriptionRow>(queries.readSubscriptionByName, values);
  if (existing === undefined) return await createSubscription(tx, what);
  const { name: _, secret: __, status: ___, ...change } = given;
  return await changeSubscription(tx, { namespace, id: existing.id, given: change, judge });
}

/** Nothing is sent; what comes meanwhile is kept and sent after the resume. */
export async function suspendSubscription(
  tx: Db,
  { reason, ...named }: Named & { reason?: string },
): Promise<SubscriptionView> {
  return await changeStatus(tx, named, { from: ["active"], to: "suspended", reason });
}

export async function resumeSubscription(tx: Db, named: Named): Promise<SubscriptionView> {
  return await changeStatus(tx, named, { from: ["suspended"], to: "active" });
}

/** Gives also from when on events were missed. */
export async function enableSubscription(
  tx: Db,
  named: Named,
): Promise<{ subscription: SubscriptionView; missedSince: string }> {
  const { missedSince, updatedAt } = await lock(tx, named);
  const subscription = await changeStatus(tx, named, { from: ["disabled"], to: "active" });
  return { subscription, missedSince: missedSince ?? updatedAt };
}

async function changeStatus(
  tx: Db,
  { namespace, id }: Named,
  { from, to, reason }: { from: string[]; to: string; reason?: string },
): Promise<SubscriptionView> {
  const { status } = await lock(tx, { namespace, id });
  if (!from.includes(status)) {
    const advice = status === "disabled" ? "; enable it first" : "";
    throw subscriptionErrors.status_change_refused(
      `The subscription is ${status}; only one that is ${from.join(" or ")} becomes ${to}${advice}.`,
      { details: { status } },
    );
  }
  const values = [namespace, id, to, reason ?? null];
  const [row] = await tx.query<queries.SubscriptionRow>(queries.setStatus, values);
  return row === undefined ? notFound(id) : viewOf(row);
}

/** Deliveries that are pending are cancelled soon. */
export async function deleteSubscription(tx: Db, named: Named): Promise<void> {
  await lock(tx, named);
  await tx.execute(queries.deleteSubscription, [named.namespace, named.id]);
}

/** The new secret signs from now on; the former ones sign beside it until the overlap is over. */
export async function rotateSecret(
  tx: Db,
  { secret: given, overlap, ...named }: Named & { secret?: string; overlap?: number | string },
): Promise<SubscriptionView & { secret: string }> {
  const secret = secretOf(given);
  const overlapMs = overlapOf(overlap);
  const { secrets, subscriberType } = await lock(tx, named);
  if (subscriberType !== "webhook") {
    throw subscriptionErrors.unsigned("The subscription is a handler in a program; there is nothing to sign.");
  }
  const next = rotated(secrets, { secret, nowMs: Date.now(), overlapMs });
  const values = [named.namespace, named.id, JSON.stringify(next)];
  const [row] = await tx.query<queries.SubscriptionRow>(queries.setSecrets, values);
  return row === undefined ? notFound(named.id) : { ...viewOf(row), secret };
}

function overlapOf(overlap: number | string | undefined): number {
  if (overlap === undefined) return usualOverlapMs;
  try {
    return parseDuration(overlap);
  } catch (error) {
    const message = error instanceof Error ? error.message : "is not a duration";
    const errors = [{ pointer: "/overlap", message }];
    throw subscriptionErrors.subscription_invalid(`The overlap cannot be read: ${message}.`, { errors });
  }
}
