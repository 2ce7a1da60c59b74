/**
 * The checks of a template: every fault at once, each with a pointer into what was sent (`/templateData`,
 * `/parameters`). What depends on the values is checked with the defaults and examples of the parameters, as far as
 * they have some, and again each time the template is used.
 */
import type { InputError } from "../../foundation/errors.ts";
import { validateDefinition } from "../create.ts";
import { createFindings, type Findings } from "../validate/findings.ts";
import { guardDocument } from "../validate/guard.ts";
import { nearest, oneOf } from "../validate/nearest.ts";
import { isRecord, parsePointer, shown, under, valueAt } from "../validate/pointer.ts";
import { fillTemplate, type Origin } from "./fill.ts";
import { checkParameters, mayBeAbsent, parametersOf, sampleOf } from "./parameters.ts";
import {
  type Each,
  eachOf,
  type Hole,
  hasPlaceholder,
  nearMisses,
  type Placeholder,
  PlaceholderFault,
  readText,
  type TextPlan,
} from "./placeholders.ts";
import { type Reading, readingOfItem, readingOfMember, readingOfText, taskIdOf } from "./places.ts";

/** What whoever uses a template says; a template's own is left out. */
const givenLater = ["$schema", "workflowId", "version", "status", "templateId", "createdBy"];

/** The part of a template's document that becomes the definition. */
export function contentOf(document: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(document).filter(([key]) => !givenLater.includes(key)));
}

export interface TemplateParts {
  /** As it was sent. */
  templateData: Readonly<Record<string, unknown>>;
  /** A JSON Schema. */
  parameters: unknown;
}

export function checkTemplate(parts: TemplateParts): { errors: InputError[]; warnings: InputError[] } {
  const findings = createFindings();
  checkParts(parts, findings);
  const { errors, warnings } = findings;
  return { errors, warnings };
}

function checkParts({ templateData, parameters }: TemplateParts, findings: Findings): void {
  const unsafe = guardDocument(templateData);
  for (const { pointer, message, expected } of unsafe) findings.error(`/templateData${pointer}`, message, expected);
  const faults = checkParameters(parameters);
  for (const { pointer, message, expected } of faults) findings.error(`/parameters${pointer}`, message, expected);
  if (unsafe.length > 0 || faults.length > 0) return;
  for (const key of givenLater) {
    if (!Object.hasOwn(templateData, key)) continue;
    findings.warn(under("/templateData", key), "is given when the template is used, and left out here");
  }
  const content = contentOf(templateData);
  const used = new Set<string>();
  walk(content, {
    findings,
    used,
    parameters,
    loops: new Map(),
    place: "/templateData",
    reading: "structure",
    listed: false,
  });
  for (const name of Object.keys(parametersOf(parameters))) {
    if (!used.has(name)) findings.warn(under("/parameters/properties", name), "The parameter is never used");
  }
  if (findings.errors.length === 0) tryOut({ content, parameters, findings });
}

interface Context {
  findings: Findings;
  /** Names of parameters that a placeholder reads. */
  used: Set<string>;
  parameters: unknown;
  /** The names that `each` gives to items, with the items' schemas. */
  loops: ReadonlyMap<string, unknown>;
  place: string;
  reading: Reading;
  /** Whether the value is an item of a list. */
  listed: boolean;
}

function walk(value: unknown, context: Context): void {
  const { findings, place, reading } = context;
  if (findings.full) return;
  if (typeof value === "string") {
    checkText(value, context);
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const inside = { ...context, place: under(place, index), reading: readingOfItem(reading), listed: true };
      const repeated = eachOf(item);
      if (repeated === undefined) walk(item, inside);
      else checkEach(repeated, inside);
    }
  } else if (isRecord(value)) {
    for (const [key, member] of Object.entries(value)) {
      const at = under(place, key);
      if (hasPlaceholder(key)) {
        const expected = 'the name itself; only an item of a list may be { "{{each x in list}}": … }';
        findings.error(at, "A placeholder cannot be the name of a member", expected);
      }
      const inside = readingOfMember(reading, key, taskIdOf(value));
      walk(member, { ...context, place: at, reading: inside, listed: false });
    }
  }
}

function checkEach({ each, key, body }: { each: Each; key: string; body: unknown }, context: Context): void {
  const { findings, loops, parameters } = context;
  const place = under(context.place, key);
  const { name, list, where } = each;
  if (loops.has(name) || Object.hasOwn(parametersOf(parameters), name)) {
    findings.error(place, `${shown(name)} is already the name of something else`, "another name for the items");
  }
  const slot = checkPath(list, { ...context, place });
  refuseType(slot, "array", { place, findings, path: list.path.join(".") });
  const items = isRecord(slot?.schema) ? slot.schema.items : undefined;
  const inside: Context = { ...context, place, loops: new Map(loops).set(name, items) };
  if (where !== undefined) checkPath({ verb: "value", path: [name, ...where], text: key }, inside);
  walk(body, inside);
}

function checkText(text: string, context: Context): void {
  const { findings, place } = context;
  if (!text.includes("{{")) return;
  for (const near of nearMisses(text)) {
    findings.warn(place, `${shown(near)} is not a placeholder and stays as it is`, "{{parameter}}");
  }
  const plan = planOf(text, context);
  if (plan === undefined) return;
  for (const hole of plan.holes) {
    if (findings.full) return;
    checkHole(hole, plan, context);
  }
  if (plan.alone?.verb === "items" && !context.listed) {
    findings.error(
      place,
      `${plan.alone.text} is not an item of a list`,
      `{{${plan.alone.path.join(".")}}} for the list itself`,
    );
  }
}

function planOf(text: string, { findings, place, reading }: Context): TextPlan | undefined {
  try {
    return readText(text, readingOfText(reading, text));
  } catch (error) {
    if (!(error instanceof PlaceholderFault)) throw error;
    findings.error(place, error.message, error.expected);
    return undefined;
  }
}

function checkHole(hole: Hole, { alone }: TextPlan, context: Context): void {
  const { findings, place, loops } = context;
  const { verb, path, text } = hole;
  if ((verb === "next" || verb === "index") && !loops.has(path[0])) {
    findings.error(place, `${text} stands outside of an each`, "the name that an each gives to its items");
    return;
  }
  const slot = checkPath(hole, context);
  if (slot === undefined) return;
  const written = path.join(".");
  if (verb === "items") refuseType(slot, "array", { place, findings, path: written });
  if (verb === "expression") refuseType(slot, "string", { place, findings, path: written });
  if (alone === undefined && (slot.mayBeAbsent || verb === "next")) {
    const message = `${text} stands inside a text, and may be absent`;
    findings.error(place, message, "a default, a place in required, or a text that is the placeholder alone");
  }
}

/** What is known of the value at a path. */
interface Slot {
  /** Undefined when the schema says nothing of it. */
  schema: unknown;
  mayBeAbsent: boolean;
}

/** Follows a path through the schema of the parameters; undefined after an error. */
function checkPath({ path }: Pick<Placeholder, "path" | "verb" | "text">, context: Context): Slot | undefined {
  const { loops, parameters, used } = context;
  const [root, ...members] = path;
  let slot: Slot | undefined;
  if (loops.has(root)) {
    slot = { schema: loops.get(root), mayBeAbsent: false };
  } else {
    used.add(root);
    slot = memberOf({ schema: parameters, mayBeAbsent: false }, root, { ...context, of: undefined });
  }
  for (const name of members) {
    if (slot === undefined) return undefined;
    slot = memberOf(slot, name, { ...context, of: root });
  }
  return slot;
}

/** Faults that come with a guess at what was meant: guessing is dear. */
const maxGuesses = 20;

const composing = ["$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "patternProperties", "if"];

function memberOf(slot: Slot, name: string, where: Context & { of: string | undefined }): Slot | undefined {
  const { schema } = slot;
  const { findings, place, of, loops } = where;
  const properties = isRecord(schema) && isRecord(schema.properties) ? schema.properties : undefined;
  if (properties !== undefined && Object.hasOwn(properties, name)) {
    return { schema: properties[name], mayBeAbsent: slot.mayBeAbsent || mayBeAbsent(schema, name) };
  }
  const isOpen = isRecord(schema) && composing.some((keyword) => keyword in schema);
  if (of !== undefined && (properties === undefined || isOpen)) return { schema: undefined, mayBeAbsent: false };
  const known = [...Object.keys(properties ?? {}), ...(of === undefined ? loops.keys() : [])];
  const message =
    of === undefined ? `There is no parameter ${shown(name)}` : `${shown(of)} has no member ${shown(name)}`;
  const meant = findings.errors.length < maxGuesses ? nearest(name, known) : undefined;
  findings.error(place, message, known.length === 0 ? "a parameter with a schema" : oneOf(known, meant));
  return undefined;
}

function refuseType(
  slot: Slot | undefined,
  wanted: "array" | "string",
  { place, findings, path }: { place: string; findings: Findings; path: string },
): void {
  const type = isRecord(slot?.schema) ? slot.schema.type : undefined;
  if (type === undefined || type === wanted || (Array.isArray(type) && type.includes(wanted))) return;
  const [needed, expected] =
    wanted === "array" ? ["no list", 'a parameter of type "array"'] : ["no text", 'a parameter of type "string"'];
  findings.error(place, `The parameter ${path} is ${needed}`, expected);
}

/** Fills the template in with defaults and examples, and lets the validator of definitions look at the outcome. */
function tryOut({
  content,
  parameters,
  findings,
}: {
  content: Record<string, unknown>;
  parameters: unknown;
  findings: Findings;
}) {
  const sample = sampleOf(parameters);
  for (const { pointer, message, expected } of sample.errors)
    findings.error(`/parameters${pointer}`, message, expected);
  for (const name of sample.missing) {
    const message =
      "The parameter has neither a default nor an example, so the document is checked only when it is used";
    findings.warn(under("/parameters/properties", name), message, '"examples": [ … ]');
  }
  if (sample.errors.length > 0 || sample.missing.length > 0) return;
  const { document, errors, origins } = fillTemplate({ document: content, parameters: sample.values });
  for (const { pointer, message, expected } of errors) {
    const [, name] = parsePointer(pointer);
    const at = name === undefined ? "/parameters" : under("/parameters/properties", name);
    findings.error(at, `With its default or example: ${message}`, expected);
  }
  if (errors.length > 0 || !isRecord(document)) return;
  const validation = validateDefinition({ ...document, workflowId: "template", name: document.name ?? "Template" });
  const located = (found: InputError[]) => {
    const placed = found.map((one) => ({
      ...one,
      pointer: `/templateData${placeOf(one.pointer, { origins, content }).place}`,
    }));
    // What an each repeats is at fault once.
    return new Map(placed.map((one) => [`${one.pointer} ${one.message}`, one])).values();
  };
  for (const { pointer, message, expected } of located(validation.errors)) findings.error(pointer, message, expected);
  for (const { pointer, message, expected } of located(validation.warnings)) findings.warn(pointer, message, expected);
}

/** Where a part of a filled document stands in the template, and which parameters made it. */
export function placeOf(
  pointer: string,
  { origins, content }: { origins: ReadonlyMap<string, Origin>; content: unknown },
): Origin {
  let prefix = pointer;
  while (prefix !== "" && !origins.has(prefix)) prefix = prefix.slice(0, prefix.lastIndexOf("/"));
  const origin = origins.get(prefix) ?? { place: prefix, parameters: [] };
  let place = origin.place + pointer.slice(prefix.length);
  while (place !== "" && !valueAt(content, parsePointer(place).slice(0, -1)).found) {
    place = place.slice(0, place.lastIndexOf("/"));
  }
  return { place, parameters: origin.parameters };
}
