/** Handing one dead letter on again. */
import type { Engine, Json } from "../../engine/index.ts";
import type { Database, Db } from "../../foundation/database/index.ts";
import { uuidv7 } from "../../foundation/ids.ts";
import { deadLetterErrors } from "./errors.ts";
import { eventOfLetter, subscriberOf } from "./model.ts";
import { getRow, letterClosed } from "./operations.ts";
import * as queries from "./queries.ts";
import { viewOf } from "./views.ts";

export interface DeadLetters {
  db: Database;
  engine: Pick<Engine, "publish" | "routeAgain" | "wakeRouters">;
  /** Deliveries are due. */
  wakeDeliveries(): void;
}

export interface Reprocess {
  namespace: string;
  id: string;
  /** In the place of the event's. */
  payload?: Json;
  by: string;
}

/**
 * Hands a pending letter on: an event that was refused is published, a trigger gets its event again, a delivery is sent
 * again. Whether it is taken shows in the letter: `resolved`, or `pending` with one more entry of its history. After a
 * crash in the middle the letter is pending or handed on, never both. Throws `letter_not_found`, `letter_closed`,
 * `not_reprocessable`.
 */
export async function reprocessLetter(parts: DeadLetters, what: Reprocess) {
  const { db, engine, wakeDeliveries } = parts;
  const letter = await getRow(db, what);
  if (letter.status !== "pending") throw letterClosed(letter);
  const subscriber = subscriberOf(letter.subscriberId);
  switch (subscriber.kind) {
    case "intake":
      return await publishAnew(parts, letter, what);
    case "trigger": {
      const taken = await db.transaction((tx) => routeAgain(tx, { engine, triggerId: subscriber.id }, what));
      engine.wakeRouters();
      return taken;
    }
    case "subscription": {
      const taken = await db.transaction((tx) => sendAgain(tx, letter, what));
      wakeDeliveries();
      return taken;
    }
    case "other":
      throw gone(`Letters of ${letter.subscriberId} are not handed on from here; resolve or discard it.`);
  }
}

/** The event's own id, or the letter's, keeps a second try from publishing it twice. */
async function publishAnew(
  { db, engine }: DeadLetters,
  letter: queries.LetterRow,
  { payload, by, ...named }: Reprocess,
) {
  const { namespace } = named;
  const eventId = letter.eventId ?? letter.id;
  const event = eventOfLetter(letter.originalEvent, { namespace, eventId, payload });
  if (event === undefined) throw gone("The event of this letter has no name, so it cannot be published.");
  const [answer] = await engine.publish([event]);
  const notes = `Published as ${answer!.eventId} (${answer!.status})`;
  const values = [namespace, letter.id, "resolved", "manual_retry", by, notes];
  const [row] = await db.query<queries.LetterRow>(queries.closeLetter, values);
  return viewOf(row ?? (await getRow(db, named)));
}

async function routeAgain(
  tx: Db,
  { engine, triggerId }: { engine: DeadLetters["engine"]; triggerId: string },
  { payload, by, ...named }: Reprocess,
) {
  const letter = await take(tx, { ...named, by });
  if (letter.eventInstanceId === null) throw gone("The event of this letter never was accepted.");
  await engine.routeAgain(tx, [
    {
      namespace: named.namespace,
      id: letter.eventInstanceId,
      targets: [triggerId],
      deadLetterId: letter.id,
      resolution: { strategy: "manual_retry", by },
      ...(payload !== undefined && { payload }),
    },
  ]);
  return viewOf(letter);
}

interface DeliveryOfLetter {
  id: string;
  subscriptionStatus: string | null;
  hasEvent: boolean;
}

async function sendAgain(tx: Db, { deliveryId }: queries.LetterRow, { payload, ...what }: Reprocess) {
  const [delivery] = await tx.query<DeliveryOfLetter>(queries.readDeliveryOfLetter, [deliveryId]);
  if (delivery?.hasEvent !== true) throw gone("The delivery of this letter, or its event, was removed by retention.");
  if (delivery.subscriptionStatus === null) throw gone("The subscription of this letter is deleted.");
  if (delivery.subscriptionStatus === "disabled") throw gone("The subscription is disabled; enable it first.");
  const letter = await take(tx, what);
  if (payload === undefined) {
    await tx.execute(queries.rearmDelivery, [delivery.id]);
    return viewOf(letter);
  }
  const edited = uuidv7(Date.now());
  await tx.execute(queries.insertEditedDelivery, [delivery.id, edited, JSON.stringify(payload), letter.id]);
  return viewOf({ ...letter, deliveryId: edited });
}

async function take(tx: Db, { namespace, id, by }: Omit<Reprocess, "payload">): Promise<queries.LetterRow> {
  const [row] = await tx.query<queries.LetterRow>(queries.takeLetter, [namespace, id, by]);
  if (row === undefined) throw letterClosed(await getRow(tx, { namespace, id }));
  return row;
}

function gone(message: string): Error {
  return deadLetterErrors.not_reprocessable(message);
}
