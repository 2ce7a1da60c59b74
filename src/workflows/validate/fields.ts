/** Checks of single fields that more than one part of a definition has. */
import type { Duration, RetryPolicy } from "../../engine/index.ts";
import { parseDuration } from "../../foundation/duration.ts";
import { checkSchema } from "../../foundation/json_schema/index.ts";
import type { Findings } from "./findings.ts";
import { kindOf, shown, under } from "./pointer.ts";

/** The duration in milliseconds, or undefined after an error. Zero is one only where it means something. */
export function checkDuration(
  value: Duration | undefined,
  pointer: string,
  findings: Findings,
  options: { zeroAllowed?: boolean } = {},
): number | undefined {
  if (value === undefined) return undefined;
  try {
    const ms = parseDuration(value);
    if (ms > 0 || options.zeroAllowed) return ms;
    findings.error(pointer, "The duration is zero", 'a duration above zero, such as 5000 or "PT5S"');
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    findings.error(pointer, error.message, 'milliseconds, such as 5000, or an ISO 8601 duration, such as "PT5S"');
  }
  return undefined;
}

const defaultInitialMs = 1_000;
const defaultMaxMs = 60_000;

export function checkRetryPolicy(policy: RetryPolicy | undefined, pointer: string, findings: Findings): void {
  if (policy === undefined) return;
  const zeroAllowed = true;
  const at = (name: string) => under(pointer, name);
  const initialMs = checkDuration(policy.initialInterval, at("initialInterval"), findings, { zeroAllowed });
  const maxMs = checkDuration(policy.maxInterval, at("maxInterval"), findings, { zeroAllowed });
  if ((initialMs ?? defaultInitialMs) > (maxMs ?? defaultMaxMs)) {
    const longest = maxMs === undefined ? "60000 ms, the default of maxInterval" : "maxInterval";
    findings.warn(pointer, `Every pause is cut to ${longest}, for initialInterval is longer`, "a longer maxInterval");
  }
}

const patternToken = /^[^\s.*>]+$/;

/** Tokens with dots between; `*` is one whole token, `>` the whole last token. */
export function checkEventPattern(pattern: string, pointer: string, findings: Findings): void {
  const expected = 'tokens with dots between, such as "orders.*.paid" or "orders.>"';
  const tokens = pattern.split(".");
  for (const [index, token] of tokens.entries()) {
    if (token === "*" || patternToken.test(token)) continue;
    if (token === ">" && index === tokens.length - 1) continue;
    findings.error(pointer, `In the event pattern ${shown(pattern)} ${tokenFault(token)}`, expected);
    return;
  }
}

function tokenFault(token: string): string {
  if (token === "") return "a token is empty";
  if (token === ">") return '">" stands before the end';
  if (/\s/.test(token)) return `the token ${shown(token)} holds a space`;
  return `the token ${shown(token)} mixes a wildcard with text`;
}

export function checkJsonSchema(schema: unknown, pointer: string, findings: Findings): void {
  if (schema === undefined) return;
  for (const { pointer: inside, message, expected } of checkSchema(schema)) {
    findings.error(pointer + inside, `The JSON Schema is wrong here: ${message}`, expected);
  }
}

/** Whether a variable's default fits its declared type; without a type everything fits. */
export function checkDefault(type: string | undefined, value: unknown, pointer: string, findings: Findings): void {
  if (type === undefined || type === "any" || value === undefined) return;
  const fits = type === "integer" ? Number.isInteger(value) : kindOf(value).replace(/^an? /, "") === type;
  if (!fits) findings.error(pointer, `The default is ${kindOf(value)}: ${shown(value)}`, `a value of type ${type}`);
}
