/** The refusals of event definitions. */
import { errorCatalog } from "../../foundation/errors.ts";

export const eventDefinitionErrors = errorCatalog("event_definitions", {
  definition_invalid: {
    kind: "invalid",
    summary: "The definition of an event has faults; `errors` lists all of them.",
  },
  definition_not_found: {
    kind: "not_found",
    summary: "No definition of an event has this id, or this eventId and version.",
  },
  version_exists: {
    kind: "conflict",
    summary: "The version exists with another pattern, schema or source types; a new content needs a new version.",
  },
  pattern_taken: {
    kind: "conflict",
    summary: "Active definitions with another eventId describe the events of this name.",
  },
  status_change_refused: {
    kind: "conflict",
    summary: "A definition cannot go from its status to the wanted one; a draft is activated, and never comes back.",
  },
  not_a_draft: {
    kind: "conflict",
    summary: "Only drafts are deleted; deprecate what was active.",
  },
});
