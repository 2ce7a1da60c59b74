/** The work of a TASK step and of a compensation step. */
import type { CompensationStep, Json } from "../../engine/index.ts";
import type { ExpressionChecks } from "./expressions.ts";
import { checkDuration, checkRetryPolicy } from "./fields.ts";
import type { Findings } from "./findings.ts";
import type { Standpoint } from "./names.ts";
import { isRecord, kindOf, under } from "./pointer.ts";

type Work = Pick<CompensationStep, "taskId" | "input" | "retryPolicy" | "timeout">;

/** Where the work is, who sees what there, and what checks it. */
export interface Workplace extends Standpoint {
  /** The step. */
  pointer: string;
  checks: ExpressionChecks;
  findings: Findings;
}

export function checkWork(work: Work, at: Workplace): void {
  const { pointer, standing, place, checks, findings } = at;
  checkDuration(work.timeout, under(pointer, "timeout"), findings);
  checkRetryPolicy(work.retryPolicy, under(pointer, "retryPolicy"), findings);
  if (work.taskId === "transform") checkTransform(work.input, at);
  else if (work.input !== undefined) checks.input(work.input, { pointer: under(pointer, "input"), standing, place });
}

/** The built-in `transform` takes one expression as it stands; nothing in it is interpolated. */
function checkTransform(input: Json | undefined, { pointer, standing, place, checks, findings }: Workplace): void {
  const expected = '{ "expression": "…" }';
  const at = under(pointer, "input");
  if (isRecord(input) && typeof input.expression === "string") {
    checks.expression(input.expression, { pointer: under(at, "expression"), standing, place });
  } else if (isRecord(input)) {
    findings.error(under(at, "expression"), "The task transform has no expression to evaluate", expected);
  } else {
    const found = input === undefined ? "missing" : kindOf(input);
    findings.error(at, `The input of the task transform is ${found}`, expected);
  }
}
