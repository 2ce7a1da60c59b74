/** The definition files that arguments name: files as they are, directories with all they hold, standard input. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ParsedText } from "../workflows/index.ts";
import type { CommandContext } from "./context.ts";
import { CommandError, exitCodes } from "./exit.ts";
import { readAll, readTextFile } from "./input.ts";

export interface DefinitionFile {
  /** As it is shown: a path, or `(standard input)`. */
  name: string;
  parsed: ParsedText;
}

/** Paths in the order of the arguments, those of a directory by name. A path named twice is read once. */
export async function findDefinitionFiles(paths: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const path of paths) {
    if (path !== "-" && (await isDirectory(path))) {
      const inside = await definitionsIn(path);
      if (inside.length === 0) {
        throw new CommandError(exitCodes.usage, `${path} holds no .json, .yaml or .yml file`);
      }
      for (const file of inside) found.add(file);
    } else {
      found.add(path);
    }
  }
  return [...found];
}

export async function readDefinitionFile(
  { stdin }: Pick<CommandContext, "stdin">,
  path: string,
): Promise<DefinitionFile> {
  const { formatOf, parseDefinitionText } = await import("../workflows/index.ts");
  if (path === "-") {
    // JSON is YAML too.
    return { name: "(standard input)", parsed: parseDefinitionText(await readAll(stdin), "yaml") };
  }
  return { name: path, parsed: parseDefinitionText(await readTextFile(path), formatOf(path)) };
}

async function isDirectory(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true;
}

async function definitionsIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && /\.(json|ya?ml)$/i.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/(^|[\\/])(node_modules|\.[^\\/]+)[\\/]/.test(path.slice(directory.length)))
    .sort();
}
