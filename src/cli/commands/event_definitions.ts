/** `millrace event-definitions …`: what events of a name are like. */
import type { CommandContext, GlobalOptions } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit.ts";
import { paintStatus } from "../format.ts";
import { printTable } from "../table.ts";
import { sendFiles } from "./apply.ts";

const base = "/api/v1/event-definitions";

interface EventDefinition {
  id: string;
  eventId: string;
  name: string;
  pattern: string;
  version: string;
  status: string;
  sourceTypes?: string[];
}

/** Stores every definition, also after one has failed; the exit code tells whether all went well. */
export function applyEventDefinitions(
  context: CommandContext,
  paths: string[],
  options: GlobalOptions,
): Promise<ExitCode> {
  return sendFiles(context, { paths, options, doing: "Storing", what: "EVENT" }, async (client, document) => {
    const { status, body } = await client.post<EventDefinition>(base, { body: document });
    const { id, eventId, version } = body;
    return { result: status === 201 ? "created" : "unchanged", id, name: eventId, version };
  });
}

export interface ListOptions extends GlobalOptions {
  limit: number;
  eventId?: string;
  pattern?: string;
  status?: string;
}

export async function listEventDefinitions(context: CommandContext, options: ListOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { eventId, pattern, status, limit } = options;
  const { items, nextCursor } = await client.list<EventDefinition>(base, { eventId, pattern, status }, limit);
  if (options.json) {
    terminal.printJson({ items, nextCursor });
    return exitCodes.ok;
  }
  const { colors } = terminal;
  printTable(terminal, {
    head: ["EVENT", "VERSION", "STATUS", "PATTERN", "SOURCES", "ID"],
    rows: items.map((one) => [
      one.eventId,
      one.version,
      paintStatus(colors, one.status),
      one.pattern,
      one.sourceTypes?.join(", ") ?? "all",
      colors.dim(one.id),
    ]),
    empty: "No event definitions. Store some with: millrace event-definitions apply <files…>",
  });
  if (nextCursor !== null) terminal.note(`There are more; raise --limit (now ${limit}).`);
  return exitCodes.ok;
}
