/** Whether an event fits the definition of its name: pure. */
import type { InputError } from "../../foundation/errors.ts";
import type { Checks } from "../definitions/source.ts";
import { defaultSourceType } from "../source.ts";
import type { Submitted } from "./submitted.ts";

export interface Objection {
  code: "UNKNOWN_EVENT" | "SOURCE_TYPE_NOT_ALLOWED" | "PAYLOAD_INVALID";
  /** In one sentence. */
  message: string;
  errors: InputError[];
}

/** Why an event is refused, or undefined. `version` is that of its definition, where it has one. */
export function judge(
  { event, at }: Submitted,
  { validation, definitions }: Checks,
): { objection?: Objection; version?: string } {
  const definition = definitions.get(event.pattern);
  if (definition === undefined) {
    if (validation === "open") return {};
    const message = `${event.pattern} has no active definition, and this namespace wants one`;
    const expected = "the pattern of an active event definition";
    return { objection: { code: "UNKNOWN_EVENT", message, errors: [{ pointer: at.name, message, expected }] } };
  }
  const { version, sourceTypes, schema } = definition;
  const type = event.source?.type ?? defaultSourceType;
  if (sourceTypes !== null && !sourceTypes.some((one) => one === type)) {
    const message = `a source of type ${type} may not publish ${event.pattern}`;
    const fault = { pointer: at.source, message, expected: `one of ${sourceTypes.join(", ")}` };
    return { objection: { code: "SOURCE_TYPE_NOT_ALLOWED", message, errors: [fault] } };
  }
  const faults = schema?.validate(event.payload) ?? [];
  if (faults.length === 0) return { version };
  const errors = faults.map((fault) => ({ ...fault, pointer: at.payload + fault.pointer }));
  const message = `the payload does not fit version ${version} of the definition of ${event.pattern}`;
  return { objection: { code: "PAYLOAD_INVALID", message, errors } };
}
