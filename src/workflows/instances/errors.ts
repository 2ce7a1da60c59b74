/** The refusals of the instances half of this room; those of signals and cancels are the engine's. */
import { errorCatalog } from "../../foundation/errors.ts";

export const instanceErrors = errorCatalog("instances", {
  input_invalid: {
    kind: "invalid",
    summary: "The input of a start does not have the shape that the definition's `inputSchema` asks for.",
  },
  request_invalid: {
    kind: "invalid",
    summary: "A query parameter, a header or a field of a request about instances cannot be understood.",
  },
});
