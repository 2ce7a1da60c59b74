/** Schedules of programs that embed the engine: documents as over HTTP, stored at every start of the program. */
import { isDeepStrictEqual } from "node:util";
import type { Engine } from "../../engine/index.ts";
import type { Database } from "../../foundation/database/index.ts";
import { createRequest } from "./contract.ts";
import { scheduleErrors } from "./errors.ts";
import * as operations from "./operations.ts";
import * as queries from "./queries.ts";
import { settingsOfRequest } from "./request.ts";
import type { ScheduleView } from "./views.ts";

/** Stores a schedule, or gives the one with its name these settings; the same again changes nothing, nor ends a pause. */
export async function ensureSchedule(
  { db, engine }: { db: Database; engine: Pick<Engine, "postSchedule" | "wakeSchedule"> },
  { namespace, document, createdBy }: { namespace: string; document: unknown; createdBy: string },
): Promise<ScheduleView> {
  const parsed = createRequest.safeParse(document);
  if (!parsed.success) {
    const errors = parsed.error.issues.map(({ path, message }) => ({ pointer: `/${path.join("/")}`, message }));
    throw scheduleErrors.schedule_invalid(`The schedule cannot be used: ${errors[0]?.message}.`, { errors });
  }
  const { paused, ...body } = parsed.data;
  const settings = settingsOfRequest(body);
  const post = engine.postSchedule;
  const view = await db.transaction(async (tx) => {
    const [known] = await tx.query<{ id: string }>(queries.findSchedule, [namespace, settings.name]);
    if (known === undefined) {
      const more = paused === undefined ? {} : { paused };
      return await operations.createSchedule(tx, { namespace, settings, createdBy, post, ...more });
    }
    const row = await operations.readRow(tx, { namespace, ref: known.id });
    if (isDeepStrictEqual(operations.settingsOf(row), settings))
      return await operations.getSchedule(tx, { namespace, ref: known.id });
    return await operations.changeSchedule(tx, { namespace, ref: known.id, post, change: () => settings });
  });
  engine.wakeSchedule(view.id);
  return view;
}
