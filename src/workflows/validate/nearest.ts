/** Finds the name that was probably meant. */

/** Names that are compared for one suggestion, suggestions that one suggester makes, and their length: bounds the cost. */
const maxNames = 1_000;
const maxSuggestions = 200;
const maxLength = 64;

/** The known name closest to `name`: at most a third of it differs, never more than three characters. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  if (name.length > maxLength) return undefined;
  const limit = Math.min(3, Math.floor(name.length / 3) + 1);
  const lower = name.toLowerCase();
  let best: string | undefined;
  let bestDistance = limit + 1;
  let compared = 0;
  for (const candidate of known) {
    if (++compared > maxNames) break;
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue;
    const distance = editDistance(lower, candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

export type Suggest = (name: string) => string | undefined;

/** `nearest` among names that do not change, each answer computed once. */
export function createSuggest(known: Iterable<string>): Suggest {
  const names = [...known];
  const answers = new Map<string, string | undefined>();
  return (name) => {
    if (!answers.has(name)) {
      if (answers.size >= maxSuggestions) return undefined;
      answers.set(name, nearest(name, names));
    }
    return answers.get(name);
  };
}

/** `one of "a", "b"`, and the suggestion first when there is one. At most ten names are listed. */
export function oneOf(names: readonly string[], suggestion?: string): string {
  const list = names.slice(0, 10).map((name) => JSON.stringify(name));
  const rest = names.length > 10 ? `, … (${names.length} in all)` : "";
  const choice = list.length === 1 && rest === "" ? list[0]! : `one of ${list.join(", ")}${rest}`;
  return suggestion === undefined ? choice : `${JSON.stringify(suggestion)} (${choice})`;
}

/**
 * Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). Only the part of the table
 * within `most` of its diagonal is made, for a way that leaves it is longer; a distance above `most` may be given as any
 * number above it.
 */
function editDistance(a: string, b: string, most: number): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  const beyond = most + 1;
  for (let i = 1; i <= a.length; i++) {
    const first = Math.max(1, i - most);
    const last = Math.min(b.length, i + most);
    const current: number[] = [];
    current[first - 1] = first === 1 ? i : beyond;
    for (let j = first; j <= last; j++) {
      const replaced = (previous[j - 1] ?? beyond) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(replaced, (previous[j] ?? beyond) + 1, (current[j - 1] ?? beyond) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforePrevious[j - 2] ?? beyond) + 1);
      }
      current[j] = cost;
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length] ?? beyond;
}
