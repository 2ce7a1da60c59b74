/** Reads JSON bodies: strict, bounded in depth, with the place of the first fault. */
import { isUtf8 } from "node:buffer";
import { httpErrors } from "./errors.ts";
import { MAX_DEPTH, mayHoldTextFaults, nestedTooDeeply, textFaults } from "./text.ts";

/**
 * Parses a JSON body. Throws `http.malformed_body` with line and column, `http.body_too_deep`, or
 * `http.input_invalid` for names and characters that cannot be stored.
 */
export function parseJsonBody(body: Buffer): unknown {
  if (!isUtf8(body)) throw httpErrors.malformed_body("The body is not valid UTF-8.");
  if (nestedTooDeeply(body)) throw bodyTooDeep();
  const text = body.toString().replace(/^\uFEFF/, "");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const { line, column } = lineAndColumn(text, jsonFaultAt(text));
    const found = text.trim() === "" ? "it is empty" : `the fault is at line ${line}, column ${column}`;
    throw httpErrors.malformed_body(`The body is not valid JSON: ${found}.`, { details: { line, column } });
  }
  if (mayHoldTextFaults(body)) refuseTextFaults(value);
  return value;
}

export function refuseTextFaults(body: unknown): void {
  const errors = textFaults(body, "");
  if (errors.length > 0) throw httpErrors.input_invalid("The body has text that cannot be stored.", { errors });
}

export function bodyTooDeep(): Error {
  return httpErrors.body_too_deep(`The body is nested too deeply: at most ${MAX_DEPTH} levels are read.`);
}

/** Line and column, both from 1, of an offset. */
export function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  let line = 1;
  for (let index = before.indexOf("\n"); index !== -1; index = before.indexOf("\n", index + 1)) line += 1;
  return { line, column: offset - lineStart + 1 };
}

const blank = /[ \t\n\r]*/y;
const literal = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const escapeSequence = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;

/**
 * The offset of the first character that cannot be in JSON text (RFC 8259): the engine's own message has it only
 * sometimes. For text that `JSON.parse` refused; takes linear time and never recurses.
 */
export function jsonFaultAt(json: string): number {
  const open: ("}" | "]")[] = [];
  let expected: "value" | "name" | "first-name" | "first-value" | "next" = "value";
  let offset = 0;
  for (;;) {
    offset = skip(blank, json, offset) ?? offset;
    const character = json[offset];
    if (expected === "next") {
      const closer = open.at(-1);
      if (character === undefined || closer === undefined) return offset;
      if (character === closer) open.pop();
      else if (character === ",") expected = closer === "}" ? "name" : "value";
      else return offset;
      offset += 1;
    } else if ((character === "}" && expected === "first-name") || (character === "]" && expected === "first-value")) {
      open.pop();
      expected = "next";
      offset += 1;
    } else if (expected === "name" || expected === "first-name") {
      const { end, whole } = skipString(json, offset);
      if (!whole) return end;
      offset = skip(blank, json, end) ?? end;
      if (json[offset] !== ":") return offset;
      expected = "value";
      offset += 1;
    } else if (character === "{" || character === "[") {
      open.push(character === "{" ? "}" : "]");
      expected = character === "{" ? "first-name" : "first-value";
      offset += 1;
    } else if (character === '"') {
      const { end, whole } = skipString(json, offset);
      if (!whole) return end;
      expected = "next";
      offset = end;
    } else {
      const end = skip(literal, json, offset);
      if (end === undefined) return offset;
      expected = "next";
      offset = end;
    }
  }
}

function skip(token: RegExp, json: string, offset: number): number | undefined {
  token.lastIndex = offset;
  return token.test(json) ? token.lastIndex : undefined;
}

/** Where a string ends, or where it stops being one. */
function skipString(json: string, offset: number): { end: number; whole: boolean } {
  if (json[offset] !== '"') return { end: offset, whole: false };
  let end = offset + 1;
  while (end < json.length) {
    const code = json.charCodeAt(end);
    if (code === 0x22) return { end: end + 1, whole: true };
    if (code < 0x20) break;
    if (code !== 0x5c) {
      end += 1;
      continue;
    }
    const after = skip(escapeSequence, json, end);
    if (after === undefined) break;
    end = after;
  }
  return { end, whole: false };
}
