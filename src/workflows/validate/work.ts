/** The work of a TASK step and of a compensation step. */
import { type CompensationStep, eventName, type Json, publishMembers } from "../../engine/index.ts";
import type { ExpressionChecks } from "./expressions.ts";
import { checkDuration, checkRetryPolicy } from "./fields.ts";
import type { Findings } from "./findings.ts";
import type { Standpoint } from "./names.ts";
import { nearest, oneOf } from "./nearest.ts";
import { isRecord, kindOf, shown, under } from "./pointer.ts";

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
  if (work.taskId === "transform") {
    checkTransform(work.input, at);
    return;
  }
  if (work.input !== undefined) checks.input(work.input, { pointer: under(pointer, "input"), standing, place });
  if (work.taskId === "event.publish") checkPublish(work.input, at);
}

/** The built-in `event.publish`, as far as its input can be told before it is evaluated. */
function checkPublish(input: Json | undefined, { pointer, findings }: Workplace): void {
  if (!isRecord(input)) return;
  const at = (...path: string[]) => under(pointer, "input", ...path);
  for (const name of Object.keys(input)) {
    if (!publishMembers.includes(name))
      findings.error(
        at(name),
        "The task event.publish does not know this",
        oneOf(publishMembers, nearest(name, publishMembers)),
      );
  }
  for (const name of ["pattern", "payload"]) {
    if (input[name] === undefined) findings.error(at(), `The task event.publish has no ${name}`, `a member "${name}"`);
  }
  const { pattern } = input;
  if (pattern === undefined || (typeof pattern === "string" && (pattern.includes("${") || eventName.test(pattern))))
    return;
  const expected = 'tokens of letters, digits, "_" and "-" with dots between, such as "orders.paid"';
  findings.error(at("pattern"), `${shown(pattern)} is no event's name`, expected);
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
