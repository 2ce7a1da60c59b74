/** Which events are meant: patterns of names, and conditions over the event. No I/O. */
import type { EventView } from "../engine/index.ts";
import { compileCondition, type Expression, ExpressionError } from "../foundation/expressions/index.ts";

const patternToken = /^[^\s.*>]+$/;
export const patternForm = 'tokens with dots between, such as "orders.*.paid" or "orders.>"';

/** What is wrong with an event pattern, as the end of a sentence; undefined when nothing is. */
export function patternFault(pattern: string): string | undefined {
  const tokens = pattern.split(".");
  for (const [index, token] of tokens.entries()) {
    if (token === "*" || patternToken.test(token)) continue;
    if (token === ">" && index === tokens.length - 1) continue;
    if (token === "") return "has an empty token";
    if (token === ">") return 'has ">" before the end';
    return /\s/.test(token) ? "has a token with a space in it" : "mixes a wildcard with text in a token";
  }
  return undefined;
}

/** An event's name that fits a pattern, for tests. */
export function nameFor(pattern: string): string {
  return pattern
    .split(".")
    .map((token) => (token === "*" || token === ">" ? "test" : token))
    .join(".");
}

const filterNames = new Set(["event", "payload"]);

/** What is wrong with a filter. */
export function filterFault(filter: string): { message: string; expected?: string } | undefined {
  try {
    const { references } = compileCondition(filter);
    const unknown = [...references.roots].find((name) => !filterNames.has(name));
    if (unknown === undefined) return undefined;
    return { message: `reads "${unknown}", which is not known here`, expected: "event, or payload for short" };
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return { message: error.message, ...(error.expected !== undefined && { expected: error.expected }) };
  }
}

/** A filter ready for use; of one that was checked. */
export type EventFilter = (event: EventView) => { holds: boolean; reason?: string };

/** A condition that errs counts as not holding, and says so. Without a text everything holds. */
export function eventFilter(text: string | null): EventFilter {
  if (text === null) return () => ({ holds: true });
  let condition: Expression | undefined;
  return (event) => {
    try {
      condition ??= compileCondition(text);
      if (condition.evaluate({ event, payload: event.payload }) === true) return { holds: true };
      return { holds: false, reason: `the filter does not hold: ${text}` };
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      return { holds: false, reason: `the filter erred: ${error.message}` };
    }
  };
}

/** A pattern as a regular expression of PostgreSQL, for a whole name. */
export function patternRegex(pattern: string): string {
  const tokens = pattern.split(".").map((token) => {
    if (token === "*") return "[^.]+";
    return token === ">" ? ".+" : token.replaceAll(/[\\^$.|?*+()[\]{}]/g, "\\$&");
  });
  return `^${tokens.join("\\.")}$`;
}

/** Whether a pattern names one event only. */
export function isExact(pattern: string): boolean {
  return !pattern.split(".").some((token) => token === "*" || token === ">");
}
