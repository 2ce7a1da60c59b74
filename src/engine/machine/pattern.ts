/**
 * Event patterns: tokens separated by dots; `*` stands for exactly one token, `>` at the end for one or more.
 */

export type PatternMatcher = (name: string) => boolean;

/** A matcher for one pattern. The validator has checked its form; an exact pattern costs one comparison. */
export function compilePattern(pattern: string): PatternMatcher {
  if (!pattern.includes("*") && !pattern.includes(">")) return (name) => name === pattern;
  const tokens = pattern.split(".");
  const open = tokens.at(-1) === ">";
  const fixed = open ? tokens.slice(0, -1) : tokens;
  return (name) => {
    const parts = name.split(".");
    if (open ? parts.length <= fixed.length : parts.length !== fixed.length) return false;
    return fixed.every((token, i) => (token === "*" ? parts[i] !== "" : token === parts[i]));
  };
}

/** The names that a pattern with wildcards matches, as a regular expression that PostgreSQL reads; null without wildcards. */
export function patternExpression(pattern: string): string | null {
  if (!pattern.includes("*") && !pattern.includes(">")) return null;
  const tokens = pattern.split(".").map((token, i, all) => {
    if (token === "*") return "[^.]+";
    if (token === ">" && i === all.length - 1) return ".+";
    return token.replace(/[^\w]/gu, "\\$&");
  });
  return `^${tokens.join("\\.")}$`;
}
