/** `millrace templates …`: what definitions are made from. */
import type { Client } from "../client.ts";
import type { CommandContext, GlobalOptions } from "../context.ts";
import { CommandError, type ExitCode, exitCodes } from "../exit.ts";
import { clipped, instant, paintStatus } from "../format.ts";
import { readValue } from "../input.ts";
import { printFacts, printTable } from "../table.ts";
import { sendFiles } from "./apply.ts";

const base = "/api/v1/workflows/templates";

interface Template {
  id: string;
  name: string;
  version: string;
  description?: string;
  category?: string;
  isActive: boolean;
  builtin: boolean;
  createdBy?: string;
  createdAt?: string;
  parameters?: { properties?: Record<string, Parameter>; required?: string[] };
}

interface Parameter {
  type?: string | string[];
  default?: unknown;
  description?: string;
}

interface Finding {
  pointer: string;
  message: string;
  expected?: string;
}

const pathOf = (ref: string, rest = "") => `${base}/${encodeURIComponent(ref)}${rest}`;

export interface ListOptions extends GlobalOptions {
  limit: number;
  category?: string;
  name?: string;
}

export async function listTemplates(context: CommandContext, options: ListOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { category, name, limit } = options;
  const { items, nextCursor } = await client.list<Template>(base, { category, name }, limit);
  if (options.json) {
    terminal.printJson({ items, nextCursor });
    return exitCodes.ok;
  }
  const { colors } = terminal;
  printTable(terminal, {
    head: ["TEMPLATE", "VERSION", "CATEGORY", "STATUS", "DESCRIPTION", "ID"],
    rows: items.map(({ name: called, version, category: kind, isActive, builtin, description, id }) => [
      called,
      version,
      kind,
      paintStatus(colors, isActive ? "active" : "inactive"),
      clipped(description ?? "", 60),
      colors.dim(builtin ? "built in" : id),
    ]),
    empty: "No such templates.",
  });
  if (nextCursor !== null) terminal.note(`There are more; raise --limit (now ${limit}).`);
  return exitCodes.ok;
}

export async function getTemplate(context: CommandContext, ref: string, options: GlobalOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const template = await client.get<Template>(pathOf(ref));
  if (options.json) {
    terminal.printJson(template);
    return exitCodes.ok;
  }
  const { colors } = terminal;
  const { name, version, description, category, isActive, builtin, createdAt, createdBy, id, parameters } = template;
  printFacts(terminal, [
    ["template", `${colors.bold(name)} ${version}`],
    ["description", description],
    ["category", category],
    ["status", paintStatus(colors, isActive ? "active" : "inactive")],
    ["created", builtin ? "built in" : `${instant(createdAt)}${createdBy === undefined ? "" : ` by ${createdBy}`}`],
    ["id", id],
  ]);
  terminal.print();
  printTable(terminal, {
    head: ["PARAMETER", "TYPE", "DEFAULT", "DESCRIPTION"],
    rows: Object.entries(parameters?.properties ?? {}).map(
      ([parameter, { type, default: usual, description: what }]) => {
        const isRequired = usual === undefined && parameters?.required?.includes(parameter) === true;
        const shown = isRequired ? colors.yellow("(required)") : usual === undefined ? "" : clipped(usual, 40);
        return [parameter, [type ?? "any"].flat().join(" or "), shown, what];
      },
    ),
    empty: "No parameters.",
  });
  return exitCodes.ok;
}

/** Stores every template, also after one has failed; the exit code tells whether all went well. */
export function createTemplates(context: CommandContext, paths: string[], options: GlobalOptions): Promise<ExitCode> {
  return sendFiles(context, { paths, options, doing: "Storing", what: "TEMPLATE" }, async (client, document) => {
    const { status, body } = await client.post<Template & { warnings?: Finding[] }>(base, { body: document });
    const { id, name, version, warnings } = body;
    return { result: status === 201 ? "created" : "unchanged", id, name, version, warnings };
  });
}

export interface InstantiateOptions extends GlobalOptions {
  workflowId: string;
  /** `name=value` each. */
  param: string[];
  parameters?: string;
  name?: string;
  version?: string;
  status?: string;
  dryRun?: boolean;
}

interface Made {
  workflowId: string;
  version: string;
  status: string;
  warnings: Finding[];
  /** Of a dry run. */
  definition?: unknown;
}

export async function instantiateTemplate(
  context: CommandContext,
  ref: string,
  options: InstantiateOptions,
): Promise<ExitCode> {
  const { terminal } = context;
  const { workflowId, name, version, status, dryRun } = options;
  const client = await context.client(options);
  const parameters = await parametersOf(context, { client, ref, options });
  const { status: httpStatus, body } = await client.post<Made>(pathOf(ref, "/instantiate"), {
    body: { workflowId, parameters, name, version, status, dryRun },
  });
  for (const { pointer, message, expected } of body.warnings) {
    const right = expected === undefined ? "" : ` (expected: ${expected})`;
    terminal.note(`${terminal.errorColors.yellow("warning")}  ${pointer}  ${message}${right}`);
  }
  if (options.json || dryRun) {
    terminal.printJson(options.json ? body : body.definition);
    return exitCodes.ok;
  }
  const { colors } = terminal;
  const result = httpStatus === 201 ? `${colors.green("created")} from ${ref}` : "is there already, and unchanged";
  terminal.print(`${body.workflowId} ${body.version} ${result} (${paintStatus(colors, body.status)})`);
  return exitCodes.ok;
}

interface Naming {
  client: Client;
  ref: string;
  options: InstantiateOptions;
}

/** `--parameters`, and over them each `--param`. */
async function parametersOf(context: CommandContext, { client, ref, options }: Naming): Promise<unknown> {
  const { parameters: text, param } = options;
  const all = text === undefined ? {} : await readValue(context, { option: "--parameters", text });
  if (param.length === 0) return all;
  if (typeof all !== "object" || all === null || Array.isArray(all)) {
    throw new CommandError(exitCodes.usage, "--parameters is no object, so --param cannot be added to it");
  }
  const { parameters } = await client.get<Template>(pathOf(ref));
  const given = param.map((pair) => readPair(pair, parameters?.properties ?? {}));
  return { ...all, ...Object.fromEntries(given) };
}

/** The text as it is where the parameter takes text; where it takes something else too, what is JSON is read as JSON. */
function readPair(pair: string, known: Record<string, Parameter>): [string, unknown] {
  const [, name, text] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
  if (name === undefined || text === undefined) {
    throw new CommandError(exitCodes.usage, `--param ${pair} is not name=value`);
  }
  const parameter = Object.hasOwn(known, name) ? known[name] : undefined;
  if (parameter?.type === "string") return [name, text];
  try {
    return [name, JSON.parse(text)];
  } catch {
    return [name, text];
  }
}

export async function deleteTemplate(context: CommandContext, ref: string, options: GlobalOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { id, name, version } = await client.get<Template>(pathOf(ref));
  await client.delete(pathOf(id));
  if (options.json) terminal.printJson({ id, name, version });
  else terminal.print(`${name} ${version} is deleted`);
  return exitCodes.ok;
}
