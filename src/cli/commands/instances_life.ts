/** `millrace instances pause|resume|retry|skip|priority|restart|migrate`. */
import type { CommandContext, GlobalOptions } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit.ts";
import { paintStatus } from "../format.ts";
import { readValue } from "../input.ts";
import { printFacts, printTable } from "../table.ts";
import { pathOf, priorityOf } from "./instances.ts";

interface Change {
  id: string;
  verb: "pause" | "resume" | "retry" | "skip" | "priority";
  body?: object;
}

/** Asks for one change of an instance and says what it is after it. */
export async function changeInstance(
  context: CommandContext,
  { id, verb, body }: Change,
  options: GlobalOptions,
): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const { body: answer } = await client.post<{ instanceId: string; status: string }>(pathOf(id, `/${verb}`), { body });
  if (options.json) terminal.printJson(answer);
  else terminal.print(`${answer.instanceId} is ${paintStatus(terminal.colors, answer.status)}`);
  return exitCodes.ok;
}

export function setPriority(
  context: CommandContext,
  { id, priority }: { id: string; priority: string },
  options: GlobalOptions,
): Promise<ExitCode> {
  return changeInstance(context, { id, verb: "priority", body: { priority: priorityOf(priority) } }, options);
}

export interface RestartOptions extends GlobalOptions {
  from: string;
  version?: string;
  input?: string;
  outputs?: string;
}

export async function restartInstance(context: CommandContext, id: string, options: RestartOptions): Promise<ExitCode> {
  const { terminal } = context;
  const given = async (option: "input" | "outputs") => {
    const text = options[option];
    return text === undefined ? undefined : await readValue(context, { option: `--${option}`, text });
  };
  const body = {
    fromStepId: options.from,
    version: options.version,
    input: await given("input"),
    outputs: await given("outputs"),
  };
  const client = await context.client(options);
  type Started = { instanceId: string; status: string };
  const { body: answer } = await client.post<Started>(pathOf(id, "/restart"), { body });
  if (options.json) terminal.printJson(answer);
  else {
    printFacts(terminal, [
      ["instance", answer.instanceId],
      ["status", paintStatus(terminal.colors, answer.status)],
      ["restarted", `from ${options.from} of ${id}`],
    ]);
  }
  return exitCodes.ok;
}

export interface MigrateOptions extends GlobalOptions {
  to: string;
  dryRun?: boolean;
}

interface Migration {
  instanceId: string;
  status: string;
  possible: boolean;
  problems: { stepId?: string; message: string; expected: string }[];
}

/** With `--dry-run` the exit code tells whether it could be done. */
export async function migrateInstance(context: CommandContext, id: string, options: MigrateOptions): Promise<ExitCode> {
  const { terminal } = context;
  const { to: version, dryRun } = options;
  const client = await context.client(options);
  const { body: answer } = await client.post<Migration>(pathOf(id, "/migrate"), { body: { version, dryRun } });
  const exitCode = answer.possible ? exitCodes.ok : exitCodes.refused;
  if (options.json) {
    terminal.printJson(answer);
    return exitCode;
  }
  const done = dryRun ? "can go on with" : "goes on with";
  terminal.print(`${answer.instanceId} ${answer.possible ? done : "cannot go on with"} version ${version}`);
  if (answer.problems.length > 0) {
    printTable(terminal, {
      head: ["STEP", "WHAT IS IN THE WAY", "WHAT WOULD BE RIGHT"],
      rows: answer.problems.map(({ stepId, message, expected }) => [stepId, message, expected]),
      empty: "",
    });
  }
  return exitCode;
}
