/**
 * The validator: every fault of a definition document at once, each with a pointer into the document, what is wrong,
 * and what would be right.
 *
 * The document is in the canonical dialect; `normalise.ts` comes before. Nothing here throws for any JSON value, and
 * the work is bounded: documents are capped in size, depth and steps, findings in number.
 */
import type { InputError } from "../../foundation/errors.ts";
import type { DefinitionDocument } from "../document.ts";
import { isVersion } from "../model.ts";
import { createExpressionChecks } from "./expressions.ts";
import { checkDefault, checkDuration, checkEventPattern, checkJsonSchema } from "./fields.ts";
import { createFindings } from "./findings.ts";
import { checkGraph, type Graph, reachableFrom } from "./graph.ts";
import { guardDocument } from "./guard.ts";
import { shown, under } from "./pointer.ts";
import { type Reading, readShape } from "./shape.ts";
import { checkCompensations, checkStep, type StepContext } from "./steps.ts";

export interface Validation {
  errors: InputError[];
  /** Doubts that forbid nothing, such as a choice that may find no way. */
  warnings: InputError[];
  /** The typed document; present exactly when there are no errors. */
  document?: DefinitionDocument;
}

/** Above this many steps the order of reads is not looked at: it costs a walk per step that is read. */
const maxOrderedSteps = 500;

export function validateDocument(document: unknown): Validation {
  const faults = guardDocument(document);
  if (faults.length > 0) return { errors: faults, warnings: [] };
  const findings = createFindings();
  const reading = readShape(document, findings);
  const graph = checkGraph(document, findings);
  const context: StepContext = { checks: createExpressionChecks(graph, orderOf(graph), findings), findings };
  checkHead(reading.head, context);
  for (const step of reading.steps) {
    if (findings.full) break;
    checkStep(step, context);
  }
  checkCompensations(reading.compensationSteps, typesOf(reading), graph, context);
  const { errors, warnings } = findings;
  return errors.length === 0 && reading.whole !== undefined
    ? { errors, warnings, document: reading.whole }
    : { errors, warnings };
}

function checkHead(head: Reading["head"], { checks, findings }: StepContext): void {
  if (head.version !== undefined && !isVersion(head.version)) {
    findings.error("/version", `${shown(head.version)} is not a semantic version`, 'three numbers, such as "1.0.0"');
  }
  checkJsonSchema(head.inputSchema, "/inputSchema", findings);
  checkJsonSchema(head.outputSchema, "/outputSchema", findings);
  checkDuration(head.timeout, "/timeout", findings);
  checkDuration(head.executionLog?.retention, "/executionLog/retention", findings);
  if (head.output !== undefined) checks.input(head.output, { pointer: "/output", standing: "step" });
  for (const [name, variable] of Object.entries(head.variables ?? {})) {
    checkDefault(variable.type, variable.default, under("/variables", name, "default"), findings);
  }
  for (const [index, trigger] of (head.cancellationTriggers ?? []).entries()) {
    const pointer = under("/cancellationTriggers", index);
    checkEventPattern(trigger.eventPattern, under(pointer, "eventPattern"), findings);
    if (trigger.eventCondition === undefined) continue;
    checks.condition(trigger.eventCondition, { pointer: under(pointer, "eventCondition"), standing: "event" });
  }
}

function typesOf(reading: Reading): Map<string, string> {
  return new Map(reading.steps.map(({ value }) => [value.stepId, value.type]));
}

/** Whether a step can have completed before another runs; each step's successors are found once. */
function orderOf(graph: Graph): (first: string, then: string) => boolean {
  if (graph.steps.size > maxOrderedSteps) return () => true;
  const after = new Map<string, ReadonlySet<string>>();
  return (first, then) => {
    const known = after.get(first) ?? reachableFrom(graph, graph.follows(first));
    after.set(first, known);
    return known.has(then);
  };
}
