/**
 * What an expression can end with besides a value.
 *
 * Inside the room a failure is a thrown `Fault`: a light object without a stack trace, because `a.b || true` throws and
 * absorbs one in ordinary use. At the door every `Fault` becomes an `ExpressionError`, the only error that leaves.
 */

/** At compile: the source is not a readable expression. At evaluation: it failed, or it spent its budget. */
export class ExpressionError extends Error {
  override readonly name = "ExpressionError";
  /** Where in the source, as a count of UTF-16 code units from its start. */
  readonly position: number | undefined;
  /** What would be right, as a sentence or as the expression to write. */
  readonly expected: string | undefined;
  /** The expression as it was written. */
  readonly source: string | undefined;
  /** Where in a template the expression stands, as a JSON pointer. */
  readonly pointer: string | undefined;

  constructor(
    message: string,
    details: { position?: number; expected?: string; source?: string; pointer?: string; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.position = details.position;
    this.expected = details.expected;
    this.source = details.source;
    this.pointer = details.pointer;
  }
}

/** Text, or how to make it: most failures are absorbed by `||` or counted by `has`, and nobody reads them. */
export type LazyText = string | (() => string);

/** A failure on its way up. `at` is a position in the source, unknown until a node adds it. */
export class Fault {
  readonly what: LazyText;
  readonly at: number | undefined;
  readonly expected: LazyText | undefined;

  constructor(what: LazyText, options: { at?: number | undefined; expected?: LazyText | undefined } = {}) {
    this.what = what;
    this.at = options.at;
    this.expected = options.expected;
  }
}

/** The budget is spent. Unlike other faults, `||`, `&&` and the macros never absorb this one. */
export class BudgetFault extends Fault {}

/** Gives a fault without a place the place of the node it passes. */
export function locate(thrown: unknown, at: number): unknown {
  if (!(thrown instanceof Fault) || thrown.at !== undefined) return thrown;
  const Kind = thrown instanceof BudgetFault ? BudgetFault : Fault;
  return new Kind(thrown.what, { at, expected: thrown.expected });
}

const shownCharacters = 160;

/** Turns whatever evaluation or compilation threw into the one error of the room. */
export function asExpressionError(thrown: unknown, source: string): ExpressionError {
  if (thrown instanceof ExpressionError) return thrown;
  if (thrown instanceof Fault) {
    const what = textOf(thrown.what);
    const expected = thrown.expected === undefined ? undefined : textOf(thrown.expected);
    const shown = source.length > shownCharacters ? `${source.slice(0, shownCharacters)}…` : source;
    const where = thrown.at === undefined ? `in: ${shown}` : `at character ${thrown.at + 1} of: ${shown}`;
    const right = expected === undefined ? "" : `; ${expected}`;
    return new ExpressionError(`${what}${right} (${where})`, { position: thrown.at, expected, source });
  }
  if (thrown instanceof RangeError) {
    const message = "the expression or its data is nested too deeply, or produces a value that is too large";
    return new ExpressionError(`${message} (in: ${source.slice(0, shownCharacters)})`, { source, cause: thrown });
  }
  throw thrown;
}

function textOf(text: LazyText): string {
  return typeof text === "string" ? text : text();
}
