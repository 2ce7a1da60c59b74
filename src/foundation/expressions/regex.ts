/**
 * `matches`: RE2 syntax and RE2 time, which is linear in the text whatever the pattern.
 *
 * Linear still means program size times text length, so both are capped and their product is charged.
 */
import { RE2JS } from "re2js";
import { charge } from "./budget.ts";
import { Fault } from "./errors.ts";
import { recentlyUsed } from "./recent.ts";

const maxPatternLength = 512;
const maxTextLength = 65_536;
/** Instructions of a compiled pattern; `(a{1,100}){1,9}` has 1,800. */
const maxProgramSize = 1_000;

interface Compiled {
  test(text: string): boolean;
  readonly size: number;
}

const cache = recentlyUsed<Compiled>(256);

/** Compiles a pattern, or finds it among those last used. Throws a `Fault` for a bad or too large one. */
function compilePattern(pattern: string): Compiled {
  const known = cache.get(pattern);
  if (known !== undefined) return known;
  if (pattern.length > maxPatternLength) {
    throw new Fault(`the pattern has ${pattern.length} characters, more than ${maxPatternLength}`);
  }
  charge(2_000);
  const compiled = translate(pattern);
  const size = compiled.programSize();
  charge(size * 4);
  if (size > maxProgramSize) {
    throw new Fault(`the pattern is too complex (${size} instructions, at most ${maxProgramSize})`, {
      expected: "use smaller repetition counts",
    });
  }
  const entry = { test: (text: string) => compiled.test(text), size };
  cache.set(pattern, entry);
  return entry;
}

function translate(pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    throw new Fault(
      `the pattern is not a regular expression of RE2: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/** True when the pattern is found anywhere in the text. */
export function matchesPattern(text: string, pattern: string): boolean {
  if (text.length > maxTextLength) {
    throw new Fault(`matches takes text of up to ${maxTextLength} characters, not ${text.length}`);
  }
  const compiled = compilePattern(pattern);
  // The slow path of the matcher takes up to 70 ns for each instruction and character.
  charge(10 + text.length * compiled.size * 2);
  return compiled.test(text);
}
