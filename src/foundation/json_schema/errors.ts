import { errorCatalog } from "../errors.ts";

export const jsonSchemaErrors = errorCatalog("json_schema", {
  schema_invalid: {
    kind: "invalid",
    summary: "A JSON Schema is invalid, too large, or uses something that is not supported.",
  },
});
