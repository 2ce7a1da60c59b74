/** Words that must not stand in any file of the project: they are true on one machine only, or speak of its making. */

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join, resolve, sep } from "node:path";

export interface Forbidden {
  what: string;
  pattern: RegExp;
}

const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&");

/** Where a path may begin: not inside another path or a word. */
const pathStart = "(?<![\\w./~-])";

/** The same on every machine. */
export const forbiddenEverywhere: Forbidden[] = [
  {
    what: "a path in somebody's home",
    pattern: new RegExp(`${pathStart}(/home/[a-z][\\w.-]*|/Users/\\w[\\w.-]*|/root)/[\\w.-]`),
  },
  { what: "a path in somebody's home", pattern: /\b[A-Z]:\\+Users\\+\w/ },
  {
    what: "a package registry's host",
    pattern: /\bnpmjs\.(org|com)\b|\byarnpkg\.com\b|\bnpmmirror\.com\b|\bpypi\.org\b/,
  },
  {
    what: "a package registry's host",
    pattern: /\bhttps?:\/\/(registry|npm|packages|artifactory|nexus|verdaccio)\b[\w.-]*[/:]/,
  },
  { what: "the number of an issue", pattern: /(?<![\w/"])issues? (no\. ?)?#?\d+\b/i },
];

/**
 * This machine's own paths: the home, the project and the folders beside it, unless the project lies in a place that
 * is nobody's (the root, the temporary folder). A name directly under the root, such as `/app`, is allowed.
 */
export function forbiddenHere(root: string): Forbidden[] {
  const project = resolve(root);
  const parent = dirname(project);
  const isShared = parent === dirname(parent) || parent === tmpdir();
  const neighbours = isShared ? [project] : foldersIn(parent);
  return [homedir(), ...neighbours]
    .filter((path) => path.split(sep).filter(Boolean).length > 1)
    .map((path) => ({
      what: "a path of this machine",
      pattern: new RegExp(`${pathStart}${escaped(path)}(?![\\w-])`),
    }));
}

function foldersIn(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(path, entry.name));
}

/** Tracked files, and new ones that git does not ignore. Throws outside a git repository. */
export function trackedFiles(root: string): string[] {
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  return listed
    .split("\0")
    .filter((path) => path !== "" && statSync(join(root, path), { throwIfNoEntry: false })?.isFile() === true);
}

/** `path:line: what` for every forbidden word of a text. */
export function findForbidden(given: { path: string; text: string; forbidden: readonly Forbidden[] }): string[] {
  return given.text
    .split("\n")
    .flatMap((line, index) =>
      given.forbidden
        .filter(({ pattern }) => pattern.test(line))
        .map(({ what, pattern }) => `${given.path}:${index + 1}: ${what}: ${pattern.exec(line)?.[0]}`),
    );
}

/** The text of a file; undefined when it holds bytes that are none. */
export function readText(path: string): string | undefined {
  const bytes = readFileSync(path);
  return bytes.includes(0) ? undefined : bytes.toString("utf8");
}
