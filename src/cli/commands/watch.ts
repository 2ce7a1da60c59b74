/** `millrace instances watch`: follows an instance to its end, also when the connection or the node goes meanwhile. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, StreamBroken } from "../client.ts";
import type { CommandContext, GlobalOptions } from "../context.ts";
import { CommandError, type ExitCode, exitCodes } from "../exit.ts";
import { clipped, errorLine, json, paintStatus, span } from "../format.ts";
import { exitCodeOf, type HistoryItem, type Instance, pathOf } from "./instances.ts";

const reconnectAfterMs = 1_000;
/** How long nobody may answer before the watch gives up: longer than a restart, and than a takeover. */
const giveUpAfterMs = 60_000;

interface WatchEvent {
  name: string;
  data: unknown;
}

export async function watchInstance(context: CommandContext, id: string, options: GlobalOptions): Promise<ExitCode> {
  const { terminal, signal } = context;
  const client = await context.client(options);
  let shownStatus: string | undefined;
  for await (const { name, data } of followed(client, id, signal)) {
    if (options.json) terminal.print(JSON.stringify({ event: name, data }));
    if (name === "end") {
      const instance = data as Instance;
      if (!options.json) printEnd(context, instance);
      return exitCodeOf(instance.status);
    }
    if (options.json) continue;
    if (name === "step") {
      terminal.progress.clear();
      terminal.print(stepLine(context, data as HistoryItem));
    } else if (name === "instance") {
      const { status, currentStepId } = data as Instance;
      const shown = `${paintStatus(terminal.errorColors, status)}${currentStepId === undefined ? "" : ` at ${currentStepId}`}`;
      if (shown !== shownStatus) terminal.progress.show(shown);
      shownStatus = shown;
    }
  }
  throw new CommandError(exitCodes.failed, `The stream of ${id} ended before the instance did`);
}

/** The events of the instance's stream over as many connections as it takes, each row once. */
async function* followed(client: Client, id: string, signal: AbortSignal): AsyncGenerator<WatchEvent> {
  let lastEventId: string | undefined;
  let answeredAt = performance.now();
  for (;;) {
    try {
      for await (const event of client.events(pathOf(id, "/stream"), { lastEventId })) {
        answeredAt = performance.now();
        if (event.id !== undefined) lastEventId = event.id;
        yield { name: event.event ?? "message", data: JSON.parse(event.data) };
        if (event.event === "end") return;
      }
    } catch (error) {
      const passes =
        error instanceof StreamBroken ||
        (error instanceof CommandError && error.exitCode === exitCodes.unreachable && lastEventId !== undefined);
      if (!passes || performance.now() - answeredAt > giveUpAfterMs) throw error;
    }
    // The server drains, or is gone for a moment.
    await sleep(reconnectAfterMs, undefined, { signal }).catch(() => {
      throw new CommandError(exitCodes.interrupted, "Interrupted");
    });
  }
}

function stepLine({ terminal: { colors } }: CommandContext, item: HistoryItem): string {
  const took =
    item.startedAt === undefined || item.completedAt === undefined ? "" : span(item.startedAt, item.completedAt);
  const attempt = item.attempt > 1 ? ` (attempt ${item.attempt})` : "";
  const result = clipped(errorLine(item.error) ?? item.output ?? "", 80);
  const seq = String(item.seq).padStart(4);
  return `${colors.dim(seq)}  ${item.path}${attempt}  ${paintStatus(colors, item.status)}  ${colors.dim(took)}  ${result}`.trimEnd();
}

function printEnd({ terminal }: CommandContext, { status, startedAt, completedAt, output, error }: Instance): void {
  terminal.progress.clear();
  const result = errorLine(error) ?? (output === undefined ? "" : json(output));
  terminal.print(`${paintStatus(terminal.colors, status)} after ${span(startedAt, completedAt)}  ${result}`.trimEnd());
}
