/**
 * The work that one validation may cost.
 *
 * A schema of a few lines can ask for work without end: references that fan out twice at each level, a pattern of a
 * thousand states over a megabyte. Every evaluation of a schema object costs one unit and more for long texts, wide
 * objects, patterns and comparisons, so the limit holds whatever the shape. Counting units instead of time makes the
 * same value valid or refused on every machine. A unit is at most some 300 ns on one core of 2026.
 *
 * One counter is enough: validation is synchronous.
 */

/** Units of one validation: 1.5 s of the worst patterns, below 0.3 s of anything else. */
export const VALIDATION_UNITS = 5_000_000;

/** Thrown inside a validator when its units are spent; it does not leave this folder. */
export class BudgetExhausted extends Error {}

export const budget = {
  left: VALIDATION_UNITS,

  spend(units: number): void {
    budget.left -= units;
    if (budget.left < 0) throw new BudgetExhausted("validation budget exhausted");
  },
};
