/**
 * The house rules of CONTRIBUTING as a test. Each rule also shows, on a few small files, that it sees what it forbids
 * and lets pass what is right; a rule that could not fail would be an ornament.
 */

import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { codeRules } from "./rules_code.ts";
import { roomRules } from "./rules_rooms.ts";
import { parseSource, projectRoot, readProject } from "./sources.ts";
import { findForbidden, forbiddenEverywhere, forbiddenHere, readText, trackedFiles } from "./texts.ts";

const project = readProject();

describe.each([...roomRules, ...codeRules])("$law", (rule) => {
  test("everywhere", () => {
    expect(rule.check(project)).toEqual([]);
  });

  const sourcesOf = (files: Readonly<Record<string, string>>) =>
    Object.entries(files).map(([path, text]) => parseSource(path, text));

  test.each(rule.broken)("%j is seen", (files) => {
    expect(rule.check(sourcesOf(files)).length).toBeGreaterThan(0);
  });

  test.each(rule.fine)("%j passes", (files) => {
    expect(rule.check(sourcesOf(files))).toEqual([]);
  });
});

test("the project is looked at as a whole", () => {
  const paths = project.map(({ path }) => path);
  expect(paths).toContain("src/foundation/errors.ts");
  expect(paths).toContain("test/house/tidy.test.ts");
});

describe("no file speaks of one machine, of a registry or of its making", () => {
  const forbidden = [...forbiddenEverywhere, ...forbiddenHere(projectRoot)];
  const faultsOf = (text: string) => findForbidden({ path: "a.md", text, forbidden });

  test("everywhere", () => {
    const faults = trackedFiles(projectRoot).flatMap((path) => {
      const text = readText(join(projectRoot, path));
      return text === undefined ? [] : findForbidden({ path, text, forbidden });
    });
    expect(faults).toEqual([]);
  });

  // Put together here, for this file is looked at too.
  const join2 = (...parts: string[]) => parts.join("");
  test.each([
    join2("see /home", "/somebody/notes.md"),
    join2("cd /ro", "ot/project"),
    join2("C:\\Us", "ers\\somebody"),
    join2("https://registry.", "example.com/x"),
    join2("www.npm", "js.com/package/x"),
    join2("see iss", "ue 12"),
  ])("%s is seen", (text) => {
    expect(faultsOf(`first line\n${text}`).length).toBe(1);
  });

  test("the project's own place is seen", () => {
    const root = join(tmpdir(), "some-project");
    const text = `cd ${root}/src`;
    expect(findForbidden({ path: "a.md", text, forbidden: forbiddenHere(root) }).length).toBe(1);
  });

  test.each([
    "GET /home/",
    "works under /root too",
    "https://example.com/home/somebody/x",
    "the registry of tasks",
    "the issue is",
  ])("%s passes", (text) => {
    expect(faultsOf(text)).toEqual([]);
  });
});
