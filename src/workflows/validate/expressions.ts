/**
 * Checks the expressions of a definition: that they compile, and that the names they use exist where they stand.
 *
 * A condition that errs counts as false when it runs, so a misspelt name would never be seen again; here it is refused.
 */
import {
  compileCondition,
  compileExpression,
  compileTemplate,
  ExpressionError,
  type ExpressionOptions,
  type References,
} from "../../foundation/expressions/index.ts";
import { identifierPattern } from "../document.ts";
import type { Findings } from "./findings.ts";
import type { Graph } from "./graph.ts";
import { createSuggest, nearest, oneOf } from "./nearest.ts";
import { shown, under } from "./pointer.ts";

const everywhere = ["input", "variables", "steps", "instance", "workflow"];
/** What an expression can see, by where it stands. */
export const visibleNames = {
  step: everywhere,
  /** Once the step has its output: mappings and the conditions of its transitions. */
  outcome: [...everywhere, "output"],
  event: [...everywhere, "event", "payload"],
  /** As `event`; `$` stands for the payload. */
  payload: [...everywhere, "event", "payload"],
  undoing: [
    ...everywhere,
    "originalInput",
    "originalOutput",
    "workflowInput",
    "workflowState",
    "cancellation",
    "error",
  ],
  /** The condition of a compensation step. */
  undo: [...everywhere, "originalInput", "originalOutput", "cancellation", "error"],
} as const satisfies Record<string, readonly string[]>;

export type Standing = keyof typeof visibleNames;

export interface ExpressionCheck {
  pointer: string;
  standing: Standing;
  /** The step that evaluates it, when there is one: it can read only steps that may have run before. */
  stepId?: string;
}

export interface ExpressionChecks {
  condition(source: string, check: ExpressionCheck): void;
  expression(source: string, check: ExpressionCheck): void;
  /** A step's input or a workflow's output: a string is an expression, elsewhere strings may hold `${…}`. */
  input(value: unknown, check: ExpressionCheck): void;
}

/** `runsBefore(a, b)` tells whether the step `a` can have completed when `b` runs. */
export function createExpressionChecks(
  graph: Graph,
  runsBefore: (first: string, then: string) => boolean,
  findings: Findings,
): ExpressionChecks {
  const suggestStep = createSuggest(graph.steps.keys());
  const unspeakable = [...graph.steps.keys()].filter((stepId) => !identifierPattern.test(stepId));

  const run = (check: ExpressionCheck, compile: (options: ExpressionOptions) => { references: References }): void => {
    try {
      const { references } = compile({});
      const unknownRoots = [...references.roots].filter((root) => !isVisible(root, check.standing));
      const unknownSteps = [...references.steps].filter((stepId) => !graph.steps.has(stepId));
      if (unknownRoots.length === 0 && unknownSteps.length === 0) {
        warnOfOrder(references, check, { runsBefore, findings });
        return;
      }
      // `steps.reserve-stock.output` reads a step "reserve" and a name "stock": with the ids given, this says so.
      if (!findings.full) compile({ stepIds: unspeakable });
      for (const root of unknownRoots) reportRoot(root, check, findings);
      for (const stepId of unknownSteps) {
        const message = `The expression reads the step ${shown(stepId)}, which does not exist`;
        findings.error(check.pointer, message, meant(suggestStep(stepId)));
      }
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      findings.error(check.pointer, error.message, error.expected);
    }
  };

  const input = (value: unknown, check: ExpressionCheck): void => {
    if (typeof value === "string") run(check, (options) => compileExpression(value, options));
    else runInside(value, check);
  };
  /** Every text of a template by itself, so that the faults of all are told. */
  const runInside = (value: unknown, check: ExpressionCheck): void => {
    if (typeof value === "string") {
      if (value.includes("${")) run(check, (options) => compileTemplate(value, options));
    } else if (typeof value === "object" && value !== null) {
      for (const [key, item] of Object.entries(value))
        runInside(item, { ...check, pointer: under(check.pointer, key) });
    }
  };

  return {
    condition: (source, check) => run(check, (options) => compileCondition(source, options)),
    expression: (source, check) => {
      const path = check.standing === "payload" ? { pathRoot: "payload" } : {};
      run(check, (options) => compileExpression(source, { ...options, ...path }));
    },
    input,
  };
}

function isVisible(root: string, standing: Standing): boolean {
  const known: readonly string[] = visibleNames[standing];
  return known.includes(root);
}

function reportRoot(root: string, { pointer, standing }: ExpressionCheck, findings: Findings): void {
  const known = visibleNames[standing];
  findings.error(pointer, `The name ${shown(root)} is not known here`, oneOf(known, nearest(root, known)));
}

interface Order {
  runsBefore: (first: string, then: string) => boolean;
  findings: Findings;
}

function warnOfOrder(
  references: References,
  { pointer, stepId }: ExpressionCheck,
  { runsBefore, findings }: Order,
): void {
  for (const read of references.steps) {
    if (stepId === undefined || read === stepId || runsBefore(read, stepId)) continue;
    const message = `The expression reads the step ${shown(read)}, which never runs before ${shown(stepId)}`;
    findings.warn(pointer, message, "a step on the way here");
  }
}

function meant(stepId: string | undefined): string {
  if (stepId === undefined) return "the stepId of a step of this definition";
  return identifierPattern.test(stepId) ? `steps.${stepId}` : `steps[${shown(stepId)}]`;
}
