/** Reads a definition from the text of a file, JSON or YAML, with faults by line and column. */
import { isMap, isNode, isPair, isScalar, LineCounter, parseDocument } from "yaml";
import type { InputError } from "../foundation/errors.ts";
import { findJsonFault } from "./json_fault.ts";
import { maxDocumentBytes } from "./schema/parts.ts";
import { parsePointer } from "./validate/pointer.ts";

export type TextFormat = "json" | "yaml";

/** Counted from 1. */
export interface Position {
  line: number;
  column: number;
}

export interface TextError extends InputError {
  position: Position;
}

export type ParsedText =
  | {
      ok: true;
      value: unknown /** Where a part of the document stands in the text. */;
      locate(pointer: string): Position | undefined;
    }
  | { ok: false; errors: TextError[] };

/** How often YAML's aliases may multiply what they stand for. */
const maxAliasCount = 100;
const maxFaults = 50;

/**
 * The value that a text holds. Never throws: what cannot be read is told by line and column. In both formats a member
 * given twice is an error, and so is a text above 1 MiB.
 */
export function parseDefinitionText(text: string, format: TextFormat): ParsedText {
  if (Buffer.byteLength(text) > maxDocumentBytes) {
    return failed([
      { message: "The text is too large", expected: `at most ${maxDocumentBytes} bytes`, at: { line: 1, column: 1 } },
    ]);
  }
  const source = text.startsWith("\uFEFF") ? text.slice(1) : text;
  return format === "json" ? parseJson(source) : parseYaml(source);
}

/** The format that a file's name tells: `.yaml` and `.yml` are YAML, all others JSON. */
export function formatOf(fileName: string): TextFormat {
  return /\.ya?ml$/i.test(fileName) ? "yaml" : "json";
}

function parseJson(text: string): ParsedText {
  const fault = findJsonFault(text);
  if (fault === undefined)
    return { ok: true, value: JSON.parse(text), locate: (pointer) => openYaml(text).locate(pointer) };
  const at = positionAt(text, fault.offset);
  return failed([{ message: `The text is not JSON: ${fault.message}`, expected: "JSON", at }]);
}

function parseYaml(text: string): ParsedText {
  try {
    const { document, locate, lines } = openYaml(text);
    const faults = document.errors.slice(0, maxFaults).map(({ message, pos }) => ({
      message: `The text is not YAML: ${firstLine(message)}`,
      expected: "YAML 1.2",
      at: placeOf(lines, pos[0]),
    }));
    return faults.length > 0 ? failed(faults) : { ok: true, value: document.toJS({ maxAliasCount }), locate };
  } catch (error) {
    // Nesting that exhausts the stack, and aliases that multiply without end.
    const message = `The text cannot be read: ${firstLine(error instanceof Error ? error.message : String(error))}`;
    return failed([{ message, expected: "YAML 1.2 that is a tree", at: { line: 1, column: 1 } }]);
  }
}

/** JSON is YAML as well, which is how places in it are found; that costs a second reading, only when one is asked. */
function openYaml(text: string) {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, schema: "core", uniqueKeys: true });
  const locate = (pointer: string): Position | undefined => {
    const path = parsePointer(pointer);
    for (let length = path.length; length >= 0; length--) {
      const offset = offsetOf(document.contents, path.slice(0, length));
      if (offset !== undefined) return placeOf(lines, offset);
    }
    return undefined;
  };
  return { document, lines, locate };
}

/** Where the value at a path begins, or the name of the member that holds it. */
function offsetOf(root: unknown, path: readonly string[]): number | undefined {
  let node = root;
  let name: unknown;
  for (const part of path) {
    name = undefined;
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === part);
      if (pair === undefined) return undefined;
      name = pair.key;
      node = pair.value;
    } else if (isNode(node) && "items" in node && Array.isArray(node.items)) {
      node = node.items[Number(part)];
    } else {
      return undefined;
    }
  }
  const place = isNode(name) ? name : node;
  return isNode(place) ? place.range?.[0] : undefined;
}

function placeOf(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset).split(/\r\n|\n|\r/);
  return { line: before.length, column: before.at(-1)!.length + 1 };
}

function firstLine(message: string): string {
  return message.split("\n", 1)[0]!;
}

function failed(faults: { message: string; expected: string; at: Position }[]): ParsedText {
  return {
    ok: false,
    errors: faults.map(({ message, expected, at }) => ({
      pointer: "",
      message: `${message} (line ${at.line}, column ${at.column})`,
      expected,
      position: at,
    })),
  };
}
