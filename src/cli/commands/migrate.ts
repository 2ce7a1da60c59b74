/** `millrace migrate …`: the schema of the database in use. */
import { type MigrationStatus, migrateDown, migrateUp, migrationStatus } from "../../foundation/database/index.ts";
import type { CommandContext, GlobalOptions } from "../context.ts";
import { withDatabase } from "../database.ts";
import { CommandError, type ExitCode, exitCodes } from "../exit.ts";
import { instant, paintStatus } from "../format.ts";
import { printTable } from "../table.ts";

export async function migrateUpCommand(
  context: CommandContext,
  options: GlobalOptions & { to?: string },
): Promise<ExitCode> {
  context.terminal.progress.show("Migrating…");
  const applied = await withDatabase(context.settings(), (db) => migrateUp(db, { to: options.to }));
  return report(context, { names: applied, key: "applied", none: "Everything is applied already." }, options);
}

export async function migrateDownCommand(
  context: CommandContext,
  options: GlobalOptions & { to?: string; steps?: number; yes?: boolean },
): Promise<ExitCode> {
  const { to, steps = 1, yes } = options;
  if (!yes) {
    throw new CommandError(exitCodes.usage, "Taking migrations back removes tables with all they hold", {
      hints: ["Say that you mean it: --yes"],
    });
  }
  context.terminal.progress.show("Taking migrations back…");
  const names = await withDatabase(context.settings(), (db) => migrateDown(db, to === undefined ? { steps } : { to }));
  return report(context, { names, key: "reverted", none: "There was nothing to take back." }, options);
}

function report(
  { terminal }: CommandContext,
  { names, key, none }: { names: string[]; key: string; none: string },
  { json }: GlobalOptions,
): ExitCode {
  terminal.progress.clear();
  if (json) terminal.printJson({ [key]: names });
  else if (names.length === 0) terminal.print(none);
  else for (const name of names) terminal.print(`${key} ${name}`);
  return exitCodes.ok;
}

export async function migrateStatusCommand(context: CommandContext, options: GlobalOptions): Promise<ExitCode> {
  const { terminal } = context;
  const items = await withDatabase(context.settings(), (db) => migrationStatus(db));
  if (options.json) {
    terminal.printJson({ items });
    return exitCodes.ok;
  }
  printTable(terminal, {
    head: ["VERSION", "STATE", "APPLIED", "DESCRIPTION"],
    rows: items.map(({ version, state, appliedAt, description, breaking }: MigrationStatus) => [
      version,
      paintStatus(terminal.colors, state),
      instant(appliedAt),
      `${description}${breaking ? terminal.colors.dim(" (breaking)") : ""}`,
    ]),
    empty: "This program has no migrations.",
  });
  return exitCodes.ok;
}
