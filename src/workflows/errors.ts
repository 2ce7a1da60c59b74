/** The refusals of the definitions half of this room. */
import { errorCatalog } from "../foundation/errors.ts";

export const workflowErrors = errorCatalog("workflows", {
  definition_invalid: {
    kind: "invalid",
    summary: "The definition document has faults; `errors` lists all of them.",
  },
  filter_invalid: {
    kind: "invalid",
    summary: "A filter of a list cannot be understood.",
  },
  definition_not_found: {
    kind: "not_found",
    summary: "No definition has this id or workflowId, or the workflow has no such version.",
  },
  version_used: {
    kind: "conflict",
    summary: "The version exists with other content and has instances; a new content needs a new version.",
  },
  definition_used: {
    kind: "conflict",
    summary: "The version has instances and cannot be deleted; deprecate it.",
  },
  definition_not_startable: {
    kind: "conflict",
    summary: "The version is a draft, was replaced, or the workflow has no active version.",
  },
  status_change_refused: {
    kind: "conflict",
    summary: "A version cannot go from its present status to the one asked for.",
  },
});
