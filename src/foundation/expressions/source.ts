/**
 * The first look at an expression's text, before the parser: caps, brackets, and the spellings that are not CEL.
 *
 * The scanner skips string literals and comments, so nothing inside them is ever rewritten. Rewriting keeps every
 * character at its place (`===` becomes `== `, `$` becomes `_`), so positions in errors are positions in what was typed.
 */
import { Fault } from "./errors.ts";

export const maxSourceLength = 4096;
const maxBrackets = 64;

/** What follows `steps` in the source as it was typed, such as `.reserve-stock.output`. */
interface StepPath {
  at: number;
  text: string;
}

export interface Scan {
  /** The source in CEL, of the same length. */
  text: string;
  /** Where a `$` stood. */
  dollars: ReadonlySet<number>;
  stepPaths: readonly StepPath[];
  /** Where scanning stopped: the end, or the `}` that closes the template's `${`. */
  end: number;
}

const closing: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };
const word = /[A-Za-z_][A-Za-z0-9_]*/y;
const stepPath = /\s*\.\s*[A-Za-z0-9_][A-Za-z0-9_.-]*/y;
export const stringStart = /(?:[rR][bB]?|[bB][rR]?)?("""|'''|"|')/y;

/** What is no CEL but often tried, and what to write instead. */
const foreign: readonly (readonly [RegExp, string, string])[] = [
  [/\?\?/y, "there is no ?? operator", "write has(a.b) ? a.b : 'x'"],
  [/\?\./y, "there is no ?. operator", "write has(a.b) ? a.b : 'x'"],
  [/=>/y, "there are no arrow functions", "write list.map(x, …) or list.filter(x, …)"],
  [/=(?!=)/y, "= does not compare", "write =="],
  [/`/y, "there are no backtick strings", "write 'a' + b with ordinary quotes"],
  [/&(?!&)/y, "there is no & operator", "write &&"],
  [/\|(?!\|)/y, "there is no | operator", "write ||"],
  [/;/y, "an expression is one value, without ;", "remove the ;"],
];

const suspicious = "?=`&|;";

/**
 * Scans `source` from `start`. With `inTemplate` an unmatched `}` ends the expression; without, it is a fault.
 * Throws a `Fault` that names the place.
 */
export function scanSource(source: string, start = 0, inTemplate = false): Scan {
  const open: { bracket: string; at: number }[] = [];
  const dollars = new Set<number>();
  const stepPaths: StepPath[] = [];
  let text = "";
  let copied = start;
  let at = start;

  function rewrite(length: number, by: string): void {
    text += source.slice(copied, at) + by;
    at += length;
    copied = at;
  }

  while (at < source.length) {
    if (at - start > maxSourceLength) {
      throw new Fault(`the expression is longer than ${maxSourceLength} characters`, { expected: "do this in a task" });
    }
    const character = source[at]!;
    const literal = match(stringStart, source, at);
    if (literal !== undefined) {
      at = endOfString(source, at, literal);
    } else if (source.startsWith("//", at)) {
      const line = source.indexOf("\n", at);
      at = line === -1 ? source.length : line;
    } else if (match(word, source, at) !== undefined) {
      const name = match(word, source, at)!;
      const isMember = /\.\s*$/.test(source.slice(Math.max(0, at - 20), at));
      at += name.length;
      const path = name === "steps" && !isMember ? match(stepPath, source, at) : undefined;
      if (path !== undefined) stepPaths.push({ at, text: path.replace(/^\s*\.\s*/, "") });
    } else if (character in closing) {
      open.push({ bracket: character, at });
      if (open.length > maxBrackets) throw new Fault(`brackets are nested deeper than ${maxBrackets}`, { at });
      at++;
    } else if (character === ")" || character === "]" || character === "}") {
      const last = open.pop();
      if (last === undefined && inTemplate && character === "}") break;
      if (last === undefined) throw new Fault(`${character} closes nothing`, { at });
      if (closing[last.bracket] !== character) {
        throw new Fault(`${character} does not close the ${last.bracket} at character ${last.at + 1}`, {
          at,
          expected: `write ${closing[last.bracket]}`,
        });
      }
      at++;
    } else if (source.startsWith("===", at) || source.startsWith("!==", at)) {
      rewrite(3, character === "=" ? "== " : "!= ");
    } else if ((source[at + 1] === "=" && "=!<>".includes(character)) || source[at + 1] === character) {
      // Two-character operators; `??` and `;;` are not among them.
      if (character === "?" || character === ";") refuseForeign(source, at);
      at += 2;
    } else if (character === "$") {
      dollars.add(at);
      rewrite(1, "_");
    } else {
      if (suspicious.includes(character)) refuseForeign(source, at);
      at++;
    }
  }
  const last = open.pop();
  if (last !== undefined) {
    throw new Fault(`${last.bracket} is not closed`, { at: last.at, expected: `write ${closing[last.bracket]}` });
  }
  if (inTemplate && at >= source.length) {
    throw new Fault("${ is not closed", { at: Math.max(0, start - 2), expected: "write } after the expression" });
  }
  return { text: text + source.slice(copied, at), dollars, stepPaths, end: at };
}

export function match(pattern: RegExp, source: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0];
}

/** Where the string literal that starts at `at` ends. `opening` is its prefix and quotes. */
export function endOfString(source: string, at: number, opening: string): number {
  const quotes = opening.replace(/^[rRbB]+/, "");
  const raw = /^[bB]?[rR]/.test(opening);
  let index = at + opening.length;
  while (index < source.length) {
    if (source.startsWith(quotes, index)) return index + quotes.length;
    if (source[index] === "\n" && quotes.length === 1) break;
    index += source[index] === "\\" && !raw ? 2 : 1;
  }
  throw new Fault("the string is not closed", { at, expected: `write ${quotes} after it` });
}

function refuseForeign(source: string, at: number): void {
  for (const [pattern, what, expected] of foreign) {
    if (match(pattern, source, at) !== undefined) throw new Fault(what, { at, expected });
  }
}

/**
 * Refuses `steps.reserve-stock.output` when `reserve-stock` is a step: CEL reads it as a subtraction. A path counts
 * when it begins with the id of a step that is no identifier.
 */
export function refuseStepPaths(scan: Scan, stepIds: Iterable<string>): void {
  if (scan.stepPaths.length === 0) return;
  const special = [...stepIds].filter((id) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(id)).sort((a, b) => b.length - a.length);
  for (const path of scan.stepPaths) {
    const id = special.find((id) => path.text === id || path.text.startsWith(`${id}.`));
    if (id === undefined) continue;
    throw new Fault(`steps.${path.text} does not read the step ${id}: its id is no identifier`, {
      at: path.at,
      expected: `write steps[${JSON.stringify(id)}]${path.text.slice(id.length)}`,
    });
  }
}
