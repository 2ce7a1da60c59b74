/** `millrace apply` and `millrace workflows validate`: definitions from files; and how files are sent at all. */
import type { Client } from "../client.ts";
import type { CommandContext, GlobalOptions } from "../context.ts";
import { type DefinitionFile, findDefinitionFiles, readDefinitionFile } from "../definition_files.ts";
import { CommandError, type ExitCode, exitCodes } from "../exit.ts";
import { paintStatus } from "../format.ts";
import { printTable } from "../table.ts";
import { bar } from "../terminal.ts";

interface Finding {
  pointer: string;
  message: string;
  expected?: string;
}

interface FileResult {
  file: string;
  result: "created" | "unchanged" | "valid" | "failed";
  workflowId?: string;
  /** Of a template or a sequence; the eventId of a definition of events. */
  name?: string;
  version?: string;
  id?: string;
  code?: string;
  message?: string;
  errors?: Finding[];
  warnings?: Finding[];
}

type Send = (client: Client, document: unknown) => Promise<Omit<FileResult, "file">>;

interface Sending {
  paths: string[];
  options: GlobalOptions;
  /** As the progress says it. */
  doing: string;
  /** What a file holds, as the table's head says it. */
  what: "WORKFLOW" | "TEMPLATE" | "SEQUENCE" | "EVENT" | "SCHEDULE";
}

/** Sends every definition, also after one has failed; the exit code tells whether all went well. */
export function apply(context: CommandContext, paths: string[], options: GlobalOptions): Promise<ExitCode> {
  return sendFiles(context, { paths, options, doing: "Applying", what: "WORKFLOW" }, async (client, document) => {
    interface Created {
      id: string;
      workflowId: string;
      version: string;
      warnings?: Finding[];
    }
    const { status, body } = await client.post<Created>("/api/v1/workflows/definitions", { body: document });
    const { id, workflowId, version, warnings } = body;
    return { result: status === 201 ? "created" : "unchanged", id, workflowId, version, warnings };
  });
}

/** Asks the server whether it would take the definitions; nothing is stored. */
export function validate(context: CommandContext, paths: string[], options: GlobalOptions): Promise<ExitCode> {
  return sendFiles(context, { paths, options, doing: "Checking", what: "WORKFLOW" }, async (client, document) => {
    interface Verdict {
      valid: boolean;
      errors: Finding[];
      warnings: Finding[];
      definition?: { workflowId?: string; version?: string };
    }
    const { body } = await client.post<Verdict>("/api/v1/workflows/definitions/validate", { body: document });
    const { valid, errors, warnings, definition } = body;
    const { workflowId, version } = definition ?? {};
    return valid
      ? { result: "valid", workflowId, version, warnings }
      : { result: "failed", message: `${errors.length} fault(s)`, errors, warnings };
  });
}

/** Sends what each file holds, also after one has failed, and prints what became of each. */
export async function sendFiles(
  context: CommandContext,
  { paths, options, doing, what }: Sending,
  send: Send,
): Promise<ExitCode> {
  const { terminal } = context;
  const files = await findDefinitionFiles(paths);
  const client = await context.client(options);
  const results: FileResult[] = [];
  for (const path of files) {
    terminal.progress.show(`${doing} ${bar({ done: results.length, total: files.length })}  ${path}`);
    const file = await readDefinitionFile(context, path);
    const result = await resultOf(file, (document) => send(client, document));
    results.push({ file: file.name, ...result });
  }
  terminal.progress.clear();
  if (options.json) terminal.printJson({ items: results });
  else printResults(context, { results, what });
  return results.some(({ result }) => result === "failed") ? exitCodes.refused : exitCodes.ok;
}

/** What became of one file. Refusals of its content are results; a server that is gone ends the command. */
async function resultOf(
  { parsed }: DefinitionFile,
  send: (document: unknown) => Promise<Omit<FileResult, "file">>,
): Promise<Omit<FileResult, "file">> {
  if (!parsed.ok) {
    return {
      result: "failed",
      message: "The file cannot be read",
      errors: parsed.errors.map(({ position: _, ...error }) => error),
    };
  }
  const located = (findings: Finding[] | undefined) =>
    findings?.map((finding) => {
      const at = parsed.locate(finding.pointer);
      return at === undefined ? finding : { ...finding, ...at };
    });
  try {
    const result = await send(parsed.value);
    return { ...result, errors: located(result.errors), warnings: located(result.warnings) };
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode !== exitCodes.refused) throw error;
    const { detail, code, errors } = error.document as { detail?: string; code?: string; errors?: Finding[] };
    return { result: "failed", code, message: detail ?? error.message, errors: located(errors) };
  }
}

function printResults(
  { terminal }: CommandContext,
  { results, what }: { results: FileResult[]; what: Sending["what"] },
): void {
  const { colors } = terminal;
  printTable(terminal, {
    head: ["FILE", what, "VERSION", "RESULT"],
    rows: results.map(({ file, workflowId, name, version, result }) => [
      file,
      workflowId ?? name,
      version,
      paintStatus(colors, result),
    ]),
    empty: "No files.",
  });
  for (const { file, message, code, errors = [], warnings = [], result } of results) {
    if (result === "failed") {
      terminal.note(`\n${terminal.errorColors.red(file)}: ${message}${code === undefined ? "" : ` [${code}]`}`);
    }
    for (const finding of errors) terminal.note(`  ${placeOf(file, finding)}  ${sentence(finding)}`);
    for (const finding of warnings) {
      terminal.note(`${terminal.errorColors.yellow("warning")}  ${placeOf(file, finding)}  ${sentence(finding)}`);
    }
  }
}

/** `orders.yaml:12:5  /steps/0/taskId`, which editors and terminals can open. */
function placeOf(file: string, finding: Finding & { line?: number; column?: number }): string {
  const place = finding.line === undefined ? file : `${file}:${finding.line}:${finding.column}`;
  return finding.pointer === "" ? place : `${place}  ${finding.pointer}`;
}

function sentence({ message, expected }: Finding): string {
  return expected === undefined ? message : `${message} (expected: ${expected})`;
}
