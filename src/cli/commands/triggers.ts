/** `millrace triggers …`: what starts and cancels workflows. */
import type { CommandContext, GlobalOptions } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit.ts";
import { clipped, instant, json, paintStatus } from "../format.ts";
import { readValue } from "../input.ts";
import { printFacts, printTable } from "../table.ts";
import type { Terminal } from "../terminal.ts";

const base = "/api/v1/workflow-triggers";

interface Trigger {
  id: string;
  name: string;
  kind: string;
  triggerType: string;
  definitionId?: string;
  version?: string;
  eventPattern?: string;
  eventCondition?: string;
  inputMapping?: unknown;
  correlationKey?: string;
  priority: number;
  enabled: boolean;
  description?: string;
  webhook?: { verification: string; path: string; secrets: { createdAt: string; expiresAt?: string }[] };
  scheduleId?: string;
  triggeredCount: number;
  lastTriggeredAt?: string;
  createdBy?: string;
  createdAt: string;
}

interface Finding {
  pointer: string;
  message: string;
  expected?: string;
}

const pathOf = (ref: string, rest = "") => `${base}/${encodeURIComponent(ref)}${rest}`;
const statusOf = ({ enabled }: Trigger) => (enabled ? "active" : "disabled");

export interface ListOptions extends GlobalOptions {
  limit: number;
  workflow?: string;
  kind?: string;
  pattern?: string;
  name?: string;
}

export async function listTriggers(context: CommandContext, options: ListOptions): Promise<ExitCode> {
  const { terminal } = context;
  const { workflow: definitionId, kind, pattern, name, limit } = options;
  const client = await context.client(options);
  const { items, nextCursor } = await client.list<Trigger>(base, { definitionId, kind, pattern, name }, limit);
  if (options.json) {
    terminal.printJson({ items, nextCursor });
    return exitCodes.ok;
  }
  const { colors } = terminal;
  printTable(terminal, {
    head: ["TRIGGER", "KIND", "DOES", "WORKFLOW", "PATTERN", "STATUS", "FIRED", "LAST", "ID"],
    rows: items.map((trigger) => [
      trigger.name,
      trigger.kind,
      trigger.definitionId === undefined ? "publishes" : trigger.triggerType,
      trigger.definitionId,
      clipped(trigger.eventPattern ?? "", 40),
      paintStatus(colors, statusOf(trigger)),
      String(trigger.triggeredCount),
      instant(trigger.lastTriggeredAt),
      colors.dim(trigger.id),
    ]),
    empty: "No such triggers.",
  });
  if (nextCursor !== null) terminal.note(`There are more; raise --limit (now ${limit}).`);
  return exitCodes.ok;
}

export async function showTrigger(context: CommandContext, ref: string, options: GlobalOptions): Promise<ExitCode> {
  const client = await context.client(options);
  print(context.terminal, await client.get<Trigger>(pathOf(ref)), options);
  return exitCodes.ok;
}

function print(terminal: Terminal, trigger: Trigger & { secret?: string }, options: GlobalOptions): void {
  if (options.json) {
    terminal.printJson(trigger);
    return;
  }
  const { colors } = terminal;
  const { webhook, definitionId, version, inputMapping, createdAt, createdBy, lastTriggeredAt } = trigger;
  const workflow = definitionId === undefined ? undefined : `${definitionId}${version ? ` ${version}` : ""}`;
  const good = webhook && `${webhook.secrets.length} secret(s)`;
  printFacts(terminal, [
    ["trigger", colors.bold(trigger.name)],
    ["description", trigger.description],
    ["kind", trigger.kind],
    ["does", workflow === undefined ? "publishes" : `${trigger.triggerType} ${workflow}`],
    ["pattern", trigger.eventPattern],
    ["condition", trigger.eventCondition],
    ["input", inputMapping === undefined ? undefined : json(inputMapping)],
    ["correlation", trigger.correlationKey],
    ["priority", String(trigger.priority)],
    ["status", paintStatus(colors, statusOf(trigger))],
    ["address", webhook?.path],
    ["verified by", webhook && `${webhook.verification}, ${good}`],
    ["secret", trigger.secret && `${trigger.secret}  ${colors.dim("(it is not shown again)")}`],
    ["schedule", trigger.scheduleId],
    ["fired", `${trigger.triggeredCount}${lastTriggeredAt ? `, last ${instant(lastTriggeredAt)}` : ""}`],
    ["created", `${instant(createdAt)}${createdBy === undefined ? "" : ` by ${createdBy}`}`],
    ["id", trigger.id],
  ]);
}

export async function createTrigger(
  context: CommandContext,
  options: GlobalOptions & { file: string },
): Promise<ExitCode> {
  const { terminal } = context;
  const text = options.file === "-" ? "-" : `@${options.file}`;
  const body = await readValue(context, { option: "--file", text });
  const client = await context.client(options);
  const answer = await client.post<Trigger & { secret?: string; warnings: Finding[] }>(base, { body });
  for (const { pointer, message, expected } of answer.body.warnings) {
    const right = expected === undefined ? "" : ` (expected: ${expected})`;
    terminal.note(`${terminal.errorColors.yellow("warning")}  ${pointer}  ${message}${right}`);
  }
  print(terminal, answer.body, options);
  return exitCodes.ok;
}

export async function setEnabled(
  context: CommandContext,
  { ref, verb }: { ref: string; verb: "enable" | "disable" },
  options: GlobalOptions,
): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { body } = await client.post<Trigger>(pathOf(ref, `/${verb}`));
  if (options.json) terminal.printJson(body);
  else terminal.print(`${body.name} is ${verb}d`);
  return exitCodes.ok;
}

export async function deleteTrigger(context: CommandContext, ref: string, options: GlobalOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { id, name } = await client.get<Trigger>(pathOf(ref));
  await client.delete(pathOf(id));
  if (options.json) terminal.printJson({ id, name });
  else terminal.print(`${name} is deleted`);
  return exitCodes.ok;
}

export async function fireTrigger(
  context: CommandContext,
  ref: string,
  options: GlobalOptions & { input?: string; key?: string },
): Promise<ExitCode> {
  const { terminal } = context;
  const { key: idempotencyKey } = options;
  const input =
    options.input === undefined ? undefined : await readValue(context, { option: "--input", text: options.input });
  const client = await context.client(options);
  const { status, body } = await client.post<{ instanceId: string; status: string }>(pathOf(ref, "/fire"), {
    body: { input, idempotencyKey },
  });
  if (options.json) terminal.printJson(body);
  else if (status === 201) terminal.print(body.instanceId);
  else terminal.print(`${body.instanceId} ${terminal.colors.dim("(fired before with this key)")}`);
  return exitCodes.ok;
}

interface Tested {
  matches: boolean;
  checks: { check: string; ok: boolean; reason?: string }[];
  input?: unknown;
  correlationId?: string;
  priority?: number;
}

/** A trigger that would not act is no failure of the command. */
export async function testTrigger(
  context: CommandContext,
  ref: string,
  options: GlobalOptions & { payload?: string; pattern?: string },
): Promise<ExitCode> {
  const { terminal } = context;
  const { pattern } = options;
  const payload =
    options.payload === undefined ? null : await readValue(context, { option: "--payload", text: options.payload });
  const client = await context.client(options);
  const { body } = await client.post<Tested>(pathOf(ref, "/test"), { body: { event: { pattern, payload } } });
  if (options.json) {
    terminal.printJson(body);
    return exitCodes.ok;
  }
  const { colors } = terminal;
  const { matches, checks, input, correlationId, priority } = body;
  terminal.print(matches ? colors.green("it would act") : colors.yellow("it would not act"));
  printTable(terminal, {
    head: ["CHECK", "", "REASON"],
    rows: checks.map(({ check, ok, reason }) => [check, ok ? colors.green("yes") : colors.red("no"), reason]),
    empty: "No checks.",
  });
  printFacts(terminal, [
    ["input", input === undefined ? undefined : json(input)],
    ["correlation", correlationId],
    ["priority", priority?.toString()],
  ]);
  return exitCodes.ok;
}
