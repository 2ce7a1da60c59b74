/** The schedules of triggers of kind schedule: each is made, held and removed with its trigger. */
import type { AppError, InputError } from "../../foundation/errors.ts";
import type { TriggerSchedules } from "../triggers/index.ts";
import { createRequest } from "./contract.ts";
import { scheduleErrors } from "./errors.ts";
import * as operations from "./operations.ts";
import { settingsOfRequest } from "./request.ts";

/** The name of a trigger's schedule is the trigger's, unless its document has one. */
export function createTriggerSchedules(engine: { postSchedule: operations.Post }): TriggerSchedules {
  const post = engine.postSchedule;
  return {
    async create(tx, { namespace, createdBy, fields, schedule, input }) {
      const { name, definitionId, version, enabled, description, instancePriority } = fields;
      const document = {
        name,
        targetId: definitionId,
        ...(version === undefined ? {} : { targetVersion: version }),
        ...(description === undefined ? {} : { description }),
        ...(instancePriority === undefined ? {} : { priority: instancePriority }),
        ...(input === undefined ? {} : { input }),
        ...schedule,
      };
      const parsed = createRequest.safeParse(document);
      if (!parsed.success) {
        const faults = parsed.error.issues.map(({ path, message }) => fault(`/${path.join("/")}`, message));
        throw invalid(faults);
      }
      const { paused = !enabled, ...body } = parsed.data;
      try {
        const settings = settingsOfRequest(body);
        return (await operations.createSchedule(tx, { namespace, settings, paused, createdBy, post })).id;
      } catch (error) {
        const { errors } = error as Partial<AppError>;
        if (errors === undefined) throw error;
        throw invalid(errors.map((one) => ({ ...one, pointer: pointerOf(one.pointer) })));
      }
    },

    async setEnabled(tx, { namespace, scheduleId, enabled }) {
      const what = { namespace, ref: scheduleId, post };
      if (enabled) await operations.resumeSchedule(tx, { ...what, catchUp: false });
      else await operations.pauseSchedule(tx, what);
    },

    async remove(tx, { namespace, scheduleId }) {
      await operations.deleteSchedule(tx, { namespace, ref: scheduleId, post });
    },
  };
}

/** The trigger has the target and the input; all else stands in its `schedule`. */
function pointerOf(pointer: string): string {
  if (pointer === "/targetId") return "/definitionId";
  return pointer.startsWith("/input") ? pointer : `/schedule${pointer}`;
}

function fault(pointer: string, message: string): InputError {
  return { pointer: pointerOf(pointer), message };
}

function invalid(errors: InputError[]): AppError {
  const [first] = errors;
  return scheduleErrors.schedule_invalid(`The schedule cannot be used: ${first?.pointer} ${first?.message}.`, {
    errors,
  });
}
