/** A call of a webhook, from the bytes to the event. */
import type { EventInput } from "../../../engine/index.ts";
import type { Db } from "../../../foundation/database/index.ts";
import { isUuid } from "../../../foundation/ids.ts";
import { triggerErrors } from "../errors.ts";
import { type HookRow, readHook } from "../queries.ts";
import type { Call } from "./call.ts";
import { eventOf } from "./read.ts";
import { verify } from "./verify.ts";

export interface Taken {
  eventId: string;
  /** `dead_lettered`: it does not fit its definition, and is kept for somebody to look at. */
  status: "accepted" | "duplicate" | "dead_lettered";
  timestamp: string;
}

export interface Receiver {
  db: Db;
  /** Takes events in as any others, answers in order; what it throws refuses the call. */
  publish(events: EventInput[]): Promise<Taken[]>;
  now?: () => number;
}

/**
 * Verifies a call and publishes it. A delivery that was published before is answered as a duplicate of its first, for
 * seven days, and nothing is done. Whether the webhook is enabled, and what is wrong with the body, learns only who signs.
 */
export async function receiveCall(
  { db, publish, now = Date.now }: Receiver,
  { triggerId, ...call }: Call & { triggerId: string },
): Promise<Taken> {
  const [row] = isUuid(triggerId) ? await db.query<HookRow>(readHook, [triggerId.toLowerCase()]) : [];
  if (!row?.webhook) throw triggerErrors.webhook_not_found("No webhook has this address.");
  const { id, namespace, name, eventPattern, webhook: settings, enabled, secrets } = row;
  verify(call, { settings, secrets: secrets ?? [], nowMs: now() });
  if (!enabled) throw triggerErrors.webhook_disabled("The webhook is disabled; nothing was done.");
  const [answer] = await publish([eventOf({ id, namespace, name, eventPattern, settings }, call)]);
  if (answer === undefined) throw new Error("an event was published without an answer");
  return answer;
}
