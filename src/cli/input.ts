/** Values that commands take: JSON in the argument, in a file (`@path`) or on standard input (`-`). */
import { readFile } from "node:fs/promises";
import { formatOf, parseDefinitionText, type TextFormat } from "../workflows/index.ts";
import type { CommandContext } from "./context.ts";
import { CommandError, exitCodes } from "./exit.ts";

/** The value that the text of an option means. Files may be YAML by their name; text beside that is JSON. */
export async function readValue(
  { stdin }: Pick<CommandContext, "stdin">,
  { option, text }: { option: string; text: string },
): Promise<unknown> {
  if (text === "-") return parseValue({ from: `${option} -`, text: await readAll(stdin), format: "yaml" });
  if (text.startsWith("@")) {
    const path = text.slice(1);
    return parseValue({ from: path, text: await readTextFile(path), format: formatOf(path) });
  }
  return parseValue({ from: option, text, format: "json" });
}

function parseValue({ from, text, format }: { from: string; text: string; format: TextFormat }): unknown {
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
