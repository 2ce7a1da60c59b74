/** Reads the bodies of HTML forms (`application/x-www-form-urlencoded`), as some webhooks send them. */
import { isUtf8 } from "node:buffer";
import { httpErrors } from "./errors.ts";
import { refuseTextFaults } from "./json_body.ts";

/** The fields by name; one that occurs several times is a list. Throws as `parseJsonBody` does. */
export function parseFormBody(body: Buffer): Record<string, string | string[]> {
  if (!isUtf8(body)) throw httpErrors.malformed_body("The body is not valid UTF-8.");
  const fields = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(body.toString())) {
    const values = fields.get(name) ?? [];
    fields.set(name, values);
    values.push(value);
  }
  const entries = [...fields].map(([name, values]): [string, string | string[]] => {
    const [only = ""] = values;
    return [name, values.length === 1 ? only : values];
  });
  // As own members, so that the check below sees a field named __proto__.
  const form = Object.fromEntries(entries);
  refuseTextFaults(form);
  return form;
}
