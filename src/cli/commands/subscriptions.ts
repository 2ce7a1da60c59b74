/** `millrace subscriptions …`: whom events are sent to, and what became of that. */
import type { CommandContext, GlobalOptions } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit.ts";
import { instant, paintStatus } from "../format.ts";
import { printFacts, printTable } from "../table.ts";

const base = "/api/v1/subscriptions";
const pathOf = (id: string, rest = "") => `${base}/${encodeURIComponent(id)}${rest}`;

interface Subscription {
  id: string;
  name?: string;
  eventPattern: string;
  subscriber: { type: string; endpoint?: string; handler?: string };
  filter?: string;
  description?: string;
  status: string;
  statusReason?: string;
  failingSince?: string;
  lastDeliveredAt?: string;
  createdAt: string;
  secret?: string;
  replayId?: string;
}

interface Delivery {
  id: string;
  eventId: string;
  status: string;
  attempts: number;
  nextAttemptAt?: string;
  createdAt: string;
}

const whereOf = ({ subscriber: { endpoint, handler } }: Subscription) => endpoint ?? `handler ${handler}`;

export interface ListOptions extends GlobalOptions {
  limit: number;
  status?: string;
  pattern?: string;
}

export async function listSubscriptions(context: CommandContext, options: ListOptions): Promise<ExitCode> {
  const { terminal } = context;
  const { status, pattern, limit } = options;
  const client = await context.client(options);
  const { items, nextCursor } = await client.list<Subscription>(base, { status, pattern }, limit);
  if (options.json) {
    terminal.printJson({ items, nextCursor });
    return exitCodes.ok;
  }
  const { colors } = terminal;
  printTable(terminal, {
    head: ["PATTERN", "TO", "STATUS", "DELIVERED", "NAME", "ID"],
    rows: items.map((one) => [
      one.eventPattern,
      whereOf(one),
      paintStatus(colors, one.failingSince === undefined ? one.status : `${one.status}, failing`),
      instant(one.lastDeliveredAt),
      one.name,
      colors.dim(one.id),
    ]),
    empty: "No such subscriptions.",
  });
  if (nextCursor !== null) terminal.note(`There are more; raise --limit (now ${limit}).`);
  return exitCodes.ok;
}

function print({ terminal }: CommandContext, subscription: Subscription, { json: asJson }: GlobalOptions): void {
  if (asJson) {
    terminal.printJson(subscription);
    return;
  }
  const { id, name, eventPattern, filter, description, status, statusReason, failingSince, secret } = subscription;
  printFacts(terminal, [
    ["subscription", id],
    ["name", name],
    ["pattern", eventPattern],
    ["filter", filter],
    ["to", whereOf(subscription)],
    ["status", paintStatus(terminal.colors, status)],
    ["because", statusReason],
    ["failing since", instant(failingSince)],
    ["delivered", instant(subscription.lastDeliveredAt)],
    ["created", instant(subscription.createdAt)],
    ["description", description],
    ["replay", subscription.replayId],
    ["secret", secret === undefined ? undefined : `${secret}  (shown this once)`],
  ]);
}

export interface CreateOptions extends GlobalOptions {
  handler?: string;
  filter?: string;
  name?: string;
  description?: string;
}

export async function createSubscription(
  context: CommandContext,
  { pattern, endpoint }: { pattern: string; endpoint: string | undefined },
  options: CreateOptions,
): Promise<ExitCode> {
  const { handler, filter, name, description } = options;
  const subscriber = handler === undefined ? { type: "webhook", endpoint } : { type: "handler", handler, endpoint };
  const client = await context.client(options);
  const { body } = await client.post<Subscription>(base, {
    body: { eventPattern: pattern, subscriber, filter, name, description },
  });
  print(context, body, options);
  return exitCodes.ok;
}

export async function getSubscription(context: CommandContext, id: string, options: GlobalOptions): Promise<ExitCode> {
  const client = await context.client(options);
  print(context, await client.get<Subscription>(pathOf(id)), options);
  return exitCodes.ok;
}

export type Verb = "suspend" | "resume" | "enable" | "rotate-secret";

export interface VerbOptions extends GlobalOptions {
  reason?: string;
  replayMissing?: boolean;
  overlap?: string;
}

export async function changeSubscription(
  context: CommandContext,
  { id, verb }: { id: string; verb: Verb },
  options: VerbOptions,
): Promise<ExitCode> {
  const { reason, replayMissing, overlap } = options;
  const client = await context.client(options);
  const body = verb === "resume" ? undefined : { reason, replayMissing, overlap };
  const { body: changed } = await client.post<Subscription>(pathOf(id, `/${verb}`), { body });
  print(context, changed, options);
  return exitCodes.ok;
}

export async function deleteSubscription(
  context: CommandContext,
  id: string,
  options: GlobalOptions,
): Promise<ExitCode> {
  const client = await context.client(options);
  await client.delete(pathOf(id));
  if (options.json) context.terminal.printJson({ id });
  else context.terminal.print(`${id} is deleted`);
  return exitCodes.ok;
}

interface Test {
  delivered: boolean;
  durationMs: number;
  status?: number;
  body?: string;
  error?: { code: string; message: string };
}

/** The exit code tells whether the event arrived. */
export async function testSubscription(context: CommandContext, id: string, options: GlobalOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { body: test } = await client.post<Test>(pathOf(id, "/test"));
  if (options.json) terminal.printJson(test);
  else {
    printFacts(terminal, [
      ["delivered", test.delivered ? terminal.colors.green("yes") : terminal.colors.red("no")],
      ["took", `${test.durationMs} ms`],
      ["status", test.status === undefined ? undefined : String(test.status)],
      ["answer", test.body === "" ? undefined : test.body],
      ["error", test.error === undefined ? undefined : `${test.error.code}: ${test.error.message}`],
    ]);
  }
  return test.delivered ? exitCodes.ok : exitCodes.refused;
}

export async function listDeliveries(context: CommandContext, id: string, options: ListOptions): Promise<ExitCode> {
  const { terminal } = context;
  const { status, limit } = options;
  const client = await context.client(options);
  const { items, nextCursor } = await client.list<Delivery>(pathOf(id, "/deliveries"), { status }, limit);
  if (options.json) {
    terminal.printJson({ items, nextCursor });
    return exitCodes.ok;
  }
  const { colors } = terminal;
  printTable(terminal, {
    head: ["DELIVERY", "EVENT", "STATUS", "ATTEMPTS", "NEXT", "CREATED"],
    rows: items.map((one) => [
      one.id,
      one.eventId,
      paintStatus(colors, one.status),
      String(one.attempts),
      instant(one.nextAttemptAt),
      instant(one.createdAt),
    ]),
    empty: "No such deliveries.",
  });
  if (nextCursor !== null) terminal.note(`There are more; raise --limit (now ${limit}).`);
  return exitCodes.ok;
}

export async function retryDelivery(context: CommandContext, id: string, options: GlobalOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { body } = await client.post<Delivery>(`${base}/deliveries/${encodeURIComponent(id)}/retry`);
  if (options.json) terminal.printJson(body);
  else terminal.print(`${body.id} is sent again`);
  return exitCodes.ok;
}
