/**
 * The cost budget of one evaluation.
 *
 * Evaluation is synchronous and never calls back into user code, so the remaining budget is one module variable: a
 * charge is a subtraction and a comparison. Code without loops runs each node once and its size is capped with the
 * source, so only loops charge per node (once per round, with the size of the body), and whatever handles data of
 * unknown size charges for that size. A unit is about 10 to 40 ns of work on a slow core.
 */
import { BudgetFault } from "./errors.ts";

/** Enough for `map` over 100,000 items with a small body, and spent in well under 50 ms. */
const budgetUnits = 1_000_000;

/** What one absorbed failure costs: throwing and catching is far dearer than a node. */
export const faultUnits = 60;

let left = 0;

export function refillBudget(): void {
  left = budgetUnits;
}

/** Throws `BudgetFault` when the budget is spent. A hostile product that is no finite number spends it at once. */
export function charge(units: number): void {
  left -= units;
  if (!(left >= 0)) {
    left = -1;
    throw new BudgetFault(`the evaluation costs more than its budget of ${budgetUnits} units`, {
      expected: "loop over less data, nest fewer macros, or do this work in a task",
    });
  }
}
