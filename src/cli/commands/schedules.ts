/** `millrace schedules …`: when workflows are started. */
import type { CommandContext, GlobalOptions } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit.ts";
import { clipped, duration, instant, paintStatus } from "../format.ts";
import { readValue } from "../input.ts";
import { printFacts, printTable } from "../table.ts";
import { sendFiles } from "./apply.ts";

const base = "/api/v1/schedules";

interface Schedule {
  id: string;
  name: string;
  description?: string;
  targetId: string;
  targetVersion?: string;
  cronExpression?: string;
  interval?: number;
  executeAt?: string;
  timezone: string;
  jitter: number;
  overlapPolicy: string;
  catchUpWindow: number;
  status: string;
  error?: string;
  version: number;
  nextExecution?: string;
  lastExecuted?: string;
  fired: number;
}

interface Occurrence {
  plannedAt: string;
  status: string;
  cause: string;
  reason?: string;
  instanceId?: string;
}

interface Backfill {
  id: string;
  status: string;
  from: string;
  until: string;
  total: number;
  done: number;
}

const pathOf = (ref: string, rest = "") => `${base}/${encodeURIComponent(ref)}${rest}`;

function timesOf({ cronExpression, interval, executeAt, timezone }: Schedule): string {
  if (cronExpression !== undefined) return `${cronExpression} (${timezone})`;
  return interval === undefined ? `at ${executeAt}` : `every ${duration(interval)}`;
}

export interface CreateOptions extends GlobalOptions {
  workflow: string;
  version?: string;
  cron?: string;
  every?: string;
  at?: string;
  zone?: string;
  input?: string;
  overlap?: string;
  jitter?: string;
  paused?: boolean;
}

export async function createSchedule(context: CommandContext, name: string, options: CreateOptions): Promise<ExitCode> {
  const { workflow: targetId, version: targetVersion, cron: cronExpression, every: interval, at: executeAt } = options;
  const { zone: timezone, overlap: overlapPolicy, jitter, paused, input: text } = options;
  const input = text === undefined ? undefined : await readValue(context, { option: "--input", text });
  const client = await context.client(options);
  const times = { cronExpression, interval, executeAt, timezone, jitter };
  const body = { name, targetId, targetVersion, ...times, overlapPolicy, paused, input };
  return printOne(context, options, (await client.post<Schedule>(base, { body })).body);
}

/** Stores every schedule of the files, also after one has failed; the exit code tells whether all went well. */
export function applySchedules(context: CommandContext, paths: string[], options: GlobalOptions): Promise<ExitCode> {
  return sendFiles(context, { paths, options, doing: "Storing", what: "SCHEDULE" }, async (client, document) => {
    const { body } = await client.post<Schedule>(base, { body: document });
    const { id, name, version } = body;
    return { result: "created", id, name, version: String(version) };
  });
}

export interface ListOptions extends GlobalOptions {
  limit: number;
  status?: string;
  workflow?: string;
  name?: string;
}

export async function listSchedules(context: CommandContext, options: ListOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { status, workflow: targetId, name, limit } = options;
  const { items, nextCursor } = await client.list<Schedule>(base, { status, targetId, name }, limit);
  if (options.json) {
    terminal.printJson({ items, nextCursor });
    return exitCodes.ok;
  }
  const { colors } = terminal;
  printTable(terminal, {
    head: ["SCHEDULE", "WORKFLOW", "TIMES", "STATUS", "NEXT", "LAST", "FIRED"],
    rows: items.map((schedule) => [
      schedule.name,
      schedule.targetId,
      timesOf(schedule),
      paintStatus(colors, schedule.status),
      instant(schedule.nextExecution) ?? "",
      instant(schedule.lastExecuted) ?? colors.dim("never"),
      String(schedule.fired),
    ]),
    empty: "No such schedules.",
  });
  if (nextCursor !== null) terminal.note(`There are more; raise --limit (now ${limit}).`);
  return exitCodes.ok;
}

export async function getSchedule(context: CommandContext, ref: string, options: GlobalOptions): Promise<ExitCode> {
  const client = await context.client(options);
  return printOne(context, options, await client.get<Schedule>(pathOf(ref)));
}

/** Pause and resume. */
export async function changeSchedule(
  context: CommandContext,
  { ref, verb, body }: { ref: string; verb: "pause" | "resume"; body?: object },
  options: GlobalOptions,
): Promise<ExitCode> {
  const client = await context.client(options);
  return printOne(context, options, (await client.post<Schedule>(pathOf(ref, `/${verb}`), { body })).body);
}

export async function triggerSchedule(
  context: CommandContext,
  ref: string,
  options: GlobalOptions & { overlap?: string },
): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const sent = { body: { overlapPolicy: options.overlap } };
  const { body } = await client.post<{ plannedAt: string }>(pathOf(ref, "/trigger"), sent);
  if (options.json) terminal.printJson(body);
  else terminal.print(`${ref} is fired; its occurrence is that of ${body.plannedAt}`);
  return exitCodes.ok;
}

export async function deleteSchedule(context: CommandContext, ref: string, options: GlobalOptions): Promise<ExitCode> {
  const client = await context.client(options);
  await client.delete(pathOf(ref));
  if (!options.json) context.terminal.print(`${ref} is deleted`);
  return exitCodes.ok;
}

export async function listOccurrences(
  context: CommandContext,
  ref: string,
  options: GlobalOptions & { limit: number; status?: string },
): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { status, limit } = options;
  const { items, nextCursor } = await client.list<Occurrence>(pathOf(ref, "/occurrences"), { status }, limit);
  if (options.json) {
    terminal.printJson({ items, nextCursor });
    return exitCodes.ok;
  }
  printTable(terminal, {
    head: ["PLANNED", "STATUS", "CAUSE", "INSTANCE", "REASON"],
    rows: items.map(({ plannedAt, status: shown, cause, instanceId, reason }) => [
      plannedAt,
      paintStatus(terminal.colors, shown),
      cause,
      instanceId ?? "",
      clipped(reason ?? "", 80),
    ]),
    empty: "None of its times has come.",
  });
  if (nextCursor !== null) terminal.note(`There are more; raise --limit (now ${limit}).`);
  return exitCodes.ok;
}

export async function showNext(
  context: CommandContext,
  ref: string,
  options: GlobalOptions & { count: number },
): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const path = pathOf(ref, `/next?count=${options.count}`);
  const answer = await client.get<{ items: { plannedAt: string; dueAt: string }[] }>(path);
  if (options.json) terminal.printJson(answer);
  else for (const { plannedAt } of answer.items) terminal.print(plannedAt);
  return exitCodes.ok;
}

export async function explainSchedule(context: CommandContext, ref: string, options: GlobalOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const answer = await client.get<{ items: { rule: string; message: string }[] }>(pathOf(ref, "/why"));
  if (options.json) terminal.printJson(answer);
  else for (const { rule, message } of answer.items) terminal.print(`${terminal.colors.bold(rule)}  ${message}`);
  return exitCodes.ok;
}

export async function backfillSchedule(
  context: CommandContext,
  ref: string,
  options: GlobalOptions & { from: string; until: string; overlap?: string },
): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { from, until, overlap: overlapPolicy } = options;
  const { body } = await client.post<Backfill>(pathOf(ref, "/backfill"), { body: { from, until, overlapPolicy } });
  if (options.json) terminal.printJson(body);
  else terminal.print(`Backfill ${body.id}: ${body.total} times from ${body.from} to ${body.until}`);
  return exitCodes.ok;
}

function printOne(context: CommandContext, options: GlobalOptions, schedule: Schedule): ExitCode {
  const { terminal } = context;
  if (options.json) {
    terminal.printJson(schedule);
    return exitCodes.ok;
  }
  const { colors } = terminal;
  const { name, description, targetId, targetVersion, status, error, jitter, overlapPolicy, catchUpWindow } = schedule;
  printFacts(terminal, [
    ["schedule", colors.bold(name)],
    ["description", description],
    ["starts", targetVersion === undefined ? targetId : `${targetId} ${targetVersion}`],
    ["times", timesOf(schedule)],
    ["jitter", jitter === 0 ? undefined : `up to ${duration(jitter)}`],
    ["overlap", overlapPolicy],
    ["catch-up", duration(catchUpWindow)],
    ["status", paintStatus(colors, status)],
    ["error", error],
    ["next", instant(schedule.nextExecution)],
    ["last", instant(schedule.lastExecuted)],
    ["fired", String(schedule.fired)],
    ["id", schedule.id],
  ]);
  return exitCodes.ok;
}
