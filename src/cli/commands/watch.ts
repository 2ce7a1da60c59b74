/** `millrace instances watch`: follows an instance to its end, also when the connection or the node goes meanwhile. */
import type { CommandContext, GlobalOptions } from "../context.ts";
import { CommandError, type ExitCode, exitCodes } from "../exit.ts";
import { clipped, errorLine, json, paintStatus, span } from "../format.ts";
import { followed } from "./follow.ts";
import { exitCodeOf, type HistoryItem, type Instance, pathOf } from "./instances.ts";

export async function watchInstance(context: CommandContext, id: string, options: GlobalOptions): Promise<ExitCode> {
  const { terminal, signal } = context;
  const client = await context.client(options);
  let shownStatus: string | undefined;
  for await (const { name, data } of followed(client, pathOf(id, "/stream"), signal)) {
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
