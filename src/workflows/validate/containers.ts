/** What PARALLEL and MAP steps must satisfy beyond their shape. The steps inside are checked by themselves. */
import type { StepOutline } from "../schema/steps.ts";
import type { ExpressionChecks } from "./expressions.ts";
import { checkDuration } from "./fields.ts";
import type { Findings } from "./findings.ts";
import type { Place } from "./nesting.ts";
import { under } from "./pointer.ts";

interface Here {
  checks: ExpressionChecks;
  findings: Findings;
  place: Place;
}

export function checkParallel(
  { branches, join = "all", rest, timeout }: Extract<StepOutline, { type: "PARALLEL" }>,
  { findings, place: { pointer } }: Here,
): void {
  const count = branches.length;
  if (typeof join === "number" && join > count) {
    const message = `The join can never be met: it waits for ${join} branches, and there are ${count}`;
    findings.error(under(pointer, "join"), message, `"all", "any", or a number from 1 to ${count}`);
  }
  const wanted = join === "any" ? 1 : join === "all" ? count : join;
  if (rest !== undefined && wanted >= count) {
    const message = "The join waits for every branch, so there is no rest to speak of";
    findings.warn(under(pointer, "rest"), message, 'a join of "any" or of fewer branches');
  }
  checkDuration(timeout, under(pointer, "timeout"), findings);
}

export function checkMap(
  { items, timeout }: Extract<StepOutline, { type: "MAP" }>,
  { checks, findings, place }: Here,
): void {
  checks.list(items, { pointer: under(place.pointer, "items"), standing: "step", place });
  checkDuration(timeout, under(place.pointer, "timeout"), findings);
}
