/** The refusals of event sequences. */
import { errorCatalog } from "../../foundation/errors.ts";

export const sequenceErrors = errorCatalog("event_sequences", {
  not_found: {
    kind: "not_found",
    summary: "No event sequence of this namespace has this id.",
  },
  invalid: {
    kind: "invalid",
    summary: "The sequence has faults; `errors` lists all of them.",
  },
  exists: {
    kind: "conflict",
    summary: "Another sequence of this namespace has this sequenceId.",
  },
  not_possible: {
    kind: "conflict",
    summary: "The sequence, or the member, is in a status in which this cannot be done.",
  },
});
