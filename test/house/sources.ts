/**
 * The project's TypeScript as data for the house rules: text, syntax tree and imports of every file.
 *
 * TypeScript 7 has no compiler API for this; oxc-parser reads the same syntax and parses the whole project in well under a second.
 */

import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { type Program, parseSync } from "oxc-parser";

export const projectRoot = fileURLToPath(new URL("../../", import.meta.url));

export interface Import {
  /** As written. */
  specifier: string;
  /** For relative imports: the file, from the project's root. */
  target?: string;
  line: number;
}

export interface Source {
  /** From the project's root, with slashes. */
  path: string;
  text: string;
  program: Program;
  comments: { value: string; start: number }[];
  /** Static and dynamic imports and re-exports, of types too. */
  imports: Import[];
  /** Names that others can import, except those of `export *`. */
  exports: { name: string; line: number }[];
}

/** The line (from 1) of an offset. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) line++;
  return line;
}

/** Reads one file's text. Throws when it is not TypeScript. */
export function parseSource(path: string, text: string): Source {
  const result = parseSync(path, text, { lang: "ts", sourceType: "module" });
  const fault = result.errors[0];
  if (fault !== undefined) throw new Error(`${path} cannot be parsed: ${fault.message}`);
  const { staticImports, staticExports, dynamicImports } = result.module;
  const requests = staticImports.map((found) => found.moduleRequest);
  const exports: Source["exports"] = [];
  for (const found of staticExports) {
    for (const entry of found.entries) {
      // Each name of `export { a, b } from` carries the request; one is enough.
      if (entry.moduleRequest !== null && entry === found.entries[0]) requests.push(entry.moduleRequest);
      if (entry.exportName.name !== null)
        exports.push({ name: entry.exportName.name, line: lineAt(text, found.start) });
    }
  }
  for (const { moduleRequest } of dynamicImports) {
    const written = text.slice(moduleRequest.start, moduleRequest.end);
    const literal = /^(["'`])([^"'`$]*)\1$/.exec(written)?.[2];
    if (literal !== undefined) requests.push({ value: literal, start: moduleRequest.start, end: moduleRequest.end });
  }
  const imports = requests.map(({ value, start }) => importOf(path, value, lineAt(text, start)));
  return { path, text, program: result.program, comments: result.comments, imports, exports };
}

function importOf(path: string, specifier: string, line: number): Import {
  if (!specifier.startsWith(".")) return { specifier, line };
  return { specifier, target: join(dirname(path), specifier).split(sep).join("/"), line };
}

/** Every TypeScript file of the project. */
export function readProject(): Source[] {
  const files = globSync("{src,test,scripts,bench,chaos,examples}/**/*.ts", { cwd: projectRoot }).sort();
  return files.map((file) => {
    const path = relative(projectRoot, join(projectRoot, file)).split(sep).join("/");
    return parseSource(path, readFileSync(join(projectRoot, file), "utf8"));
  });
}

export function isTest(path: string): boolean {
  return path.endsWith(".test.ts");
}

/** Whether SQL may stand here: `queries.ts`, `queries_*.ts`, and the files of a folder `queries`. */
export function isQueries(path: string): boolean {
  return /(^|\/)queries(_[a-z0-9_]+)?\.ts$/.test(path) || path.includes("/queries/");
}
