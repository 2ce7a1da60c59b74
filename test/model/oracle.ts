/** What the world answers to a workflow: the same for the same seeds, the path and the attempt. */

import type { ErrorCategory, Json } from "../../src/engine/index.ts";

/** What the model knows of an error: texts and instants are the engine's own. */
export interface Failure {
  code: string;
  category: ErrorCategory;
  stepId?: string;
}
export type Told = { afterMs: number } & ({ output: Json } | { error: Failure });
export interface Mail {
  type: string;
  payload: Json;
}

export interface Oracle {
  /** What an attempt of a TASK or of a compensation gives. */
  task(path: string, attempt: number): Told;
  /** How the child of an attempt ends. One that is refused is refused before any time of the definition is over. */
  child(path: string, attempt: number): Told;
  /** How long it takes to make a child. */
  makingMs: number;
  /** Each so long after the one before it. */
  signals: (Mail & { afterMs: number })[];
  /** For everybody. Each so long after the one before it. */
  events: (Mail & { afterMs: number })[];
  /** Always there, so that everything ends: long after all else where nobody cancels. */
  cancel: { afterMs: number; compensate: boolean; isWanted: boolean };
}

export const refused = "CHILD_REFUSED";

/** Uniform in [0, 1): FNV-1a of the text, mixed as in murmur3. */
export function chance(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** `outcomes` decides what is answered, `timing` when; `longestMs` is how long the world may take for an answer. */
export function createOracle(seeds: {
  outcomes: number;
  timing: number;
  longestMs: number;
  refuses?: boolean;
  publishes?: boolean;
}): Oracle {
  const { outcomes, timing, longestMs, refuses = true, publishes = true } = seeds;
  const after = (what: string) => 1 + Math.floor(chance(`${timing} ${what}`) * longestMs);
  const pick = <T>(list: readonly T[], what: string): T =>
    list[Math.floor(chance(`${outcomes} ${what}`) * list.length)]!;
  const n = (what: string) => Math.floor(chance(`${outcomes} n ${what}`) * 5);
  const failure = (what: string): Failure => ({
    code: pick(["E1", "E2"], `code ${what}`),
    category: pick(["TRANSIENT", "BUSINESS", "UNKNOWN"], `category ${what}`),
  });
  const output = (what: string): Json => {
    const some = [
      { ok: true, n: n(what) },
      { ok: false, n: n(what) },
      { ok: true, n: 1 },
      { ok: true, n: 3 },
    ];
    return pick<Json>([...some, ...some, n(what), null], `output ${what}`);
  };
  const letters = (kind: string) =>
    Array.from({ length: Math.floor(chance(`${outcomes} ${kind}s`) * 10) }, (_, i) => ({
      afterMs: Math.ceil(after(`${kind} ${i}`) / 3),
      type: pick(["go", "go", "x.a", "x.b", "stop"], `type of ${kind} ${i}`),
      payload: { n: n(`${kind} ${i}`) },
    }));
  const often = pick([0, 0.05, 0.15, 0.4], "often");
  const isWanted = chance(`${outcomes} cancel`) < 0.15;
  return {
    makingMs: 0,
    task(path, attempt) {
      const what = `task ${path} ${attempt}`;
      const afterMs = after(what);
      return chance(`${outcomes} ${what}`) < often
        ? { afterMs, error: failure(what) }
        : { afterMs, output: output(what) };
    },
    child(path, attempt) {
      const what = `child ${path} ${attempt}`;
      const end = chance(`${outcomes} ${what}`);
      if (end < 0.1 && refuses)
        return { afterMs: 1 + (after(what) % 5), error: { code: refused, category: "VALIDATION" } };
      const afterMs = after(what);
      if (end < 0.2) return { afterMs, error: { code: "CHILD_CANCELLED", category: "BUSINESS" } };
      return end < 0.2 + often ? { afterMs, error: failure(what) } : { afterMs, output: output(what) };
    },
    signals: letters("signal"),
    events: publishes ? letters("event") : [],
    cancel: {
      afterMs: isWanted ? after("cancel") * 3 : 1_000 * longestMs,
      compensate: chance(`${outcomes} compensate`) < 0.7,
      isWanted,
    },
  };
}

/** The id that a test gives to the child of an attempt. */
export const childId = (path: string, attempt: number): string => `child ${attempt} of ${path}`;

/** The input of an instance. */
export const inputOf = (n: number): Json => ({ n, list: [n, { n }, "text"] });
