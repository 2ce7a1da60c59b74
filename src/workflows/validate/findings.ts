/** Collects what is wrong and what is doubtful, so that everything is told at once. */
import type { InputError } from "../../foundation/errors.ts";

/** More would help nobody and could make the answer larger than the document. */
const maxFindings = 500;

export interface Findings {
  error(pointer: string, message: string, expected?: string): void;
  warn(pointer: string, message: string, expected?: string): void;
  readonly errors: InputError[];
  readonly warnings: InputError[];
  /** No further error is kept; dear checks can stop. */
  readonly full: boolean;
}

export function createFindings(): Findings {
  const errors: InputError[] = [];
  const warnings: InputError[] = [];
  return {
    errors,
    warnings,
    get full() {
      return errors.length > maxFindings;
    },
    error: (pointer, message, expected) => add(errors, pointer, message, expected),
    warn: (pointer, message, expected) => add(warnings, pointer, message, expected),
  };
}

function add(list: InputError[], pointer: string, message: string, expected: string | undefined): void {
  if (list.length < maxFindings) {
    list.push(expected === undefined ? { pointer, message } : { pointer, message, expected });
  } else if (list.length === maxFindings) {
    list.push({ pointer: "", message: `There are more than ${maxFindings} findings; the rest is left out` });
  }
}
