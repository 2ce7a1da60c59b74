/**
 * Fills in a template: its document with values in the places of its placeholders.
 *
 * Pure; the work is bounded, for what is put in counts against `maxTemplateBytes` before it is put in. What cannot be
 * filled in is told with pointers from `/parameters`; the document is then of no use.
 */
import type { Json } from "../../engine/index.ts";
import type { InputError } from "../../foundation/errors.ts";
import { ExpressionError } from "../../foundation/expressions/index.ts";
import { maxDocumentBytes } from "../schema/parts.ts";
import { isRecord, kindOf, pointerOf, shown, under } from "../validate/pointer.ts";
import { escapeTemplate, expressionOf, literalOf, operand, quoted, textOf, withoutExpressions } from "./literals.ts";
import {
  type Each,
  eachOf,
  type Hole,
  type Part,
  type Placeholder,
  PlaceholderFault,
  readText,
  type TextPlan,
} from "./placeholders.ts";
import { isTime, type Reading, readingOfItem, readingOfMember, readingOfText, taskIdOf } from "./places.ts";

/** Where a part of the filled document came from. */
export interface Origin {
  /** In the template's document. */
  place: string;
  /** Pointers to the parameters that made it. */
  parameters: readonly string[];
}

export interface Filled {
  document: Json;
  errors: InputError[];
  /** By pointer into the filled document; what has none is by that of the part around it, else in its own place. */
  origins: ReadonlyMap<string, Origin>;
}

export interface Filling {
  /** Of the template; guarded. */
  document: unknown;
  /** With their defaults. */
  parameters: Readonly<Record<string, Json>>;
}

export function fillTemplate({ document, parameters }: Filling): Filled {
  const work: Work = { parameters, errors: [], origins: new Map(), left: maxTemplateBytes };
  try {
    const filled = fill(document, { work, loops: new Map(), place: "", target: "", reading: "structure" });
    return { document: filled ?? null, errors: work.errors, origins: work.origins };
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    const message = "The definition would be too large";
    const errors = [{ pointer: "/parameters", message, expected: `at most ${maxTemplateBytes} bytes of JSON` }];
    return { document: null, errors, origins: new Map() };
  }
}

/** A template, and what comes of it, is no larger than a definition may be. */
export const maxTemplateBytes = maxDocumentBytes;

class TooLarge extends Error {}

interface Work {
  parameters: Readonly<Record<string, Json>>;
  errors: InputError[];
  origins: Map<string, Origin>;
  /** Characters that may still be put in. */
  left: number;
}

/** A value, and where it was given or would be. */
interface Given<T> {
  value: T;
  /** From `/parameters`. */
  pointer: string;
}

/** An `each` under way. */
interface Loop {
  items: readonly Given<Json>[];
  at: number;
}

interface Context {
  work: Work;
  loops: ReadonlyMap<string, Loop>;
  /** In the template's document. */
  place: string;
  /** In the filled document. */
  target: string;
  reading: Reading;
}

/** The filled value; undefined when it is a placeholder alone whose parameter is absent. */
function fill(value: unknown, context: Context): Json | undefined {
  spend(context.work, 2);
  if (typeof value === "string") return fillText(value, context);
  if (Array.isArray(value)) return fillList(value, context);
  if (!isRecord(value)) return value as Json;
  const filled: { [key: string]: Json } = {};
  const taskId = taskIdIn(value, context);
  for (const [key, member] of Object.entries(value)) {
    spend(context.work, key.length);
    const reading = readingOfMember(context.reading, key, taskId);
    const [place, target] = [under(context.place, key), under(context.target, key)];
    const inside = fill(member, { ...context, place, target, reading });
    if (inside !== undefined) filled[key] = inside;
  }
  return filled;
}

/** The task that a step will have: with `transform` its input is read in another way. */
function taskIdIn(value: unknown, context: Context): unknown {
  const taskId = taskIdOf(value);
  const plan = typeof taskId === "string" && taskId.includes("{{") ? readQuietly(taskId) : undefined;
  if (plan === undefined) return taskId;
  const pieces = plan.parts.flatMap((part) => part.pieces);
  return pieces
    .map((piece) => (typeof piece === "string" ? piece : textOf(givenFor(piece, context).value ?? "")))
    .join("");
}

function readQuietly(text: string): TextPlan | undefined {
  try {
    return readText(text, "plain");
  } catch (error) {
    if (error instanceof PlaceholderFault) return undefined;
    throw error;
  }
}

function fillList(items: readonly unknown[], context: Context): Json[] {
  const filled: Json[] = [];
  const { target } = context;
  const reading = readingOfItem(context.reading);
  const add = (item: unknown, inside: Pick<Context, "place" | "loops">, parameters: readonly string[] = []) => {
    const at = under(target, filled.length);
    // Noted first, for what is inside looks at it when it has no origin of its own.
    context.work.origins.set(at, { place: inside.place, parameters });
    const value = fill(item, { ...context, ...inside, target: at, reading });
    if (value !== undefined) filled.push(value);
  };
  for (const [index, item] of items.entries()) {
    const place = under(context.place, index);
    const repeated = eachOf(item);
    const spread = typeof item === "string" ? readQuietly(item)?.alone : undefined;
    if (repeated !== undefined) {
      for (const round of roundsOf(repeated.each, context)) {
        const body: unknown[] = Array.isArray(repeated.body) ? repeated.body : [repeated.body];
        for (const [at, part] of body.entries()) {
          const inside = under(place, repeated.key, ...(Array.isArray(repeated.body) ? [at] : []));
          add(part, { place: inside, loops: round.loops }, [round.pointer]);
        }
      }
    } else if (spread?.verb === "items") {
      for (const { value, pointer } of itemsOf(spread, context)) {
        context.work.origins.set(under(target, filled.length), { place, parameters: [pointer] });
        filled.push(put(value, reading, context.work));
      }
    } else {
      add(item, { place, loops: context.loops });
    }
  }
  return filled;
}

interface Round {
  loops: ReadonlyMap<string, Loop>;
  /** To the item. */
  pointer: string;
}

function* roundsOf({ name, list, where }: Each, context: Context): Generator<Round> {
  const items = itemsOf(list, context).filter(({ value }) => where === undefined || isThere(memberOf(value, where)));
  for (const [at, { pointer }] of items.entries()) {
    yield { loops: new Map(context.loops).set(name, { items, at }), pointer };
  }
}

function isThere(value: Json | undefined): boolean {
  return value !== undefined && value !== null && value !== false;
}

/** The items of a list that a parameter gives; of an absent one none. */
function itemsOf(placeholder: Placeholder, context: Context): Given<Json>[] {
  const { value, pointer } = givenFor(placeholder, context);
  if (value === undefined) return [];
  if (Array.isArray(value)) {
    // Also for a body that is empty: a repetition inside a repetition must cost something.
    spend(context.work, 1 + value.length);
    return value.map((item, index) => ({ value: item, pointer: under(pointer, index) }));
  }
  context.work.errors.push({
    pointer,
    message: `is ${kindOf(value)}, of which there are no items`,
    expected: "a list",
  });
  return [];
}

function fillText(text: string, context: Context): Json | undefined {
  const { work, place, target } = context;
  spend(work, text.length);
  if (!text.includes("{{")) return text;
  const plan = readText(text, readingOfText(context.reading, text));
  if (plan.holes.length > 0) {
    const parameters = plan.holes.map((hole) => givenFor(hole, context).pointer);
    work.origins.set(target, { place, parameters });
  }
  if (plan.alone !== undefined) return fillAlone(plan.alone, text, context);
  const filled = fillParts(plan.parts, context);
  const [hole] = plan.holes;
  if (hole !== undefined && isMistimed(filled, text, context))
    refuseTime(filled, givenFor(hole, context).pointer, work);
  return filled;
}

/** Whether a text that was to be a time became none; it would be taken for an expression. */
function isMistimed(filled: Json, text: string, { reading }: Context): boolean {
  return reading === "time" && readingOfText(reading, text) === "plain" && !isTime(filled);
}

/** A placeholder that is all of its text: its value, unless the place takes only expressions. */
function fillAlone(placeholder: Placeholder, text: string, context: Context): Json | undefined {
  const { work, reading } = context;
  const { value, pointer } = givenFor(placeholder, context);
  if (value === undefined) return undefined;
  const readAs = readingOfText(reading, text);
  if (placeholder.verb === "expression") {
    const source = codeOf(value, { pointer, work, whole: true });
    return readAs === "template" ? `\${${source}}` : source;
  }
  if (readAs === "expression" && (reading !== "input" || typeof value === "string")) {
    spend(work, textOf(value).length);
    return literalOf(value);
  }
  if (isMistimed(value, text, context)) refuseTime(value, pointer, work);
  return put(value, reading, work);
}

function refuseTime(value: Json, pointer: string, work: Work): void {
  const expected = "milliseconds, a duration such as PT5S, or an instant such as 2030-01-31T09:00:00Z";
  work.errors.push({ pointer, message: `${shown(value)} is no time`, expected });
}

/** A value in the place of a placeholder. */
function put(value: Json, reading: Reading, work: Work): Json {
  spend(work, JSON.stringify(value).length);
  if (reading === "template" || reading === "input") return withoutExpressions(value);
  if (reading !== "transform" || !isRecord(value) || value.expression === undefined) return value;
  return { ...value, expression: literalOf(value.expression) };
}

/** Texts of a template's expressions and texts in turn; a dollar sign must not meet the `${` of an expression after it. */
function fillParts(parts: readonly Part[], context: Context): string {
  const bare = context.reading !== "template";
  const texts = parts.map(({ expression, pieces }, index) => {
    const text = pieces.map((piece) => (typeof piece === "string" ? piece : fillHole(piece, pieces, context))).join("");
    if (bare) return text;
    if (expression) return `\${${text}}`;
    const escaped = escapeTemplate(text);
    return parts[index + 1] === undefined ? escaped : escaped.replace(/\$+$/, (dollars) => `\${"${dollars}"}`);
  });
  return texts.join("");
}

function fillHole(hole: Hole, beside: readonly unknown[], context: Context): string {
  const { work } = context;
  const { value, pointer } = givenFor(hole, context);
  if (value === undefined) {
    work.errors.push({ pointer, message: "is required, for it stands inside a text of the template" });
    return "";
  }
  if (hole.verb === "expression") return codeOf(value, { pointer, work, whole: beside.length === 1 });
  const text = hole.zone === "code" ? literalOf(value) : textOf(value);
  spend(work, text.length);
  return hole.zone === "quoted" ? quoted(text) : text;
}

function codeOf(value: Json, what: { pointer: string; work: Work; whole: boolean }): string {
  const { pointer, work, whole } = what;
  if (typeof value !== "string") {
    work.errors.push({ pointer, message: `is ${kindOf(value)}`, expected: "the text of an expression" });
    return "null";
  }
  spend(work, value.length);
  try {
    return whole ? expressionOf(value) : operand(value);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    work.errors.push({ pointer, message: error.message, expected: error.expected ?? "an expression" });
    return "null";
  }
}

/** What a placeholder stands for. */
function givenFor({ verb, path }: Placeholder, { loops, work }: Context): Given<Json | undefined> {
  const [root, ...members] = path;
  const loop = loops.get(root);
  if (loop === undefined) {
    const known = Object.hasOwn(work.parameters, root) ? work.parameters[root] : undefined;
    return { value: memberOf(known, members), pointer: under("/parameters", ...path) };
  }
  const item = loop.items[loop.at]!;
  if (verb === "index") return { value: loop.at, pointer: item.pointer };
  const meant = verb === "next" ? loop.items[loop.at + 1] : item;
  return { value: memberOf(meant?.value, members), pointer: (meant ?? item).pointer + pointerOf(members) };
}

/** The value at a path of members; undefined where there is none. */
function memberOf(value: Json | undefined, path: readonly string[]): Json | undefined {
  let found: unknown = value;
  for (const name of path) {
    if (!isRecord(found) || !Object.hasOwn(found, name)) return undefined;
    found = found[name];
  }
  return found as Json | undefined;
}

function spend(work: Work, characters: number): void {
  work.left -= characters;
  if (work.left < 0) throw new TooLarge();
}
