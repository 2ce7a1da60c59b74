/** Values that commands take: JSON in the argument, in a file (`@path`) or on standard input (`-`). */
import { readFile } from "node:fs/promises";
import type { TextFormat } from "../workflows/index.ts";
import type { CommandContext } from "./context.ts";
import { CommandError, exitCodes } from "./exit.ts";

/** The value that the text of an option means. Files may be YAML by their name; text beside that is JSON. */
export async function readValue(
  { stdin }: Pick<CommandContext, "stdin">,
  { option, text }: { option: string; text: string },
): Promise<unknown> {
  if (text === "-") return await parseValue({ from: `${option} -`, text: await readAll(stdin), format: "yaml" });
  if (text.startsWith("@")) {
    const path = text.slice(1);
    const { formatOf } = await import("../workflows/index.ts");
    return await parseValue({ from: path, text: await readTextFile(path), format: formatOf(path) });
  }
  return await parseValue({ from: option, text, format: "json" });
}

interface Source {
  from: string;
  text: string;
  format: TextFormat;
}

/** The room that reads definitions is loaded when there is something to read: it is large. */
async function parseValue({ from, text, format }: Source): Promise<unknown> {
  const { parseDefinitionText } = await import("../workflows/index.ts");
  const parsed = parseDefinitionText(text, format);
  if (parsed.ok) return parsed.value;
  const hints = parsed.errors.map(({ message }) => message);
  throw new CommandError(exitCodes.usage, `${from} cannot be read`, {
    hints: [...hints, `Give JSON, a file (${from.split(" ")[0]} @input.json) or standard input (-)`],
  });
}

export async function readTextFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? reasons[String(error.code)] : undefined;
    throw new CommandError(exitCodes.usage, `${path} ${reason ?? "cannot be read"}`);
  }
}

const reasons: Record<string, string> = {
  ENOENT: "does not exist",
  EISDIR: "is a directory",
  EACCES: "may not be read",
};

export async function readAll(stream: AsyncIterable<Buffer | string>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}
