/**
 * Names, types and ranges of a document, and what of it can be trusted afterwards.
 *
 * A fault in one field must not hide the faults of others, so what is unsound is taken out and the rest is read again:
 * the checks that follow see every part that is whole, as typed values. Each step is read by itself, so a fault in a
 * branch does not hide the step around it, nor its neighbours.
 */
import type { z } from "zod";
import type { CompensationStep } from "../../engine/index.ts";
import { type DefinitionDocument, documentSchema } from "../document.ts";
import { compensationStepSchema, outlineSchema, type StepOutline } from "../schema/steps.ts";
import type { Findings } from "./findings.ts";
import { explainIssue, fieldsAt } from "./issues.ts";
import { createSuggest, oneOf } from "./nearest.ts";
import { listsOf } from "./nesting.ts";
import { isRecord, pointerOf, shown, under, valueAt } from "./pointer.ts";

export interface Located<T> {
  pointer: string;
  value: T;
}

export interface Reading {
  /** The fields beside the steps that are sound. */
  head: Partial<Omit<DefinitionDocument, "steps" | "compensationSteps">>;
  /** The steps that are sound, at their own place in the document; those inside branches and items stand here too. */
  steps: Located<StepOutline>[];
  compensationSteps: Located<CompensationStep>[];
  /** The typed document, when all of it is sound. */
  whole?: DefinitionDocument;
}

const headSchema = documentSchema.omit({ steps: true, compensationSteps: true }).partial();

/** Reads a guarded document; every fault of its shape becomes an error. */
export function readShape(document: unknown, findings: Findings): Reading {
  const result = documentSchema.safeParse(document);
  if (result.success) return { ...readSound(result.data), whole: result.data };
  for (const issue of result.error.issues) reportIssue(issue, document, findings);
  return readSound(withoutFaults(document, result.error.issues));
}

function reportIssue(issue: z.core.$ZodIssue, document: unknown, findings: Findings): void {
  if (issue.code !== "unrecognized_keys") {
    const { message, expected } = explainIssue(issue, valueAt(document, issue.path));
    findings.error(pointerOf(issue.path), message, expected);
    return;
  }
  const fields = fieldsAt(documentSchema, document, issue.path);
  const suggest = createSuggest(fields);
  for (const key of issue.keys) {
    const pointer = pointerOf([...issue.path, key]);
    findings.error(pointer, `${shown(key)} is not a field here`, oneOf(fields, suggest(key)));
  }
}

/** A copy without what the issues point at. */
function withoutFaults(document: unknown, issues: readonly z.core.$ZodIssue[]): unknown {
  const rest: unknown = structuredClone(document);
  for (const issue of issues) {
    const keys = issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    for (const path of keys) takeOut(rest, path);
  }
  return rest;
}

/** Reads what is sound, step by step. */
function readSound(rest: unknown): Omit<Reading, "whole"> {
  if (!isRecord(rest)) return { head: {}, steps: [], compensationSteps: [] };
  const { steps: _steps, compensationSteps, ...others } = rest;
  return {
    head: soundHead(others),
    steps: listsOf(rest).flatMap(({ places }) =>
      places.flatMap(({ pointer, fields }) => soundItem(fields, pointer, outlineSchema)),
    ),
    compensationSteps: (Array.isArray(compensationSteps) ? compensationSteps : []).flatMap((item, i) =>
      soundItem(item, under("/compensationSteps", i), compensationStepSchema),
    ),
  };
}

/** Of the fields beside the steps those that are whole: one that lost a part it needs goes, and the others stay. */
function soundHead(fields: Record<string, unknown>): Reading["head"] {
  const result = headSchema.safeParse(fields);
  if (result.success) return result.data;
  const broken = new Set(result.error.issues.map(({ path }) => path[0]));
  const whole = Object.fromEntries(Object.entries(fields).filter(([name]) => !broken.has(name)));
  return headSchema.safeParse(whole).data ?? {};
}

/** Only members of objects go: taking an item out of an array would move the others. */
function takeOut(document: unknown, path: readonly PropertyKey[]): void {
  const last = path.at(-1);
  const parent = valueAt(document, path.slice(0, -1)).value;
  if (last !== undefined && isRecord(parent)) Reflect.deleteProperty(parent, last);
}

function soundItem<T>(item: unknown, pointer: string, schema: z.ZodType<T>): Located<T>[] {
  const result = schema.safeParse(item);
  return result.success ? [{ pointer, value: result.data }] : [];
}
