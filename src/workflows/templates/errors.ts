/** The refusals of workflow templates. */
import { errorCatalog } from "../../foundation/errors.ts";

export const templateErrors = errorCatalog("templates", {
  template_invalid: {
    kind: "invalid",
    summary: "The template has faults; `errors` lists all of them.",
  },
  parameters_invalid: {
    kind: "invalid",
    summary: "The parameters do not fit the template, or make a definition that is at fault; `errors` lists why.",
  },
  template_not_found: {
    kind: "not_found",
    summary: "No template has this id or name.",
  },
  version_exists: {
    kind: "conflict",
    summary: "The version exists with other content; a new content needs a new version.",
  },
  template_inactive: {
    kind: "conflict",
    summary: "The template is not active; activate it, or use another version.",
  },
  builtin_fixed: {
    kind: "conflict",
    summary: "A built-in template cannot be changed or deleted, and its name cannot be used for another.",
  },
});
