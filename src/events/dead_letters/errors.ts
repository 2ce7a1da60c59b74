/** The refusals of dead letters. */
import { errorCatalog } from "../../foundation/errors.ts";

export const deadLetterErrors = errorCatalog("dead_letters", {
  request_invalid: { kind: "invalid", summary: "The request has faults; `errors` lists all of them." },
  letter_not_found: { kind: "not_found", summary: "No dead letter has this id." },
  letter_closed: {
    kind: "conflict",
    summary: "The dead letter was resolved or discarded, or is being reprocessed at this moment.",
  },
  not_reprocessable: {
    kind: "conflict",
    summary: "What the dead letter was meant for, or its event, is gone or cannot take it again.",
  },
  reprocessing_not_found: { kind: "not_found", summary: "No reprocessing of many dead letters has this id." },
  reprocessing_ended: { kind: "conflict", summary: "The reprocessing has ended and cannot be cancelled." },
});
