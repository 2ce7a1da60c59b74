/**
 * What a task handler is given, what it may give back, and what becomes of whatever it throws.
 *
 * These words belong to the engine because it calls handlers; the room `tasks/` gives them to the outside. Like the
 * machine, which uses them, this file is pure.
 */

import type { Json } from "./machine/definition.ts";

/** A handler's log: lines carry the instance, the step and the attempt by themselves. */
export interface TaskLog {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

export interface TaskContext {
  /** Aborted when the step times out, the instance is cancelled or the node lets go of the shard. */
  readonly signal: AbortSignal;
  /** The same for every attempt of this step, and for no other step: hand it to whatever must act once. */
  readonly idempotencyKey: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  readonly instanceId: string;
  readonly stepId: string;
  readonly log: TaskLog;
}

/**
 * Does one step's work. What it returns becomes the step's output and must fit JSON (see `toJson`); `undefined` counts
 * as null. What it throws fails the attempt (see `toErrorInfo`). It runs at least once for each recorded result.
 *
 * The type is that of a method, so that a handler may name the shape of its input: `(input: { name: string }) => …`.
 */
export type TaskHandler = { run(input: unknown, ctx: TaskContext): unknown | Promise<unknown> }["run"];

export const errorCategories = [
  "TRANSIENT",
  "PERMANENT",
  "BUSINESS",
  "SYSTEM",
  "TIMEOUT",
  "VALIDATION",
  "SECURITY",
  "UNKNOWN",
] as const;
export type ErrorCategory = (typeof errorCategories)[number];

/** The categories that a retry policy without `retryableErrors` retries. */
export const retriedByDefault: ReadonlySet<ErrorCategory> = new Set(["TRANSIENT", "TIMEOUT", "SYSTEM", "UNKNOWN"]);

/** A failure as it is stored and shown. `retriable` tells what the category says; a step's policy may decide otherwise. */
export interface ErrorInfo {
  message: string;
  category: ErrorCategory;
  code: string;
  details?: Json;
  /** ISO 8601, UTC. */
  timestamp: string;
  retriable: boolean;
  stackTrace?: string;
}

export interface TaskErrorOptions {
  /** What policies and handlers of errors match on, e.g. `CARD_DECLINED`. */
  code: string;
  /** Default UNKNOWN, which is retried. */
  category?: ErrorCategory;
  message: string;
  details?: unknown;
  cause?: unknown;
}

/** Thrown by a handler to say how its failure is to be treated. */
export class TaskError extends Error {
  override readonly name = "TaskError";
  readonly code: string;
  readonly category: ErrorCategory;
  readonly details?: unknown;

  constructor({ code, category = "UNKNOWN", message, details, cause }: TaskErrorOptions) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.category = category;
    if (details !== undefined) this.details = details;
  }
}

const messageChars = 4_096;
const codeChars = 100;
const stackChars = 8_192;
const detailsChars = 65_536;

/**
 * Turns anything a handler may throw into a failure that can be stored. Never throws, whatever the value does when it
 * is looked at; what is too long is cut, and details that fit no JSON are left out with a word about why.
 *
 * A `TaskError` of another copy of this module (the SDK's) is known by its fields. An error's `code` is taken when it
 * is text, else its class name; the messages of its causes are appended, for "fetch failed" alone helps nobody.
 */
export function toErrorInfo(thrown: unknown, nowIso: string): ErrorInfo {
  const category = categoryOf(thrown);
  const info: ErrorInfo = {
    message: cut(messageOf(thrown) || "The handler failed without a message", messageChars),
    category,
    code: cut(codeOf(thrown), codeChars),
    timestamp: nowIso,
    retriable: retriedByDefault.has(category),
  };
  const details = read(thrown, "details");
  if (details !== undefined && details !== null) info.details = detailsOf(details);
  const stack = read(thrown, "stack");
  if (typeof stack === "string" && stack !== "") info.stackTrace = cut(stack, stackChars);
  return info;
}

/**
 * The JSON text of a handler's output, or the reason why it has none.
 *
 * Refused (OUTPUT_NOT_JSON): what JSON would drop or falsify without a word, such as NaN, a BigInt, a Map, a Promise
 * nobody awaited, binary data, a cycle, nesting beyond 500 levels. Refused (UNSTORABLE): the character U+0000 and halves of surrogate
 * pairs, which PostgreSQL's jsonb does not take. As in `JSON.stringify`, a Date becomes ISO 8601, `toJSON` is used,
 * and undefined or functions inside objects are left out; undefined as a whole is null.
 *
 * One walk, then the native `JSON.stringify`: for an order of two lines 0.7 µs together, with a replacer 1.2.
 */
export function toJson(value: unknown): { json: string } | { error: TaskError } {
  if (value === undefined || value === null) return { json: "null" };
  try {
    const fault = findFault(value, { left: 4_000_000 }, 0);
    if (fault !== undefined) return { error: notJson("OUTPUT_NOT_JSON", `The output${brief(fault)}`) };
    const json = JSON.stringify(value);
    if (json === undefined) return { error: notJson("OUTPUT_NOT_JSON", "The output has no JSON form") };
    if (json.includes("\\u") && unstorable.test(json)) {
      const message = "The output holds the character U+0000 or half of a surrogate pair, which cannot be stored";
      return { error: notJson("UNSTORABLE", message) };
    }
    return { json };
  } catch (error) {
    return { error: notJson("OUTPUT_NOT_JSON", `The output cannot be turned into JSON: ${messageOf(error)}`) };
  }
}

/** Something that logs fields and a message, as pino does. */
interface LogSink {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** One line of an execution log, as it can be stored. */
export interface LogLine {
  level: "debug" | "info" | "warn" | "error";
  message: string;
  details: Json | undefined;
}

const levelOrder = ["debug", "info", "warn", "error"];

/** Whether a line is of the level that a definition keeps, or of a more serious one. */
export function isKept(level: LogLine["level"], least: string): boolean {
  return levelOrder.indexOf(level) >= levelOrder.indexOf(least);
}

/**
 * A handler's log: it writes to the program's, every line with `fields`, and gives each line to `keep`. Never throws:
 * texts are cut at 8,192 characters, and details that fit no JSON, or take more than 64 KiB of it, are left out with a
 * word about why.
 */
export function taskLog(sink: LogSink, fields: Record<string, unknown>, keep: (line: LogLine) => void): TaskLog {
  const at = (level: LogLine["level"]) => (message: string, more?: Record<string, unknown>) => {
    sink[level]({ ...more, ...fields }, message);
    const details = more === undefined ? undefined : detailsOf(more);
    keep({ level, message: logText(String(message)), details });
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

const logChars = 8_192;

/** A message of the execution log: cut, and such that PostgreSQL takes it. */
export function logText(message: string): string {
  return cut(message, logChars);
}

/** An escape JSON.stringify writes for U+0000 or a lone surrogate, not preceded by an escaped backslash. */
const unstorable = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/;

function notJson(code: string, message: string): TaskError {
  return new TaskError({ code, category: "VALIDATION", message });
}

/** The beginning and the end: a deep place is long, and the reason comes last. */
function brief(text: string): string {
  return text.length <= 400 ? text : `${text.slice(0, 150)}…${text.slice(-200)}`;
}

/** Levels of nesting that an output may have; a cycle is found by passing it. */
const maxDepth = 500;

/** Where and why a value fits no JSON, as the end of a sentence: `.a[2] is NaN …`. Throws what getters throw. */
function findFault(value: unknown, budget: { left: number }, depth: number): string | undefined {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? undefined : ` is ${value}, which JSON cannot carry`;
    case "bigint":
      return " is a BigInt; send it as text";
    case "function":
    case "symbol":
      return depth === 0 ? ` is a ${typeof value}` : undefined;
    case "object":
      break;
    default:
      return undefined;
  }
  if (value === null) return undefined;
  if (depth > maxDepth) return ` is nested deeper than ${maxDepth} levels, or contains itself`;
  if (--budget.left < 0) return " has too many parts";
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const fault = findFault(value[i], budget, depth + 1);
      if (fault !== undefined) return `[${i}]${fault}`;
    }
    return undefined;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    const fault = foreignObject(value);
    if (fault !== undefined) return fault;
  }
  const own = value as Record<string, unknown>;
  if (typeof own.toJSON === "function") return findFault(own.toJSON(""), budget, depth + 1);
  for (const key of Object.keys(own)) {
    const fault = findFault(own[key], budget, depth + 1);
    if (fault !== undefined) return `.${key.slice(0, 100)}${fault}`;
  }
  return undefined;
}

/** Objects that JSON.stringify would write as `{}` or as a list of bytes, by the name of their kind. */
const foreignKinds: Readonly<Record<string, string>> = {
  Map: " is a Map; send Object.fromEntries(map)",
  Set: " is a Set; send [...set]",
  Promise: " is a Promise; await it",
  RegExp: " is a RegExp; send its text",
  Error: " is an Error; send its message",
  DOMException: " is an Error; send its message",
  WeakMap: " is a WeakMap",
  WeakSet: " is a WeakSet",
  WeakRef: " is a WeakRef",
  ArrayBuffer: " is binary data; send base64 text",
  SharedArrayBuffer: " is binary data; send base64 text",
  DataView: " is binary data; send base64 text",
};

function foreignObject(value: object): string | undefined {
  // The brand and not `instanceof`: objects of another realm (vm, worker) are of the same kinds.
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  if (kind === "Date") return Number.isNaN(Number(value)) ? " is an invalid Date" : undefined;
  if (ArrayBuffer.isView(value)) return foreignKinds.DataView;
  return Object.hasOwn(foreignKinds, kind) ? foreignKinds[kind] : undefined;
}

/** A property of anything; undefined when there is none or looking at it throws. */
function read(value: unknown, key: string): unknown {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return undefined;
  try {
    return (value as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

function categoryOf(thrown: unknown): ErrorCategory {
  const named = read(thrown, "category");
  const known = errorCategories.find((category) => category === named);
  if (known !== undefined) return known;
  return read(thrown, "name") === "TimeoutError" ? "TIMEOUT" : "UNKNOWN";
}

function codeOf(thrown: unknown): string {
  const code = read(thrown, "code");
  if (typeof code === "string" && code !== "") return code;
  const name = read(thrown, "name");
  if (name === "TimeoutError") return "TIMEOUT";
  return typeof name === "string" && name !== "" && name !== "Error" ? name : "ERROR";
}

function messageOf(thrown: unknown): string {
  if (typeof thrown === "string") return thrown;
  const parts: string[] = [];
  let error: unknown = thrown;
  for (let depth = 0; depth < 4 && error !== undefined && error !== null; depth++) {
    const message = read(error, "message");
    if (typeof message === "string" && message !== "" && !parts.includes(message)) parts.push(message);
    error = read(error, "cause");
  }
  if (parts.length > 0) return parts.join(": ");
  if (typeof thrown === "function" || typeof thrown === "symbol") return `The handler threw a ${typeof thrown}`;
  const described = toJson(thrown);
  return "json" in described ? `The handler threw ${described.json}` : "The handler threw a value that cannot be shown";
}

function detailsOf(details: unknown): Json {
  const result = toJson(details);
  if ("error" in result)
    return { omitted: cut(result.error.message.replace("The output", "The details value"), 1_000) };
  if (result.json.length <= detailsChars) return JSON.parse(result.json) as Json;
  return { omitted: `The details took ${result.json.length} characters`, beginning: cut(result.json, 4_096) };
}

/** At most `chars` characters that PostgreSQL can store. */
function cut(text: string, chars: number): string {
  const shown = text.length > chars ? `${text.slice(0, chars - 1)}…` : text;
  return shown.toWellFormed().replaceAll("\u0000", "\uFFFD");
}

/** Whether a handler gave a promise. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
