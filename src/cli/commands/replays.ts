/** `millrace replays …`: events routed once more. */
import type { CommandContext, GlobalOptions } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit.ts";
import { instant, paintStatus } from "../format.ts";
import { printFacts, printTable } from "../table.ts";

const base = "/api/v1/replays";
const pathOf = (id: string, rest = "") => `${base}/${encodeURIComponent(id)}${rest}`;

interface Replay {
  id: string;
  eventPattern: string;
  from: string;
  to: string;
  filter?: string;
  targets?: string[];
  status: string;
  error?: string;
  found: number;
  replayed: number;
  createdAt: string;
}

export interface CreateOptions extends GlobalOptions {
  from: string;
  to?: string;
  filter?: string;
  target: string[];
  dryRun?: boolean;
}

export async function createReplay(
  context: CommandContext,
  pattern: string,
  options: CreateOptions,
): Promise<ExitCode> {
  const { terminal } = context;
  const { from, to, filter, target, dryRun } = options;
  const targets = target.length === 0 ? undefined : target;
  const client = await context.client(options);
  const { body } = await client.post<Replay>(base, {
    body: { eventPattern: pattern, from, to, filter, targets, dryRun },
  });
  if (options.json) terminal.printJson(body);
  else if (dryRun) terminal.print(`${body.found} events would be replayed`);
  else print(context, body);
  return exitCodes.ok;
}

function print({ terminal }: CommandContext, replay: Replay): void {
  const { id, eventPattern, from, to, filter, targets, status, error, found, replayed } = replay;
  printFacts(terminal, [
    ["replay", id],
    ["events", `${eventPattern}, from ${instant(from)} to ${instant(to)}`],
    ["filter", filter],
    ["to", targets?.join("\n")],
    ["status", paintStatus(terminal.colors, status)],
    ["error", error],
    ["found", String(found)],
    ["replayed", String(replayed)],
  ]);
}

export async function listReplays(
  context: CommandContext,
  options: GlobalOptions & { limit: number },
): Promise<ExitCode> {
  const { terminal } = context;
  const { limit } = options;
  const client = await context.client(options);
  const { items, nextCursor } = await client.list<Replay>(base, {}, limit);
  if (options.json) {
    terminal.printJson({ items, nextCursor });
    return exitCodes.ok;
  }
  printTable(terminal, {
    head: ["REPLAY", "PATTERN", "STATUS", "FOUND", "REPLAYED", "CREATED"],
    rows: items.map((one) => [
      one.id,
      one.eventPattern,
      paintStatus(terminal.colors, one.status),
      String(one.found),
      String(one.replayed),
      instant(one.createdAt),
    ]),
    empty: "No replays.",
  });
  if (nextCursor !== null) terminal.note(`There are more; raise --limit (now ${limit}).`);
  return exitCodes.ok;
}

export async function getReplay(context: CommandContext, id: string, options: GlobalOptions): Promise<ExitCode> {
  const client = await context.client(options);
  const replay = await client.get<Replay>(pathOf(id));
  if (options.json) context.terminal.printJson(replay);
  else print(context, replay);
  return exitCodes.ok;
}

export async function cancelReplay(context: CommandContext, id: string, options: GlobalOptions): Promise<ExitCode> {
  const client = await context.client(options);
  const { body } = await client.post<Replay>(pathOf(id, "/cancel"));
  if (options.json) context.terminal.printJson(body);
  else print(context, body);
  return exitCodes.ok;
}
