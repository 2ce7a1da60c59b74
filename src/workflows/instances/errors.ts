/** The refusals of the instances half of this room; those of what happens to instances are the engine's. */
import { errorCatalog } from "../../foundation/errors.ts";

export const instanceErrors = errorCatalog("instances", {
  input_invalid: {
    kind: "invalid",
    summary: "The input of a start does not have the shape that the definition's `inputSchema` asks for.",
  },
  variables_invalid: {
    kind: "invalid",
    summary: "A start gives a variable that its definition does not declare, or a value of another type.",
  },
  request_invalid: {
    kind: "invalid",
    summary: "A query parameter, a header or a field of a request about instances cannot be understood.",
  },
  start_too_large: {
    kind: "invalid",
    status: 413,
    summary: "One start of a batch is larger than a start may be.",
  },
  bulk_not_found: { kind: "not_found", summary: "No bulk operation has this id in the namespace." },
  bulk_ended: { kind: "conflict", summary: "The bulk operation has ended; it cannot be cancelled any more." },
  outcome_unknown: {
    kind: "unavailable",
    summary:
      "In a bulk operation: the node that acted on the instance went away, and whether it did is unknown. It is not done again, for that could be the second time.",
  },
});
