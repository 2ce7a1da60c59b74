/**
 * The validator: every fault of a definition document at once, each with a pointer into the document, what is wrong,
 * and what would be right.
 *
 * The document is in the canonical dialect; `normalise/` comes before. Nothing here throws for any JSON value, and
 * the work is bounded: documents are capped in size, depth and steps, findings in number.
 */
import type { InputError } from "../../foundation/errors.ts";
import type { DefinitionDocument } from "../document.ts";
import { checkCompensations } from "./compensations.ts";
import type { Context } from "./context.ts";
import { createExpressionChecks } from "./expressions.ts";
import { createFindings } from "./findings.ts";
import { checkGraph } from "./graph.ts";
import { guardDocument } from "./guard.ts";
import { checkHead } from "./head.ts";
import { createSuggest } from "./nearest.ts";
import { isRecord } from "./pointer.ts";
import { readShape } from "./shape.ts";
import { checkStep } from "./steps.ts";

export interface Validation {
  errors: InputError[];
  /** Doubts that forbid nothing, such as a choice that may find no way. */
  warnings: InputError[];
  /** The typed document; present exactly when there are no errors. */
  document?: DefinitionDocument;
}

export function validateDocument(document: unknown): Validation {
  const faults = guardDocument(document);
  if (faults.length > 0) return { errors: faults, warnings: [] };
  const findings = createFindings();
  const reading = readShape(document, findings);
  const graph = checkGraph(document, findings);
  const variables = declaredVariables(document);
  const context: Context = {
    checks: createExpressionChecks(graph, findings),
    findings,
    graph,
    variables,
    suggestVariable: createSuggest(variables),
    workflowId: reading.head.workflowId,
  };
  checkHead(reading.head, context);
  for (const step of reading.steps) {
    if (findings.full) break;
    checkStep(step, context);
  }
  checkCompensations(reading.compensationSteps, context);
  const { errors, warnings } = findings;
  return errors.length === 0 && reading.whole !== undefined
    ? { errors, warnings, document: reading.whole }
    : { errors, warnings };
}

/** Also those whose declaration has a fault. */
function declaredVariables(document: unknown): Set<string> {
  const variables = isRecord(document) ? document.variables : undefined;
  return new Set(isRecord(variables) ? Object.keys(variables) : []);
}
