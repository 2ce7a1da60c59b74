/** `millrace workflows …`: definitions and their versions. */
import type { CommandContext, GlobalOptions } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit.ts";
import { instant, paintStatus } from "../format.ts";
import { type ShownStep, stepHead, stepRows } from "../step_rows.ts";
import { printFacts, printTable } from "../table.ts";

const base = "/api/v1/workflows/definitions";

interface Definition {
  id: string;
  workflowId: string;
  name: string;
  version: string;
  status: string;
  latest: boolean;
  description?: string;
  createdAt: string;
  createdBy?: string;
  steps?: ShownStep[];
}

export interface ListOptions extends GlobalOptions {
  limit: number;
  status?: string;
  all?: boolean;
}

/** The latest version of each workflow; with `--all` every version. */
export async function listWorkflows(context: CommandContext, options: ListOptions): Promise<ExitCode> {
  const client = await context.client(options);
  const { status, all, limit } = options;
  const latest = all || status !== undefined ? undefined : "true";
  const page = await client.list<Definition>(base, { status, latest }, limit);
  return printList(context, { ...page, options });
}

export async function listVersions(
  context: CommandContext,
  workflowId: string,
  options: ListOptions,
): Promise<ExitCode> {
  const client = await context.client(options);
  const page = await client.list<Definition>(`${base}/${encodeURIComponent(workflowId)}/versions`, {}, options.limit);
  return printList(context, { ...page, options });
}

function printList(
  { terminal }: CommandContext,
  { items, nextCursor, options }: { items: Definition[]; nextCursor: string | null; options: ListOptions },
): ExitCode {
  if (options.json) {
    terminal.printJson({ items, nextCursor });
    return exitCodes.ok;
  }
  const { colors } = terminal;
  printTable(terminal, {
    head: ["WORKFLOW", "VERSION", "STATUS", "LATEST", "NAME", "CREATED", "ID"],
    rows: items.map(({ workflowId, version, status, latest, name, createdAt, id }) => {
      return [
        workflowId,
        version,
        paintStatus(colors, status),
        latest ? "yes" : "",
        name,
        instant(createdAt),
        colors.dim(id),
      ];
    }),
    empty: "No workflows. Load some with: millrace apply <files…>",
  });
  if (nextCursor !== null) terminal.note(`There are more; raise --limit (now ${options.limit}).`);
  return exitCodes.ok;
}

export interface VersionOptions extends GlobalOptions {
  version?: string;
}

export async function getWorkflow(context: CommandContext, ref: string, options: VersionOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const definition = await client.get<Definition>(`${base}/${encodeURIComponent(ref)}`, { version: options.version });
  if (options.json) {
    terminal.printJson(definition);
    return exitCodes.ok;
  }
  const { colors } = terminal;
  const { workflowId, name, version, status, latest, description, createdAt, createdBy, id, steps = [] } = definition;
  printFacts(terminal, [
    ["workflow", `${colors.bold(workflowId)} ${version}${latest ? " (latest)" : ""}`],
    ["name", name],
    ["description", description],
    ["status", paintStatus(colors, status)],
    ["created", `${instant(createdAt)}${createdBy === undefined ? "" : ` by ${createdBy}`}`],
    ["id", id],
  ]);
  terminal.print();
  printTable(terminal, { head: stepHead, rows: stepRows(steps), empty: "No steps." });
  return exitCodes.ok;
}

/** Changes the status of a version; `verb` is the route's last part. */
export async function changeStatus(
  context: CommandContext,
  { ref, verb }: { ref: string; verb: "activate" | "deprecate" },
  options: VersionOptions,
): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const path = `${base}/${encodeURIComponent(ref)}/${verb}`;
  const { body } = await client.post<Definition>(path, { query: { version: options.version } });
  if (options.json) terminal.printJson(body);
  else terminal.print(`${body.workflowId} ${body.version} is ${paintStatus(terminal.colors, body.status)}`);
  return exitCodes.ok;
}
