/** `millrace events …`: what happened, and where it went. */
import type { CommandContext, GlobalOptions } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit.ts";
import { clipped, instant, json, paintStatus } from "../format.ts";
import { readValue } from "../input.ts";
import { printFacts, printTable } from "../table.ts";
import type { Terminal } from "../terminal.ts";

const base = "/api/v1/events";

interface ShownEvent {
  id: string;
  eventId: string;
  pattern: string;
  version?: string;
  source?: { type?: string; id?: string };
  timestamp: string;
  acceptedAt: string;
  payload: unknown;
  metadata: { correlationId?: string; causationId?: string };
  partitionKey?: string;
}

interface Ledger {
  routed: boolean;
  routings: { replayId?: string; routedAt: string; decisions: Decision[] }[];
  deliveries: { id: string; status: string; attempts: number; nextAttemptAt?: string; completedAt?: string }[];
  waits: { instanceId: string; stepId: string; pattern: string; fulfilledAt?: string }[];
  deadLetters: { id: string; subscriberId: string; status: string; errorMessage: string }[];
  truncated: boolean;
}

interface Decision {
  target: { kind: string; id?: string; name?: string };
  outcome: string;
  reason?: string;
  instanceId?: string;
  deliveryId?: string;
}

export interface PublishOptions extends GlobalOptions {
  eventId?: string;
  source?: string;
  correlationId?: string;
  causationId?: string;
  partitionKey?: string;
  timestamp?: string;
}

export async function publishEvent(
  context: CommandContext,
  { pattern, payload: text }: { pattern: string; payload: string | undefined },
  options: PublishOptions,
): Promise<ExitCode> {
  const { terminal } = context;
  const { eventId, source, correlationId, causationId, partitionKey, timestamp } = options;
  const payload = text === undefined ? null : await readValue(context, { option: "payload", text });
  const client = await context.client(options);
  const { body } = await client.post<{ eventId: string; status: string }>(base, {
    body: {
      eventId,
      pattern,
      payload,
      source: source === undefined ? undefined : { type: "external", id: source },
      partitionKey,
      timestamp,
      metadata: { correlationId, causationId },
    },
  });
  if (options.json) terminal.printJson(body);
  else terminal.print(`${body.eventId} ${paintStatus(terminal.colors, body.status)}`);
  return exitCodes.ok;
}

export interface ListOptions extends GlobalOptions {
  limit: number;
  pattern?: string;
  eventId?: string;
  from?: string;
  to?: string;
  correlationId?: string;
  causationId?: string;
  source?: string;
  payload?: string;
}

export async function listEvents(context: CommandContext, options: ListOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { limit, pattern, eventId, from, to, correlationId, causationId, source, payload } = options;
  const filter = { pattern, eventId, from, to, correlationId, causationId, source, payload };
  const { items, nextCursor } = await client.list<ShownEvent>(base, filter, limit);
  if (options.json) {
    terminal.printJson({ items, nextCursor });
    return exitCodes.ok;
  }
  printTable(terminal, {
    head: ["ACCEPTED", "PATTERN", "CORRELATION", "PAYLOAD", "EVENT ID"],
    rows: items.map((event) => [
      instant(event.acceptedAt),
      event.pattern,
      event.metadata.correlationId,
      clipped(event.payload, 60),
      terminal.colors.dim(event.eventId),
    ]),
    empty: "No such events.",
  });
  if (nextCursor !== null) terminal.note(`There are more; raise --limit (now ${limit}).`);
  return exitCodes.ok;
}

export async function showEvent(context: CommandContext, ref: string, options: GlobalOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const event = await client.get<ShownEvent>(`${base}/${encodeURIComponent(ref)}`);
  const ledger = await client.get<Ledger>(`${base}/${event.id}/ledger`);
  if (options.json) {
    terminal.printJson({ ...event, ledger });
    return exitCodes.ok;
  }
  const { source, metadata } = event;
  printFacts(terminal, [
    ["event", `${terminal.colors.bold(event.pattern)} ${event.eventId}`],
    ["id", event.id === event.eventId ? undefined : event.id],
    ["definition", event.version],
    ["source", source === undefined ? undefined : [source.type, source.id].filter(Boolean).join(" ")],
    ["happened", instant(event.timestamp)],
    ["accepted", instant(event.acceptedAt)],
    ["correlation", metadata.correlationId],
    ["caused by", metadata.causationId],
    ["partition", event.partitionKey],
    ["payload", json(event.payload)],
  ]);
  printLedger(terminal, ledger);
  return exitCodes.ok;
}

/** A wait that it was delivered to stands among those that it resumed. */
function isNews({ target, outcome }: Ledger["routings"][number]["decisions"][number]): boolean {
  return target.kind !== "wait" || outcome !== "delivered";
}

function printLedger(terminal: Terminal, ledger: Ledger): void {
  const { colors } = terminal;
  terminal.print();
  if (!ledger.routed) {
    terminal.print(colors.dim("Not routed yet."));
    return;
  }
  const rows = [
    ...ledger.waits.map(({ stepId, instanceId, fulfilledAt }) => [
      instant(fulfilledAt),
      `wait ${stepId}`,
      colors.green("resumed"),
      `instance ${instanceId}`,
    ]),
    ...ledger.routings.flatMap(({ replayId, routedAt, decisions }) =>
      decisions
        .filter(isNews)
        .map((decision) => [
          instant(routedAt),
          `${targetOf(decision)}${replayId === undefined ? "" : ` (replay ${replayId})`}`,
          paintStatus(colors, decision.outcome),
          consequenceOf(decision),
        ]),
    ),
    ...ledger.deliveries.map(({ id, status, attempts, nextAttemptAt, completedAt }) => [
      instant(completedAt ?? nextAttemptAt),
      `delivery ${id}`,
      paintStatus(colors, status),
      `${attempts} attempt${attempts === 1 ? "" : "s"}`,
    ]),
    ...ledger.deadLetters.map(({ id, subscriberId, status, errorMessage }) => [
      undefined,
      `dead letter ${id}`,
      paintStatus(colors, status),
      `${subscriberId}: ${clipped(errorMessage, 80)}`,
    ]),
  ];
  printTable(terminal, { head: ["AT", "TARGET", "OUTCOME", "WHAT"], rows, empty: "Nothing wanted it." });
  if (ledger.truncated) terminal.note("There is more; --json has the first 1,000 of each.");
}

function targetOf({ target: { kind, id, name } }: Decision): string {
  return [kind, name ?? id].filter((part) => part !== undefined).join(" ");
}

function consequenceOf({ reason, instanceId, deliveryId }: Decision): string {
  if (reason !== undefined) return reason;
  if (instanceId !== undefined) return `instance ${instanceId}`;
  return deliveryId === undefined ? "" : `delivery ${deliveryId}`;
}
