/**
 * Regular expressions of users, run by RE2: time grows linearly with the text, whatever the pattern.
 *
 * The syntax is ECMAScript's without look-around and back-references. `\s` and `.` follow RE2 (ASCII white space; any
 * character but a line feed).
 */
import { RE2JS } from "re2js";
import { budget } from "./budget.ts";

const MAX_PATTERN_LENGTH = 2_000;
/** RE2 instructions of one pattern; the worst case of a match is the text's length times this. */
const MAX_PROGRAM_SIZE = 1_500;
/** The worst measured match costs 17 ns per character and instruction, so 16 of them make one unit. */
const STEPS_PER_UNIT = 16;

export interface Pattern {
  test(text: string): boolean;
  toString(): string;
}

/** Compiles a pattern. Throws a SyntaxError that says what is wrong with it. */
export function compilePattern(source: string): Pattern {
  if (source.length > MAX_PATTERN_LENGTH) {
    throw new SyntaxError(`the pattern is longer than ${MAX_PATTERN_LENGTH} characters`);
  }
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(RE2JS.translateRegExp(source));
  } catch (error) {
    throw new SyntaxError(explain(source, error));
  }
  const size = compiled.programSize();
  if (size > MAX_PROGRAM_SIZE) {
    throw new SyntaxError(
      `the pattern is too large: its repetitions make ${size} states, at most ${MAX_PROGRAM_SIZE} are run`,
    );
  }
  return {
    test(text) {
      budget.spend(1 + Math.floor((text.length * size) / STEPS_PER_UNIT));
      return compiled.test(text);
    },
    toString: () => source,
  };
}

function explain(source: string, error: unknown): string {
  if (/\(\?<?[=!]/.test(source)) return "the pattern uses look-ahead or look-behind, which is not supported";
  if (/\\[1-9]|\\k</.test(source)) return "the pattern uses a back-reference, which is not supported";
  const reason = error instanceof Error ? error.message.replace(/^error parsing regexp: /, "") : String(error);
  return `the pattern is not a regular expression: ${reason}`;
}
