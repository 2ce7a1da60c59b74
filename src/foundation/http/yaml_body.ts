/**
 * Reads YAML bodies as the JSON value that they write down: core schema, one document, no custom tags.
 *
 * The parser is some hundred times slower than JSON's and aliases multiply what they name, so both the text and what
 * it expands to are bounded.
 */
import { isUtf8 } from "node:buffer";
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type YAMLMap } from "yaml";
import { httpErrors } from "./errors.ts";
import { bodyTooDeep, refuseTextFaults } from "./json_body.ts";
import { MAX_DEPTH } from "./text.ts";

/** The worst text of this size takes 2 s to parse; a usual one takes 0.3 s. */
export const MAX_YAML_BYTES = 512 * 1024;
/** The parser looks through the whole document for each alias. */
const MAX_ALIASES = 100;
const MAX_EXPANDED_VALUES = 1_000_000;
const MAX_EXPANDED_TEXT = 16 * 1024 * 1024;

/** Parses a YAML body. Throws as `parseJsonBody` does, and `http.body_too_large` above 512 KiB. */
export function parseYamlBody(body: Buffer): unknown {
  if (body.length > MAX_YAML_BYTES) {
    throw httpErrors.body_too_large(`A YAML body may have at most ${MAX_YAML_BYTES} bytes; send JSON instead.`);
  }
  if (!isUtf8(body)) throw httpErrors.malformed_body("The body is not valid UTF-8.");
  const lines = new LineCounter();
  const refuse = (reason: string, offset: number) => {
    const { line, col: column } = lines.linePos(offset);
    const place = `at line ${line}, column ${column}`;
    return httpErrors.malformed_body(`The body is not valid YAML: ${reason} ${place}.`, { details: { line, column } });
  };
  let value: unknown;
  try {
    // The parser's own check for duplicate keys compares each with each; ours below takes linear time.
    const document = parseDocument(body.toString(), {
      uniqueKeys: false,
      schema: "core",
      prettyErrors: false,
      // At "silent" a second document would be dropped without a word.
      logLevel: "error",
      lineCounter: lines,
    });
    const problem = document.errors[0] ?? document.warnings[0];
    if (problem?.code === "RESOURCE_EXHAUSTION") throw bodyTooDeep();
    if (problem) throw refuse(firstSentence(problem.message), problem.pos[0]);
    checkNodes(document.contents, refuse);
    value = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    if (error instanceof RangeError) throw bodyTooDeep();
    if (error instanceof ReferenceError)
      throw httpErrors.malformed_body(`The body is not valid YAML: ${error.message}.`);
    throw error;
  }
  checkExpansion(value);
  refuseTextFaults(value);
  return value;
}

/** Walks the parsed nodes without recursion: duplicate keys, keys that are no scalars, too many aliases, numbers
 * that JSON lacks. */
function checkNodes(root: unknown, refuse: (reason: string, offset: number) => Error): void {
  const open: { node: unknown; depth: number }[] = [{ node: root, depth: 0 }];
  let aliases = 0;
  for (let next = open.pop(); next; next = open.pop()) {
    const { node, depth } = next;
    if (depth > MAX_DEPTH) throw bodyTooDeep();
    if (isAlias(node)) {
      aliases += 1;
      if (aliases > MAX_ALIASES) throw refuse(`more than ${MAX_ALIASES} aliases`, node.range?.[0] ?? 0);
    } else if (isMap(node)) {
      checkKeys(node, refuse);
      for (const pair of node.items) open.push({ node: pair.value, depth: depth + 1 });
    } else if (isSeq(node)) {
      for (const item of node.items) open.push({ node: item, depth: depth + 1 });
    } else if (isScalar(node) && typeof node.value === "number" && !Number.isFinite(node.value)) {
      throw refuse(`${node.value} is not a number of JSON`, node.range?.[0] ?? 0);
    }
  }
}

function checkKeys(map: YAMLMap, refuse: (reason: string, offset: number) => Error): void {
  const names = new Set<string>();
  for (const { key } of map.items) {
    const offset = (isScalar(key) || isAlias(key) || isMap(key) || isSeq(key) ? key.range?.[0] : undefined) ?? 0;
    if (!isScalar(key)) throw refuse("a key is not a plain text", offset);
    const name = String(key.value);
    if (names.has(name)) throw refuse(`the key ${JSON.stringify(name)} occurs twice`, offset);
    names.add(name);
  }
}

/** Refuses what aliases blow up, and a value that holds itself. */
function checkExpansion(root: unknown): void {
  let values = 0;
  let characters = 0;
  const open: { value: unknown; depth: number }[] = [{ value: root, depth: 0 }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, depth } = next;
    values += 1;
    if (typeof value === "string") characters += value.length;
    if (values > MAX_EXPANDED_VALUES || characters > MAX_EXPANDED_TEXT) {
      throw httpErrors.body_too_large("The body's aliases expand to more than is read.");
    }
    if (typeof value !== "object" || value === null) continue;
    if (depth >= MAX_DEPTH) throw bodyTooDeep();
    for (const inner of Object.values(value)) open.push({ value: inner, depth: depth + 1 });
  }
}

function firstSentence(message: string): string {
  return message
    .split("\n")[0]!
    .replace(/[.:;]+$/, "")
    .slice(0, 200);
}
