/** The histories that a workflow may have when nobody knows what is faster. */

import type { Definition, Json } from "../../src/engine/index.ts";
import { Clock } from "./coroutines.ts";
import { linesOf } from "./history.ts";
import { interpret } from "./life.ts";
import { chance, createOracle } from "./oracle.ts";

const longestMs = 1_000_000_000;

export interface Case {
  definition: Definition;
  input: Json;
  outcomes: number;
}

/** The history under one timing, as text; undefined when the model cannot tell. Children are never refused here. */
function historyUnder(given: Case, timing: number): string | undefined {
  const oracle = {
    ...createOracle({ outcomes: given.outcomes, timing, longestMs, refuses: false, publishes: false }),
    makingMs: 1,
  };
  let draws = 0;
  const clock = new Clock((ms) => {
    // What comes at once comes at once, and what only comes so that everything ends comes at the end.
    if (ms === 0 || ms >= 1_000 * longestMs) return ms;
    return 1 + Math.floor(chance(`${timing} ${draws++}`) * (ms > longestMs ? 3 : 1) * longestMs);
  });
  const history = interpret(given.definition, given.input, oracle, clock);
  return typeof history === "string" ? undefined : linesOf(history, { times: false }).join("\n");
}

/** What the history may be, when that is one of few; undefined when it is not. */
export function likelyHistories(given: Case): Set<string> | undefined {
  const found = new Set<string>();
  for (let timing = 0; timing < 12; timing++) {
    const text = historyUnder(given, timing);
    if (text === undefined) return undefined;
    found.add(text);
    if (found.size > 3) return undefined;
  }
  return found;
}

/** Whether a history is right under some timing. */
export function isPossible(given: Case, text: string): boolean {
  for (let timing = 12; timing < 5_000; timing++) if (historyUnder(given, timing) === text) return true;
  return false;
}
