/**
 * Checks the expressions of a definition: that they compile, and that the names they use exist where they stand.
 *
 * A condition that errs counts as false when it runs, so a misspelt name would never be seen again; here it is refused.
 */
import {
  compileCondition,
  compileExpression,
  compileTemplate,
  type Expression,
  ExpressionError,
  type ExpressionOptions,
  type References,
} from "../../foundation/expressions/index.ts";
import { identifierPattern } from "../schema/parts.ts";
import type { Findings } from "./findings.ts";
import type { Graph } from "./graph.ts";
import { namesAt, reportName, type Standpoint } from "./names.ts";
import { createSuggest } from "./nearest.ts";
import type { Place } from "./nesting.ts";
import { createOrder } from "./order.ts";
import { kindOf, shown, under } from "./pointer.ts";

export interface ExpressionCheck extends Standpoint {
  pointer: string;
}

export interface ExpressionChecks {
  condition(source: string, check: ExpressionCheck): void;
  expression(source: string, check: ExpressionCheck): void;
  /** A step's input or a workflow's output: a string is an expression, elsewhere strings may hold `${…}`. */
  input(value: unknown, check: ExpressionCheck): void;
  /** Any value whose strings may hold `${…}`, itself included. */
  template(value: unknown, check: ExpressionCheck): void;
  /** As `input`, for what must give a list. */
  list(value: unknown, check: ExpressionCheck): void;
}

export function createExpressionChecks(graph: Graph, findings: Findings): ExpressionChecks {
  const suggestStep = createSuggest(graph.steps.keys());
  const unspeakable = [...graph.steps.keys()].filter((stepId) => !identifierPattern.test(stepId));
  const orderOf = createOrder(graph);

  /** What was compiled; undefined after an error. */
  const run = <T extends { references: References }>(
    check: ExpressionCheck,
    compile: (options: ExpressionOptions) => T,
  ): T | undefined => {
    try {
      const compiled = compile({});
      const { references } = compiled;
      const known = namesAt(check, graph);
      const unknownRoots = [...references.roots].filter((root) => !known.includes(root));
      const unknownSteps = [...references.steps].filter((stepId) => !graph.steps.has(stepId));
      // `steps.reserve-stock.output` reads a step "reserve" and a name "stock": with the ids given, this says so.
      if (unknownRoots.length + unknownSteps.length > 0 && !findings.full) compile({ stepIds: unspeakable });
      for (const root of unknownRoots) reportName(root, check, { graph, findings });
      for (const stepId of unknownSteps) {
        const message = `The expression reads the step ${shown(stepId)}, which does not exist`;
        findings.error(check.pointer, message, meant(suggestStep(stepId)));
      }
      for (const stepId of references.steps) {
        const read = graph.steps.get(stepId);
        if (read !== undefined) checkOrder(read, check);
      }
      return compiled;
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      findings.error(check.pointer, error.message, error.expected);
      return undefined;
    }
  };

  const checkOrder = (read: Place, { pointer, place }: ExpressionCheck): void => {
    const order = orderOf(read, place);
    const reads = `The expression reads the step ${shown(read.stepId)}`;
    if (order.kind === "inside") {
      const holder = order.map.stepId;
      const message = `${reads}, which runs once for each item of the MAP ${shown(holder)} and has no one output outside of it`;
      const list = order.map === place ? "output" : `${pathOf(holder ?? "…")}.output`;
      findings.error(pointer, message, `${list}, the list of what the items gave`);
    } else if (order.kind === "never") {
      findings.warn(pointer, `${reads}, which never runs before ${shown(place?.stepId)}`, "a step on the way here");
    } else if (order.kind === "beside") {
      const message = `${reads}, which runs beside ${shown(place?.stepId)} and may have given nothing yet`;
      findings.warn(pointer, message, "a step on the way here");
    }
  };

  /** Every text of a template by itself, so that the faults of all are told. */
  const template = (value: unknown, check: ExpressionCheck): void => {
    if (typeof value === "string") {
      if (value.includes("${")) run(check, (options) => compileTemplate(value, options));
    } else if (typeof value === "object" && value !== null) {
      for (const [key, item] of Object.entries(value)) template(item, { ...check, pointer: under(check.pointer, key) });
    }
  };

  const input = (value: unknown, check: ExpressionCheck): void => {
    if (typeof value === "string") run(check, (options) => compileExpression(value, options));
    else template(value, check);
  };

  return {
    condition(source, check) {
      run(check, (options) => compileCondition(source, options));
    },
    expression(source, check) {
      const path = check.standing === "payload" ? { pathRoot: "payload" } : {};
      run(check, (options) => compileExpression(source, { ...options, ...path }));
    },
    input,
    template,
    list(value, check) {
      if (typeof value !== "string") return template(value, check);
      const compiled = run(check, (options) => compileExpression(value, options));
      if (compiled !== undefined) checkConstantList(compiled, check.pointer, findings);
    },
  };
}

/**
 * An expression that reads nothing always gives the same value, so it can be told now when that is no list. Those with a
 * call are left alone: their cost is not bounded by their length.
 */
function checkConstantList(expression: Expression, pointer: string, findings: Findings): void {
  if (expression.references.roots.size > 0 || expression.source.includes("(")) return;
  const expected = 'a list, such as "input.lines" or ["a", "b"]';
  try {
    const value = expression.evaluate({});
    if (!Array.isArray(value)) findings.error(pointer, `The expression gives ${kindOf(value)}, not a list`, expected);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    findings.error(pointer, `The expression always fails: ${error.message}`, expected);
  }
}

function meant(stepId: string | undefined): string {
  return stepId === undefined ? "the stepId of a step of this definition" : pathOf(stepId);
}

function pathOf(stepId: string): string {
  return identifierPattern.test(stepId) ? `steps.${stepId}` : `steps[${shown(stepId)}]`;
}
