/** `millrace instances …`: starts, looks, signals and cancels. The rest is in `instances_*.ts` and `watch.ts`. */
import type { CommandContext, GlobalOptions } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit.ts";
import { clipped, errorLine, instant, json, paintStatus, span } from "../format.ts";
import { readValue } from "../input.ts";
import { printFacts, printTable } from "../table.ts";

export const instancesPath = "/api/v1/workflows/instances";

export interface Instance {
  id: string;
  workflowId: string;
  workflowDefinitionId: string;
  status: string;
  currentStepId?: string;
  correlationId?: string;
  priority: number;
  startedAt: string;
  completedAt?: string;
  startedBy?: string;
  parentInstanceId?: string;
  originInstanceId?: string;
  originStepId?: string;
  input?: unknown;
  output?: unknown;
  error?: unknown;
  cancelation?: { reason?: string; requestedBy?: string };
  compensationState?: { status: string; completed: string[]; failed: { stepId: string; error: string }[] };
  state?: {
    steps?: Record<string, Step>;
    waitingForEvent?: { eventPattern: string; since: string };
  };
}

interface Step {
  status: string;
  attempt: number;
  error?: unknown;
  startedAt?: string;
  completedAt?: string;
}

export function pathOf(id: string, rest = ""): string {
  return `${instancesPath}/${encodeURIComponent(id)}${rest}`;
}

/** The exit code that tells how an instance ended; one that has not ended is no failure. */
export function exitCodeOf(status: string): ExitCode {
  return status === "FAILED" || status === "CANCELLED" ? exitCodes.instanceFailed : exitCodes.ok;
}

export interface StartOptions extends GlobalOptions {
  input?: string;
  variables?: string;
  version?: string;
  correlationId?: string;
  key?: string;
  priority?: string;
  wait?: string | true;
}

export async function startInstance(context: CommandContext, ref: string, options: StartOptions): Promise<ExitCode> {
  const { terminal } = context;
  const { version, correlationId, key, priority, wait } = options;
  const input = options.input === undefined ? {} : await readValue(context, { option: "--input", text: options.input });
  const variables =
    options.variables === undefined
      ? undefined
      : await readValue(context, { option: "--variables", text: options.variables });
  const client = await context.client(options);
  const body = {
    definitionId: ref,
    version,
    input,
    variables,
    correlationId,
    idempotencyKey: key,
    priority: priorityOf(priority),
  };
  if (wait !== undefined) terminal.progress.show("Waiting for the end…");
  type Started = { instanceId: string; status: string; startedAt: string } & Partial<Instance>;
  const query = { wait: wait === true ? "PT60S" : wait };
  const { status: httpStatus, body: answer } = await client.post<Started>(instancesPath, { query, body });
  terminal.progress.clear();
  if (options.json) {
    terminal.printJson(answer);
  } else {
    const again = httpStatus === 200 ? terminal.colors.dim("  (started before with this key)") : "";
    printFacts(terminal, [
      ["instance", `${answer.instanceId}${again}`],
      ["status", paintStatus(terminal.colors, answer.status)],
      ["took", answer.completedAt === undefined ? undefined : span(answer.startedAt, answer.completedAt)],
      ["output", answer.output === undefined ? undefined : json(answer.output)],
      ["error", errorLine(answer.error)],
    ]);
  }
  return wait === undefined ? exitCodes.ok : exitCodeOf(answer.status);
}

/** A number, or a name in whatever case; the server says what is neither. */
export function priorityOf(text: string | undefined): number | string | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text?.toUpperCase();
}

export interface ListOptions extends GlobalOptions {
  limit: number;
  status?: string;
  workflow?: string;
  correlationId?: string;
  startedAfter?: string;
  startedBefore?: string;
  /** Only its children. */
  parent?: string;
}

export async function listInstances(context: CommandContext, options: ListOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { items, nextCursor } = await client.list<Instance>(instancesPath, filterOf(options), options.limit);
  if (options.json) {
    terminal.printJson({ items, nextCursor });
    return exitCodes.ok;
  }
  const { colors } = terminal;
  printTable(terminal, {
    head: ["INSTANCE", "WORKFLOW", "STATUS", "STEP", "STARTED", "TOOK", "CORRELATION"],
    rows: items.map((item) => [
      item.id,
      item.workflowId,
      paintStatus(colors, item.status),
      item.currentStepId,
      instant(item.startedAt),
      item.completedAt === undefined
        ? colors.dim(span(item.startedAt, undefined))
        : span(item.startedAt, item.completedAt),
      item.correlationId,
    ]),
    empty: "No instances.",
  });
  if (nextCursor !== null) terminal.note(`There are more; raise --limit (now ${options.limit}).`);
  return exitCodes.ok;
}

/** The filters of a list as the API names them. */
export function filterOf(options: Omit<ListOptions, "limit">): Record<string, string | undefined> {
  const { status, workflow, correlationId, startedAfter, startedBefore, parent } = options;
  return {
    status: status?.toUpperCase(),
    definitionId: workflow,
    correlationId,
    startedAfter,
    startedBefore,
    parentInstanceId: parent,
  };
}

export async function getInstance(context: CommandContext, id: string, options: GlobalOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const instance = await client.get<Instance>(pathOf(id));
  if (options.json) {
    terminal.printJson(instance);
    return exitCodes.ok;
  }
  const { colors } = terminal;
  const { status, state = {}, cancelation, compensationState: undone, startedAt, completedAt } = instance;
  const waits = state.waitingForEvent;
  printFacts(terminal, [
    ["instance", colors.bold(instance.id)],
    ["workflow", `${instance.workflowId} ${colors.dim(instance.workflowDefinitionId)}`],
    [
      "status",
      `${paintStatus(colors, status)}${instance.currentStepId === undefined ? "" : ` at ${instance.currentStepId}`}`,
    ],
    ["waits for", waits === undefined ? undefined : `${waits.eventPattern} since ${instant(waits.since)}`],
    ["correlation", instance.correlationId],
    ["child of", instance.parentInstanceId],
    [
      "restarted",
      instance.originInstanceId === undefined
        ? undefined
        : `from ${instance.originStepId} of ${instance.originInstanceId}`,
    ],
    ["started", `${instant(startedAt)}${instance.startedBy === undefined ? "" : ` by ${instance.startedBy}`}`],
    ["ended", completedAt === undefined ? undefined : `${instant(completedAt)} after ${span(startedAt, completedAt)}`],
    ["cancelled", cancelation === undefined ? undefined : `${cancelation.reason} (by ${cancelation.requestedBy})`],
    ["undone", undone === undefined ? undefined : `${undone.completed.join(", ") || "nothing"} (${undone.status})`],
    ["input", json(instance.input)],
    ["output", instance.output === undefined ? undefined : json(instance.output)],
    ["error", errorLine(instance.error)],
  ]);
  terminal.print();
  printTable(terminal, {
    head: ["STEP", "STATUS", "ATTEMPT", "STARTED", "TOOK", "ERROR"],
    rows: inOrder(state.steps ?? {}).map(([stepId, step]) => [
      stepId,
      paintStatus(colors, step.status),
      String(step.attempt),
      instant(step.startedAt),
      step.startedAt === undefined ? "" : span(step.startedAt, step.completedAt),
      clipped(errorLine(step.error) ?? "", 80),
    ]),
    empty: "No steps yet.",
  });
  return exitCodes.ok;
}

/** The order in which they began; those that have not come last. */
function inOrder(steps: Record<string, Step>): [string, Step][] {
  const began = ({ startedAt }: Step) => startedAt ?? "9999";
  return Object.entries(steps).sort(([, a], [, b]) => (began(a) < began(b) ? -1 : began(a) > began(b) ? 1 : 0));
}

export interface HistoryItem extends Step {
  seq: number;
  path: string;
  stepId: string;
  type: string;
  output?: unknown;
}

export async function showHistory(
  context: CommandContext,
  id: string,
  options: GlobalOptions & { limit: number },
): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { items, nextCursor } = await client.list<HistoryItem>(pathOf(id, "/history"), {}, options.limit);
  if (options.json) {
    terminal.printJson({ items, nextCursor });
    return exitCodes.ok;
  }
  printTable(terminal, {
    head: ["SEQ", "STEP", "TYPE", "STATUS", "ATTEMPT", "STARTED", "TOOK", "RESULT"],
    rows: items.map((item) => [
      String(item.seq),
      item.path,
      item.type,
      paintStatus(terminal.colors, item.status),
      String(item.attempt),
      instant(item.startedAt),
      item.startedAt === undefined ? "" : span(item.startedAt, item.completedAt),
      clipped(errorLine(item.error) ?? item.output ?? "", 80),
    ]),
    empty: "Nothing has been recorded yet.",
  });
  if (nextCursor !== null) terminal.note(`There is more; raise --limit (now ${options.limit}).`);
  return exitCodes.ok;
}

export interface CancelOptions extends GlobalOptions {
  reason: string;
  compensate: boolean;
}

export async function cancelInstance(context: CommandContext, id: string, options: CancelOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { reason, compensate } = options;
  const body = compensate ? { reason } : { reason, compensate };
  const { body: answer } = await client.post<{ instanceId: string; status: string }>(pathOf(id, "/cancel"), { body });
  if (options.json) terminal.printJson(answer);
  else terminal.print(`${answer.instanceId} is ${paintStatus(terminal.colors, answer.status)}`);
  return exitCodes.ok;
}

export async function signalInstance(
  context: CommandContext,
  { id, type }: { id: string; type: string },
  options: GlobalOptions & { payload?: string; key?: string },
): Promise<ExitCode> {
  const { terminal } = context;
  const text = options.payload;
  const payload = text === undefined ? null : await readValue(context, { option: "--payload", text });
  const client = await context.client(options);
  const body = { type, payload, idempotencyKey: options.key };
  const { body: answer } = await client.post<{ signalId: string }>(pathOf(id, "/signal"), { body });
  if (options.json) terminal.printJson(answer);
  else terminal.print(`Accepted as ${answer.signalId}`);
  return exitCodes.ok;
}
