/** `millrace instances bulk`: acts on many instances and says how far it is. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../client.ts";
import type { CommandContext, GlobalOptions } from "../context.ts";
import { CommandError, type ExitCode, exitCodes } from "../exit.ts";
import { paintStatus } from "../format.ts";
import { readAll, readTextFile } from "../input.ts";
import { printFacts, printTable } from "../table.ts";
import { bar } from "../terminal.ts";
import { filterOf, instancesPath, type ListOptions, priorityOf } from "./instances.ts";

const bulkPath = `${instancesPath}/bulk`;
const lookEveryMs = 300;

export interface BulkOptions extends GlobalOptions, Omit<ListOptions, "limit"> {
  ids?: string;
  dryRun?: boolean;
  reason?: string;
  compensate: boolean;
  from?: string;
  step?: string;
  priority?: string;
  wait: boolean;
}

interface Operation {
  id: string;
  action: string;
  status: string;
  matched: number;
  done: number;
  succeeded: number;
  failed: number;
  failures: { instanceId: string; problem: { code: string; detail: string } }[];
}

/** Ctrl+C ends the command and not the operation, which the server goes on with. */
export async function actOnMany(context: CommandContext, action: string, options: BulkOptions): Promise<ExitCode> {
  const { terminal } = context;
  const body = await requestOf(context, action, options);
  const client = await context.client(options);
  if (options.dryRun) {
    const { body: found } = await client.post<{ matched: number; sample: string[] }>(bulkPath, { body });
    if (options.json) {
      terminal.printJson(found);
      return exitCodes.ok;
    }
    terminal.print(`${action} would act on ${found.matched} instance${found.matched === 1 ? "" : "s"}`);
    for (const id of found.sample) terminal.print(`  ${id}`);
    if (found.matched > found.sample.length) terminal.print(terminal.colors.dim("  …"));
    return exitCodes.ok;
  }
  const { body: accepted } = await client.post<{ operationId: string; matched: number }>(bulkPath, { body });
  if (!options.wait) {
    if (options.json) terminal.printJson(accepted);
    else terminal.print(`Accepted as ${accepted.operationId}, on ${accepted.matched} instances`);
    return exitCodes.ok;
  }
  const operation = await untilEnd(context, client, accepted.operationId);
  if (options.json) terminal.printJson(operation);
  else printOperation(context, operation);
  return operation.status === "completed" && operation.failed === 0 ? exitCodes.ok : exitCodes.refused;
}

async function requestOf(context: CommandContext, action: string, options: BulkOptions): Promise<object> {
  const { dryRun, reason, from, step, priority } = options;
  const filter = Object.fromEntries(Object.entries(filterOf(options)).filter(([, value]) => value !== undefined));
  const ids = options.ids === undefined ? undefined : await readIds(context, options.ids);
  return {
    action,
    ids,
    // Beside ids a filter is sent only when there is one, so that the server can refuse the two together.
    filter: ids !== undefined && Object.keys(filter).length === 0 ? undefined : filter,
    dryRun,
    reason,
    compensate: options.compensate ? undefined : false,
    fromStepId: from,
    stepId: step,
    priority: priorityOf(priority),
  };
}

async function readIds({ stdin }: CommandContext, given: string): Promise<string[]> {
  const text =
    given === "-" ? await readAll(stdin) : given.startsWith("@") ? await readTextFile(given.slice(1)) : given;
  return text.split(/[\s,]+/).filter((id) => id !== "");
}

async function untilEnd({ terminal, signal }: CommandContext, client: Client, id: string): Promise<Operation> {
  try {
    for (;;) {
      const operation = await client.get<Operation>(`${bulkPath}/${id}`);
      if (operation.status !== "running") {
        terminal.progress.clear();
        return operation;
      }
      const { action, done, matched, failed } = operation;
      const failures = failed === 0 ? "" : `, ${failed} failed`;
      terminal.progress.show(`${action} ${bar({ done: Math.min(done, matched), total: matched })}${failures}`);
      await sleep(lookEveryMs, undefined, { signal }).catch(() => {
        throw new CommandError(exitCodes.interrupted, "Interrupted");
      });
    }
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode !== exitCodes.interrupted) throw error;
    throw new CommandError(exitCodes.interrupted, "Interrupted", { hints: [`The operation ${id} goes on`] });
  }
}

const mostShown = 10;

function printOperation({ terminal }: CommandContext, operation: Operation): void {
  const { id, action, status, done, succeeded, failed, failures } = operation;
  printFacts(terminal, [
    ["operation", id],
    ["status", `${action} ${paintStatus(terminal.colors, status)}`],
    ["done", `${done}: ${succeeded} succeeded, ${failed} failed`],
  ]);
  if (failures.length === 0) return;
  terminal.print();
  printTable(terminal, {
    head: ["INSTANCE", "CODE", "WHY"],
    rows: failures.slice(0, mostShown).map(({ instanceId, problem }) => [instanceId, problem.code, problem.detail]),
    empty: "",
  });
  if (failed > mostShown) terminal.note(`There are more; --json shows the first hundred.`);
}
