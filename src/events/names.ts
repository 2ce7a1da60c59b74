/** Names of events and patterns that names fit: tokens with dots between. */

export const maxNameLength = 255;

const token = /^[A-Za-z0-9_-]+$/;

export interface NameFault {
  message: string;
  expected: string;
}

/** Why a text is no name of an event; undefined when it is one. */
export function nameFault(name: string): NameFault | undefined {
  const expected = 'tokens of letters, digits, "_" and "-" with dots between, such as "orders.created"';
  if (name.length > maxNameLength) {
    return { message: `has ${name.length} characters`, expected: `at most ${maxNameLength} characters` };
  }
  if (/[*>]/.test(name)) {
    return { message: `is no name of an event: ${name.includes("*") ? "*" : ">"} is a wildcard of patterns`, expected };
  }
  return faultOfTokens(name.split("."), expected);
}

/** Why a text is no pattern: tokens, `*` for exactly one, `>` at the end for one or more. */
export function patternFault(pattern: string): NameFault | undefined {
  const expected = 'tokens with dots between; "*" is one token, ">" at the end one or more';
  if (pattern.length > maxNameLength) {
    return { message: `has ${pattern.length} characters`, expected: `at most ${maxNameLength} characters` };
  }
  const tokens = pattern.split(".");
  if (tokens.slice(0, -1).includes(">")) return { message: 'has ">" before its end', expected };
  return faultOfTokens(
    tokens.filter((one) => one !== "*" && one !== ">"),
    expected,
  );
}

function faultOfTokens(tokens: readonly string[], expected: string): NameFault | undefined {
  const wrong = tokens.find((one) => !token.test(one));
  if (wrong === undefined) return undefined;
  if (wrong === "") return { message: "has an empty token", expected };
  return { message: `has the token ${JSON.stringify(wrong.slice(0, 60))}`, expected };
}

export function isExact(pattern: string): boolean {
  return !/[*>]/.test(pattern);
}

/** The regular expression, as PostgreSQL reads it, of the names that a pattern fits. */
export function regexOfPattern(pattern: string): string {
  const parts = pattern.split(".").map((one) => (one === "*" ? "[^.]+" : one === ">" ? ".+" : one));
  return `^${parts.join("\\.")}$`;
}
