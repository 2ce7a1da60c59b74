/**
 * Names, types and ranges of a document, and what of it can be trusted afterwards.
 *
 * A fault in one field must not hide the faults of others, so what is unsound is taken out and the rest is read again:
 * the checks that follow see every part that is whole, as typed values.
 */
import type { z } from "zod";
import type { CompensationStep, Step } from "../../engine/index.ts";
import { compensationStepSchema, type DefinitionDocument, documentSchema, stepSchema } from "../document.ts";
import type { Findings } from "./findings.ts";
import { explainIssue, fieldsAt } from "./issues.ts";
import { createSuggest, oneOf } from "./nearest.ts";
import { isRecord, pointerOf, shown, under, valueAt } from "./pointer.ts";

export interface Located<T> {
  pointer: string;
  value: T;
}

export interface Reading {
  /** The fields beside the steps that are sound. */
  head: Partial<Omit<DefinitionDocument, "steps" | "compensationSteps">>;
  /** The steps that are sound, at their own place in the document. */
  steps: Located<Step>[];
  compensationSteps: Located<CompensationStep>[];
  /** The typed document, when all of it is sound. */
  whole?: DefinitionDocument;
}

const headSchema = documentSchema.omit({ steps: true, compensationSteps: true }).partial();

/** Reads a guarded document; every fault of its shape becomes an error. */
export function readShape(document: unknown, findings: Findings): Reading {
  const result = documentSchema.safeParse(document);
  if (result.success) {
    const { steps, compensationSteps, ...head } = result.data;
    return {
      head,
      steps: steps.map((value, i) => ({ pointer: under("/steps", i), value })),
      compensationSteps: (compensationSteps ?? []).map((value, i) => ({
        pointer: under("/compensationSteps", i),
        value,
      })),
      whole: result.data,
    };
  }
  for (const issue of result.error.issues) reportIssue(issue, document, findings);
  return readSound(document, result.error.issues);
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

/** Takes out what the issues point at and reads again, step by step. */
function readSound(document: unknown, issues: readonly z.core.$ZodIssue[]): Reading {
  const rest: unknown = structuredClone(document);
  for (const issue of issues) {
    const keys = issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    for (const path of keys) takeOut(rest, path);
  }
  if (!isRecord(rest)) return { head: {}, steps: [], compensationSteps: [] };
  const { steps, compensationSteps, ...others } = rest;
  return {
    head: headSchema.safeParse(others).data ?? {},
    steps: soundItems(steps, "/steps", stepSchema),
    compensationSteps: soundItems(compensationSteps, "/compensationSteps", compensationStepSchema),
  };
}

/** Only members of objects go: taking an item out of an array would move the others. */
function takeOut(document: unknown, path: readonly PropertyKey[]): void {
  const last = path.at(-1);
  const parent = valueAt(document, path.slice(0, -1)).value;
  if (last !== undefined && isRecord(parent)) Reflect.deleteProperty(parent, last);
}

function soundItems<T>(items: unknown, pointer: string, schema: z.ZodType<T>): Located<T>[] {
  if (!Array.isArray(items)) return [];
  return items.flatMap((item, i) => {
    const result = schema.safeParse(item);
    return result.success ? [{ pointer: under(pointer, i), value: result.data }] : [];
  });
}
