/** `millrace dead-letters …`: what could not be taken, and what to do about it. */
import type { CommandContext, GlobalOptions } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit.ts";
import { clipped, instant, json, paintStatus } from "../format.ts";
import { readValue } from "../input.ts";
import { printFacts, printTable } from "../table.ts";

const base = "/api/v1/dead-letters";
const pathOf = (id: string, rest = "") => `${base}/${encodeURIComponent(id)}${rest}`;

interface Letter {
  id: string;
  eventId?: string;
  pattern?: string;
  subscriberId: string;
  errorMessage: string;
  errorType: string;
  errorCode: string;
  retryCount: number;
  status: string;
  resolutionStrategy?: string;
  resolvedBy?: string;
  resolutionNotes?: string;
  createdAt: string;
  originalEvent?: unknown;
  retryHistory?: unknown[];
}

export interface FilterOptions extends GlobalOptions {
  status?: string;
  errorType?: string;
  errorCode?: string;
  subscriber?: string;
  pattern?: string;
  event?: string;
  maxAge?: string;
}

const filterOf = ({ status, errorType, errorCode, subscriber, pattern, event, maxAge }: FilterOptions) => ({
  status,
  errorType,
  errorCode,
  subscriberId: subscriber,
  pattern,
  eventId: event,
  maxAge,
});

/** As bodies take it: several types, and only what is given. */
function bodyFilterOf(options: FilterOptions): object {
  const { errorType, ...filter } = filterOf(options);
  return { ...filter, errorTypes: errorType?.split(",") };
}

export async function listDeadLetters(
  context: CommandContext,
  options: FilterOptions & { limit: number },
): Promise<ExitCode> {
  const { terminal } = context;
  const { limit } = options;
  const client = await context.client(options);
  const { items, nextCursor } = await client.list<Letter>(base, filterOf(options), limit);
  if (options.json) {
    terminal.printJson({ items, nextCursor });
    return exitCodes.ok;
  }
  const { colors } = terminal;
  printTable(terminal, {
    head: ["DEAD LETTER", "EVENT", "FOR", "ERROR", "TRIES", "STATUS", "CREATED"],
    rows: items.map((one) => [
      one.id,
      one.pattern ?? one.eventId,
      one.subscriberId,
      clipped(`${one.errorCode}: ${one.errorMessage}`, 60),
      String(one.retryCount),
      paintStatus(colors, one.status),
      instant(one.createdAt),
    ]),
    empty: "No such dead letters.",
  });
  if (nextCursor !== null) terminal.note(`There are more; raise --limit (now ${limit}).`);
  return exitCodes.ok;
}

function print({ terminal }: CommandContext, letter: Letter, { json: asJson }: GlobalOptions): void {
  if (asJson) {
    terminal.printJson(letter);
    return;
  }
  const { resolutionStrategy, resolvedBy, resolutionNotes } = letter;
  printFacts(terminal, [
    ["dead letter", letter.id],
    ["event", letter.eventId],
    ["for", letter.subscriberId],
    ["status", paintStatus(terminal.colors, letter.status)],
    ["error", `${letter.errorCode} (${letter.errorType}): ${letter.errorMessage}`],
    ["tries", String(letter.retryCount)],
    ["created", instant(letter.createdAt)],
    ["resolution", resolutionStrategy],
    ["by", resolvedBy],
    ["notes", resolutionNotes],
    ["what it was", json(letter.originalEvent)],
    ["attempts", letter.retryHistory?.map(json).join("\n")],
  ]);
}

export async function getDeadLetter(context: CommandContext, id: string, options: GlobalOptions): Promise<ExitCode> {
  const client = await context.client(options);
  print(context, await client.get<Letter>(pathOf(id)), options);
  return exitCodes.ok;
}

export interface ActOptions extends GlobalOptions {
  payload?: string;
  notes?: string;
}

export async function actOnDeadLetter(
  context: CommandContext,
  { id, verb }: { id: string; verb: "reprocess" | "resolve" | "discard" },
  options: ActOptions,
): Promise<ExitCode> {
  const { payload: text, notes } = options;
  const payload = text === undefined ? undefined : await readValue(context, { option: "--payload", text });
  const client = await context.client(options);
  const { body } = await client.post<Letter>(pathOf(id, `/${verb}`), { body: { payload, notes } });
  if (options.json) context.terminal.printJson(body);
  else context.terminal.print(`${body.id} is ${paintStatus(context.terminal.colors, body.status)}`);
  return exitCodes.ok;
}

/** The server goes on by itself; `--json` has the id under which it tells how far it is. */
export async function reprocessDeadLetters(
  context: CommandContext,
  options: FilterOptions & { dryRun?: boolean },
): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { body } = await client.post<{ id?: string; matched: number }>(`${base}/reprocess`, {
    body: { filter: bodyFilterOf(options), dryRun: options.dryRun },
  });
  if (options.json) terminal.printJson(body);
  else if (body.id === undefined) terminal.print(`${body.matched} dead letters would be handed on`);
  else terminal.print(`Accepted as ${body.id}, on ${body.matched} dead letters`);
  return exitCodes.ok;
}

export async function showReprocessing(context: CommandContext, id: string, options: GlobalOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const progress = await client.get<{ id: string; status: string; matched: number; done: number; failed: number }>(
    `${base}/reprocessings/${encodeURIComponent(id)}`,
  );
  if (options.json) terminal.printJson(progress);
  else {
    printFacts(terminal, [
      ["reprocessing", progress.id],
      ["status", paintStatus(terminal.colors, progress.status)],
      ["done", `${progress.done} of ${progress.matched}, ${progress.failed} failed`],
    ]);
  }
  return exitCodes.ok;
}

export async function purgeDeadLetters(context: CommandContext, options: FilterOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { body } = await client.post<{ purged: number }>(`${base}/purge`, { body: { filter: bodyFilterOf(options) } });
  if (options.json) terminal.printJson(body);
  else terminal.print(`${body.purged} dead letters are gone`);
  return exitCodes.ok;
}
