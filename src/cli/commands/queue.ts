/** `millrace queue …`: the event queue. */
import type { CommandContext, GlobalOptions } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit.ts";
import { instant, paintStatus } from "../format.ts";
import { printFacts, printTable } from "../table.ts";

const base = "/api/v1/events/queue";

interface Queue {
  id: string;
  status: string;
  depth: number;
  oldestAcceptedAt?: string;
  config: Record<string, number>;
  metrics: { totalProcessed: number; totalErrors: number; avgProcessingTimeMs: number };
  rates: { acceptedPerSecond: number; processedPerSecond: number; since: string };
  checkpointId?: string;
  changedBy?: string;
}

interface Checkpoint {
  id: string;
  checkpointId?: string;
  eventCount: number;
  reason: string;
  createdAt: string;
}

function show({ terminal }: CommandContext, queue: Queue, { json }: GlobalOptions): ExitCode {
  if (json) {
    terminal.printJson(queue);
    return exitCodes.ok;
  }
  const { status, depth, oldestAcceptedAt, config, metrics, rates, checkpointId, changedBy, id } = queue;
  const { totalProcessed, totalErrors, avgProcessingTimeMs } = metrics;
  printFacts(terminal, [
    ["queue", id],
    ["status", `${paintStatus(terminal.colors, status)}${changedBy === undefined ? "" : ` (by ${changedBy})`}`],
    ["depth", `${depth} of ${config.maxQueueDepth}, slowed from ${config.highWatermark} on`],
    ["oldest", oldestAcceptedAt && instant(oldestAcceptedAt)],
    ["routed", `${totalProcessed}, on average after ${avgProcessingTimeMs} ms`],
    ["dead letters", String(totalErrors)],
    ["per second", `${rates.acceptedPerSecond} accepted, ${rates.processedPerSecond} routed`],
    ["last routed", checkpointId],
  ]);
  return exitCodes.ok;
}

export async function showQueue(context: CommandContext, options: GlobalOptions): Promise<ExitCode> {
  const client = await context.client(options);
  return show(context, await client.get<Queue>(base), options);
}

export async function changeQueue(
  context: CommandContext,
  verb: "pause" | "resume" | "drain",
  options: GlobalOptions,
): Promise<ExitCode> {
  const client = await context.client(options);
  const { body } = await client.post<Queue>(`${base}/${verb}`);
  return show(context, body, options);
}

export interface ConfigOptions extends GlobalOptions {
  maxDepth?: number;
  highWatermark?: number;
  processingInterval?: number;
  persistenceThreshold?: number;
}

export async function configureQueue(context: CommandContext, options: ConfigOptions): Promise<ExitCode> {
  const { maxDepth: maxQueueDepth, highWatermark, processingInterval, persistenceThreshold } = options;
  const client = await context.client(options);
  const change = { maxQueueDepth, highWatermark, processingInterval, persistenceThreshold };
  return show(context, await client.patch<Queue>(base, change), options);
}

export async function makeCheckpoint(context: CommandContext, options: GlobalOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { body } = await client.post<Checkpoint>(`${base}/checkpoint`);
  if (options.json) terminal.printJson(body);
  else terminal.print(`${body.id}: ${body.eventCount} events routed, the last one ${body.checkpointId ?? "(none)"}`);
  return exitCodes.ok;
}

export async function listCheckpoints(
  context: CommandContext,
  options: GlobalOptions & { limit: number },
): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { items, nextCursor } = await client.list<Checkpoint>(`${base}/checkpoints`, {}, options.limit);
  if (options.json) {
    terminal.printJson({ items, nextCursor });
    return exitCodes.ok;
  }
  printTable(terminal, {
    head: ["CHECKPOINT", "MADE", "REASON", "ROUTED", "LAST EVENT"],
    rows: items.map(({ id, createdAt, reason, eventCount, checkpointId }) => [
      ...[id, instant(createdAt), reason, String(eventCount), checkpointId],
    ]),
    empty: "No checkpoints.",
  });
  return exitCodes.ok;
}
