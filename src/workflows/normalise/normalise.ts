/**
 * The border between the dialects: turns the other spelling of a document into the canonical one before anything is
 * checked.
 *
 * | other                                                         | canonical                                       |
 * |---------------------------------------------------------------|-------------------------------------------------|
 * | `next: [{ nextStepId, condition? }]`                          | `transitions`; the entry without one: `default`  |
 * | `parallelBranches: [{ branchId, steps }]`                     | type `PARALLEL` with `branches`                 |
 * | `onFailure` with an action, an errorHandler, or a stepId only | `onFailure { default, conditions }`: `failure.ts` |
 * | `retryPolicy { maxAttempts, delay, strategy }`                | `initialInterval`, `backoffMultiplier`          |
 * | `retryPolicy { maxRetries, retryInterval, maxRetryInterval }` | `maxAttempts` (one more), the intervals         |
 * | type `DELAYED_TASK` with `delay`                              | type `DELAY`; with a `taskId` also a TASK after it |
 * | empty `transitions` or an empty `default`                     | none: the list of steps ends there              |
 * | `concurrency` with one limit                                  | a list of it                                    |
 *
 * The input is any JSON value and is not changed. What cannot be a definition is passed on as it is, for the validator to
 * say so.
 */
import type { InputError } from "../../foundation/errors.ts";
import { isRecord, parsePointer, under, valueAt } from "../validate/pointer.ts";
import type { Border, Fields } from "./border.ts";
import { normaliseRetry } from "./retry.ts";
import { normaliseSteps } from "./steps.ts";

export interface Normalised {
  document: unknown;
  /** What the dialects have but this program does not, or what says two things at once. */
  errors: InputError[];
  /** Where in the given document a place of the normalised one came from. */
  originOf(pointer: string): string;
}

export function normaliseDocument(given: unknown): Normalised {
  const border: Border = { errors: [], origins: new Map() };
  const document = isRecord(given) ? normaliseFields(given, border) : given;
  return { document, errors: border.errors, originOf: (pointer) => originOf(pointer, border.origins, given) };
}

/** The longest prefix that moved leads; a place that the given document lacks becomes the nearest one around it. */
function originOf(pointer: string, origins: ReadonlyMap<string, string>, given: unknown): string {
  let prefix = pointer;
  while (prefix !== "" && !origins.has(prefix)) prefix = prefix.slice(0, prefix.lastIndexOf("/"));
  let origin = (origins.get(prefix) ?? prefix) + pointer.slice(prefix.length);
  while (origin !== "" && !valueAt(given, parsePointer(origin).slice(0, -1)).found) {
    origin = origin.slice(0, origin.lastIndexOf("/"));
  }
  return origin;
}

function normaliseFields(given: Fields, border: Border): Fields {
  const document = normaliseRetry({ ...given }, { from: "", to: "" }, border);
  if (Array.isArray(given.steps)) {
    document.steps = normaliseSteps(given.steps, { from: "/steps", to: "/steps" }, { border, depth: 0 });
  }
  if (Array.isArray(given.compensationSteps)) {
    document.compensationSteps = given.compensationSteps.map((step: unknown, index) => {
      const pointer = under("/compensationSteps", index);
      return isRecord(step) ? normaliseRetry(step, { from: pointer, to: pointer }, border) : step;
    });
  }
  if (isRecord(given.concurrency)) {
    border.origins.set("/concurrency/0", "/concurrency");
    document.concurrency = [given.concurrency];
  }
  return document;
}
