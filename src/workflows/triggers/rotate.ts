/** A new secret for a webhook. */
import type { Db } from "../../foundation/database/index.ts";
import { parseDuration } from "../../foundation/duration.ts";
import { uuidv7 } from "../../foundation/ids.ts";
import { triggerErrors } from "./errors.ts";
import { keptSecret, makeSecret, secretFault } from "./hooks/secrets.ts";
import { lock, type Reference } from "./operations.ts";
import * as queries from "./queries.ts";

const dayMs = 86_400_000;
const longestOverlapMs = 30 * dayMs;

/**
 * Gives a webhook a new secret, good at once. The old ones stay good for `overlap`, so that the sender can change over
 * at any time in it; of more than four the oldest end at once. Throws `no_secret` and `trigger_invalid`.
 */
export async function rotateSecret(
  tx: Db,
  { secret: given, overlap, ...reference }: Reference & { secret?: string; overlap?: number | string },
): Promise<{ secret: string; previousExpireAt: string }> {
  const overlapMs = overlapOf(overlap);
  const { id, name, webhook } = await lock(tx, reference);
  if (webhook === null) throw triggerErrors.no_secret(`The trigger ${name} is no webhook, so it has no secret.`);
  const fault = secretFault(webhook.verification, given);
  if (fault !== undefined) {
    throw triggerErrors.trigger_invalid(`${fault.message}.`, { errors: [{ pointer: "/secret", ...fault }] });
  }
  const secret = given ?? makeSecret(webhook.verification);
  await tx.execute(queries.expireSecrets, [id, overlapMs]);
  await tx.execute(queries.deleteExpiredSecrets, [id]);
  await tx.execute(queries.insertSecret, [id, uuidv7(Date.now()), keptSecret(webhook.verification, secret)]);
  return { secret, previousExpireAt: new Date(Date.now() + overlapMs).toISOString() };
}

function overlapOf(overlap: number | string | undefined): number {
  if (overlap === undefined) return dayMs;
  let message: string;
  try {
    const overlapMs = parseDuration(overlap);
    if (overlapMs <= longestOverlapMs) return overlapMs;
    message = "is longer than 30 days";
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    message = error.message;
  }
  const expected = 'at most "P30D"; 0 ends the old secrets at once';
  throw triggerErrors.trigger_invalid(`/overlap ${message}.`, { errors: [{ pointer: "/overlap", message, expected }] });
}
