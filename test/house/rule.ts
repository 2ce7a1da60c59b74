/** A rule of the house: a sentence, and a look at the whole project that gives every violation with its place. */

import type { Source } from "./sources.ts";

export interface Rule {
  /** What is so. Becomes the test's name. */
  law: string;
  /** `path:line: what is wrong`, or `path: …`. */
  check(sources: readonly Source[]): string[];
  /** Files that break the rule, each at least once: they prove that the rule can see. */
  broken: Readonly<Record<string, string>>[];
  /** Files that look close to it and are right. */
  fine: Readonly<Record<string, string>>[];
}
