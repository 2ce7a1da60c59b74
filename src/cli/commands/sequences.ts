/** `millrace sequences …`: ordered series of events. */
import type { CommandContext, GlobalOptions } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit.ts";
import { instant, paintStatus } from "../format.ts";
import { printFacts, printTable } from "../table.ts";
import { sendFiles } from "./apply.ts";

const base = "/api/v1/event-sequences";

interface Summary {
  id: string;
  sequenceId: string;
  name: string;
  status: string;
  rollbackStrategy?: { type: string };
  error?: { message: string };
  rollback?: { status: string; error?: string };
  createdAt: string;
  createdBy: string;
  completedAt?: string;
}

interface Sequence extends Summary {
  events: {
    position: number;
    order: number;
    required: boolean;
    status: string;
    pattern?: string;
    eventId?: string;
    waitingFor?: string;
    retries: number;
    error?: { message: string };
  }[];
}

const pathOf = (ref: string, rest = "") => `${base}/${encodeURIComponent(ref)}${rest}`;

export interface ListOptions extends GlobalOptions {
  limit: number;
  status?: string;
  correlationId?: string;
}

export async function listSequences(context: CommandContext, options: ListOptions): Promise<ExitCode> {
  const { terminal } = context;
  const { status, correlationId, limit } = options;
  const client = await context.client(options);
  const { items, nextCursor } = await client.list<Summary>(base, { status, correlationId }, limit);
  if (options.json) {
    terminal.printJson({ items, nextCursor });
    return exitCodes.ok;
  }
  const { colors } = terminal;
  printTable(terminal, {
    head: ["SEQUENCE", "NAME", "STATUS", "CREATED", "ID"],
    rows: items.map(({ sequenceId, name, status: is, createdAt, id }) => [
      ...[sequenceId, name, paintStatus(colors, is), instant(createdAt), colors.dim(id)],
    ]),
    empty: "No such sequences.",
  });
  if (nextCursor !== null) terminal.note(`There are more; raise --limit (now ${limit}).`);
  return exitCodes.ok;
}

export async function getSequence(context: CommandContext, ref: string, options: GlobalOptions): Promise<ExitCode> {
  const client = await context.client(options);
  return show(context, await client.get<Sequence>(pathOf(ref)), options);
}

function show({ terminal }: CommandContext, sequence: Sequence, { json }: GlobalOptions): ExitCode {
  if (json) {
    terminal.printJson(sequence);
    return exitCodes.ok;
  }
  const { colors } = terminal;
  const { sequenceId, name, status, rollbackStrategy, error, rollback, createdAt, createdBy, completedAt } = sequence;
  printFacts(terminal, [
    ["sequence", `${colors.bold(sequenceId)} ${name}`],
    ["status", paintStatus(colors, status)],
    ["error", error?.message],
    ["strategy", rollbackStrategy?.type],
    ["rollback", rollback && `${rollback.status}${rollback.error === undefined ? "" : `: ${rollback.error}`}`],
    ["created", `${instant(createdAt)} by ${createdBy}`],
    ["ended", completedAt && instant(completedAt)],
    ["id", sequence.id],
  ]);
  terminal.print();
  printTable(terminal, {
    head: ["POSITION", "ORDER", "EVENT", "STATUS", "REQUIRED", "WHAT IS", "EVENT ID"],
    rows: sequence.events.map((member) => [
      String(member.position),
      String(member.order),
      member.pattern ?? "(given)",
      paintStatus(colors, member.status),
      member.required ? "yes" : "no",
      member.error?.message ?? (member.waitingFor && `waits for ${member.waitingFor}`),
      member.eventId,
    ]),
    empty: "No members.",
  });
  return exitCodes.ok;
}

/** Creates every sequence, also after one has failed; the exit code tells whether all went well. */
export function createSequences(
  context: CommandContext,
  paths: string[],
  options: GlobalOptions & { start: boolean },
): Promise<ExitCode> {
  const { start } = options;
  return sendFiles(context, { paths, options, doing: "Creating", what: "SEQUENCE" }, async (client, document) => {
    const wanted = start ? document : { ...(document as object), start };
    const { status, body } = await client.post<Sequence>(base, { body: wanted });
    return { result: status === 201 ? "created" : "unchanged", id: body.id, name: body.sequenceId };
  });
}

export async function changeSequence(
  context: CommandContext,
  { ref, verb, body }: { ref: string; verb: string; body?: object },
  options: GlobalOptions,
): Promise<ExitCode> {
  const client = await context.client(options);
  const answer = await client.post<Sequence>(pathOf(ref, `/${verb}`), { body });
  return show(context, answer.body, options);
}
