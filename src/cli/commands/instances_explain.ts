/** `millrace instances why|logs`, `millrace workflows stats`: what instances and workflows tell of themselves. */
import type { CommandContext, GlobalOptions } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit.ts";
import { clipped, duration, instant } from "../format.ts";
import { printFacts, printTable } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { followed } from "./follow.ts";
import { pathOf } from "./instances.ts";

interface WhyItem {
  stepId?: string;
  path?: string;
  rule: string;
  since: string;
  until?: string;
  detail: string;
}

export async function explainInstance(context: CommandContext, id: string, options: GlobalOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const answer = await client.get<{ items: WhyItem[] }>(pathOf(id, "/why"));
  if (options.json) {
    terminal.printJson(answer);
    return exitCodes.ok;
  }
  printTable(terminal, {
    head: ["STEP", "RULE", "SINCE", "UNTIL", "WHY"],
    rows: answer.items.map(({ path, stepId, rule, since, until, detail }) => [
      path ?? stepId,
      terminal.colors.cyan(rule),
      instant(since),
      instant(until),
      detail,
    ]),
    empty: "It has ended; nothing waits.",
  });
  return exitCodes.ok;
}

export interface LogsOptions extends GlobalOptions {
  limit: number;
  level?: string;
  step?: string;
  search?: string;
  follow?: boolean;
}

interface LogItem {
  level: string;
  message: string;
  details?: unknown;
  source: string;
  stepId?: string;
  path?: string;
  at: string;
}

/** The lines there are, or with `--follow` those and all that come until the instance ends. */
export async function showLogs(context: CommandContext, id: string, options: LogsOptions): Promise<ExitCode> {
  const { terminal, signal } = context;
  const { level, step, search, limit } = options;
  const query = { level: level?.toLowerCase(), stepId: step, search };
  const client = await context.client(options);
  if (!options.follow) {
    const { items, nextCursor } = await client.list<LogItem>(pathOf(id, "/logs"), query, limit);
    if (options.json) {
      terminal.printJson({ items, nextCursor });
      return exitCodes.ok;
    }
    for (const item of items) terminal.print(logLine(terminal, item));
    if (items.length === 0) terminal.print(terminal.colors.dim("Nothing was logged."));
    if (nextCursor !== null) terminal.note(`There is more; raise --limit (now ${limit}).`);
    return exitCodes.ok;
  }
  const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const path = `${pathOf(id, "/logs/stream")}?${new URLSearchParams(given)}`;
  for await (const { name, data } of followed(client, path, signal)) {
    if (name !== "log") continue;
    terminal.print(options.json ? JSON.stringify(data) : logLine(terminal, data as LogItem));
  }
  return exitCodes.ok;
}

function logLine({ colors }: Terminal, { at, level, source, stepId, path, message, details }: LogItem): string {
  const paint = { warn: colors.yellow, error: colors.red, debug: colors.dim }[level] ?? String;
  const more = details === undefined ? "" : `  ${colors.dim(clipped(details, 200))}`;
  const time = colors.dim(at.slice(0, 23).replace("T", " "));
  return `${time}  ${paint(level.padEnd(5))}  ${path ?? stepId ?? source}  ${message}${more}`;
}

interface Statistics {
  workflowId: string;
  version?: string;
  started: number;
  completed: number;
  failed: number;
  cancelled: number;
  open: number;
  duration: { p50: number; p95: number; p99: number } | null;
  failures: { stepId: string; code: string; count: number }[];
  since: string | null;
}

export async function showStatistics(
  context: CommandContext,
  ref: string,
  options: GlobalOptions & { version?: string },
): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const path = `/api/v1/workflows/definitions/${encodeURIComponent(ref)}/statistics`;
  const found = await client.get<Statistics>(path, { version: options.version });
  if (options.json) {
    terminal.printJson(found);
    return exitCodes.ok;
  }
  const { workflowId, version, duration: took, failures } = found;
  printFacts(terminal, [
    ["workflow", `${terminal.colors.bold(workflowId)} ${version ?? "(all versions)"}`],
    ["started", String(found.started)],
    ["completed", String(found.completed)],
    ["failed", String(found.failed)],
    ["cancelled", String(found.cancelled)],
    ["open", String(found.open)],
    [
      "took",
      took === null ? undefined : `p50 ${duration(took.p50)}, p95 ${duration(took.p95)}, p99 ${duration(took.p99)}`,
    ],
    ["since", found.since === null ? undefined : instant(found.since)],
  ]);
  if (failures.length > 0) {
    terminal.print();
    printTable(terminal, {
      head: ["FAILED AT", "BY", "COUNT"],
      rows: failures.map(({ stepId, code, count }) => [stepId, code, String(count)]),
      empty: "",
    });
  }
  return exitCodes.ok;
}
