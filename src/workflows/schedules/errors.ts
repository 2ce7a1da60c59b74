/** The refusals of schedules. */
import { errorCatalog } from "../../foundation/errors.ts";

export const scheduleErrors = errorCatalog("schedules", {
  schedule_invalid: {
    kind: "invalid",
    summary: "The schedule has faults; `errors` lists all of them.",
  },
  range_invalid: {
    kind: "invalid",
    summary: "The range of times has no planned time that could be backfilled, or too many; `errors` says which.",
  },
  schedule_not_found: {
    kind: "not_found",
    summary: "No schedule has this id or name.",
  },
  backfill_not_found: {
    kind: "not_found",
    summary: "The schedule has no backfill with this id.",
  },
  name_taken: {
    kind: "conflict",
    summary: "Another schedule of the namespace has this name.",
  },
  version_changed: {
    kind: "conflict",
    summary: "The schedule was changed since the version that the request names; read it again.",
  },
  backfill_running: {
    kind: "conflict",
    summary: "A backfill of the schedule is under way; wait for its end, or cancel it.",
  },
});
