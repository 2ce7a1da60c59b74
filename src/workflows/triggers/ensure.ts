/** Triggers as programs declare them: by name, again and again. */
import type { z } from "zod";
import type { Engine } from "../../engine/index.ts";
import type { Database, Db } from "../../foundation/database/index.ts";
import { AppError } from "../../foundation/errors.ts";
import { compileBodyCheck } from "../../foundation/http/index.ts";
import { createRequest } from "./contract.ts";
import { triggerErrors } from "./errors.ts";
import * as operations from "./operations.ts";
import { fieldsOfBody } from "./request.ts";
import { rotateSecret } from "./rotate.ts";
import type { TriggerView } from "./views.ts";

const check = compileBodyCheck(createRequest);

/** As `POST /api/v1/workflow-triggers` takes it; not of kind `schedule`, which schedules are declared for. */
export type TriggerDocument = Omit<z.input<typeof createRequest>, "schedule" | "input">;

/**
 * Makes the trigger, or changes the one of that name to what is asked for. A secret that is given is the webhook's only one
 * from then on; where none is given one is made at the creation, and is in the answer of that time only.
 */
export async function ensureTrigger(
  { db, engine }: { db: Database; engine: Pick<Engine, "wakeRouters"> },
  { namespace, document, createdBy }: { namespace: string; document: TriggerDocument; createdBy: string },
): Promise<TriggerView & { secret?: string }> {
  const faults = check(document);
  if (faults.length > 0) throw triggerErrors.trigger_invalid("The trigger has faults.", { errors: faults });
  const secret = document.webhook?.secret;
  const answer = await db.transaction(async (tx) => {
    const known = await find(tx, { namespace, ref: document.name });
    if (known === undefined) {
      const given = { ...fieldsOfBody(document), namespace, createdBy, ...(secret !== undefined && { secret }) };
      const { trigger, secret: made } = await operations.createTrigger(tx, given, undefined);
      return { ...trigger, ...(made !== undefined && { secret: made }) };
    }
    const reference = { namespace, ref: known.id };
    const { trigger } = await operations.changeTrigger(tx, reference, ({ kind }) => fieldsOfBody(document, kind));
    if (secret !== undefined) await rotateSecret(tx, { ...reference, secret, overlap: 0 });
    return trigger;
  });
  engine.wakeRouters();
  return answer;
}

async function find(db: Db, reference: operations.Reference): Promise<TriggerView | undefined> {
  try {
    return await operations.getTrigger(db, reference);
  } catch (error) {
    if (error instanceof AppError && error.kind === "not_found") return undefined;
    throw error;
  }
}
