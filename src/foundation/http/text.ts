/**
 * What a request may not hold, whatever its schema: PostgreSQL stores no NUL and no lone surrogate, `__proto__` changes
 * objects instead of filling them, and nesting without bound overflows the stack of whoever walks it.
 */
import type { InputError } from "../errors.ts";
import { escapePointer } from "../json_schema/index.ts";

/** The deepest nesting of a body. */
export const MAX_DEPTH = 256;
const MAX_FAULTS = 100;

/** Faults of all texts and names inside a JSON value; `prefix` is put before each pointer. */
export function textFaults(value: unknown, prefix: string): InputError[] {
  const faults: InputError[] = [];
  collect(value, prefix, 0, faults);
  return faults;
}

function collect(value: unknown, pointer: string, depth: number, faults: InputError[]): void {
  if (faults.length >= MAX_FAULTS) return;
  if (typeof value === "string") {
    const problem = textProblem(value);
    if (problem) faults.push({ pointer, message: `has ${problem}`, expected: "text without it" });
    return;
  }
  if (typeof value !== "object" || value === null) return;
  if (depth >= MAX_DEPTH) {
    faults.push({ pointer, message: "is nested too deeply", expected: `at most ${MAX_DEPTH} levels` });
    return;
  }
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1)
      collect(value[index], `${pointer}/${index}`, depth + 1, faults);
    return;
  }
  for (const name of Object.keys(value)) {
    const below = `${pointer}/${escapePointer(name)}`;
    const problem = name === "__proto__" ? "the reserved name __proto__" : textProblem(name);
    if (problem) faults.push({ pointer: below, message: `has ${problem}`, expected: "another name" });
    else collect((value as Record<string, unknown>)[name], below, depth + 1, faults);
  }
}

function textProblem(text: string): string | undefined {
  if (text.includes("\0")) return "a NUL character (\\u0000), which cannot be stored";
  if (!text.isWellFormed()) return "half of a surrogate pair, which is not a character";
  return undefined;
}

const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether JSON text is nested more deeply than `MAX_DEPTH`; looks at each byte once and never recurses. */
export function nestedTooDeeply(json: Buffer): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < json.length; index += 1) {
    const byte = json[index];
    if (inString) {
      if (byte === BACKSLASH) index += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) {
      inString = true;
    } else if (byte === OPEN_BRACKET || byte === OPEN_BRACE) {
      depth += 1;
      if (depth > MAX_DEPTH) return true;
    } else if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) {
      depth -= 1;
    }
  }
  return false;
}

/**
 * Whether JSON text can hold a fault of `textFaults` at all. Raw control characters are no JSON and raw bytes are
 * UTF-8, so NULs and lone surrogates come only as escapes; most bodies have none and are not walked.
 */
export function mayHoldTextFaults(json: Buffer): boolean {
  return json.includes("\\u") || json.includes("__proto__");
}
