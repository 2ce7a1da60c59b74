/** `millrace db url`: how to reach the database in use, for psql and the like. */
import type { CommandContext, GlobalOptions } from "../context.ts";
import { databaseUrlInUse } from "../database.ts";
import { CommandError, type ExitCode, exitCodes } from "../exit.ts";

export async function printDatabaseUrl(context: CommandContext, options: GlobalOptions): Promise<ExitCode> {
  const settings = context.settings();
  const url = await databaseUrlInUse(settings);
  if (url === undefined) {
    throw new CommandError(exitCodes.unreachable, `No program runs on the data directory ${settings.dataDir}`, {
      hints: [
        "The embedded PostgreSQL lives as long as the program: npm start",
        "Another one: DATABASE_URL=postgres://…",
      ],
    });
  }
  if (options.json) context.terminal.printJson({ url });
  else context.terminal.print(url);
  return exitCodes.ok;
}
