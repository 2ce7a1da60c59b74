/**
 * The formats of JSON Schema 2020-12 that are asserted. An unknown format asserts nothing, as the standard says.
 *
 * The expressions behind them are native and some are quadratic, so a text longer than any honest date, address or
 * identifier fails its format without being looked at.
 */
import { fullFormats } from "ajv-formats/dist/formats.js";
import { compilePattern } from "./pattern.ts";

const MAX_TEXT_LENGTH = 4_096;

const asserted = [
  "date-time",
  "date",
  "time",
  "duration",
  "email",
  "hostname",
  "ipv4",
  "ipv6",
  "uri",
  "uri-reference",
  "uri-template",
  "uuid",
  "json-pointer",
  "relative-json-pointer",
] as const;

export type FormatChecks = Record<string, (text: string) => boolean>;

/** Each asserted format with its check. */
export const formats: FormatChecks = {
  ...Object.fromEntries(asserted.map((name) => [name, bounded(name)])),
  regex: (text) => {
    try {
      compilePattern(text);
      return true;
    } catch {
      return false;
    }
  },
};

function bounded(name: (typeof asserted)[number]): (text: string) => boolean {
  const definition = fullFormats[name];
  const check =
    typeof definition === "object" && "validate" in definition && definition.validate
      ? definition.validate
      : definition;
  if (check instanceof RegExp) return (text) => text.length <= MAX_TEXT_LENGTH && check.test(text);
  if (typeof check === "function") {
    return (text) => text.length <= MAX_TEXT_LENGTH && (check as (text: string) => boolean)(text);
  }
  throw new Error(`format ${name} has no check`);
}
