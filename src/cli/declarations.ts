/** Which commands there are, their arguments and options. `docs/cli.md` shows them; a test compares the two. */
import { Command, InvalidArgumentError, Option } from "commander";
import { apply, validate } from "./commands/apply.ts";
import { printDatabaseUrl } from "./commands/db.ts";
import * as instances from "./commands/instances.ts";
import { migrateDownCommand, migrateStatusCommand, migrateUpCommand } from "./commands/migrate.ts";
import { listNodes } from "./commands/nodes.ts";
import { start } from "./commands/start.ts";
import { watchInstance } from "./commands/watch.ts";
import * as workflows from "./commands/workflows.ts";
import type { CommandContext } from "./context.ts";

export interface Declaring {
  version: string;
  /** Takes the exit code of the command that ran. */
  end(work: Promise<number>): Promise<void>;
}

export function declareCommands(context: CommandContext, declaring: Declaring): Command {
  const program = new Command("millrace")
    .description("Durable workflows on PostgreSQL")
    // The long form belongs to commands that take the version of a workflow; alone it is understood, see `command_line`.
    .version(declaring.version, "-V", "print this program's version")
    .option("--json", "print JSON instead of tables")
    .option("-n, --namespace <name>", "the namespace to work in (default: default)")
    .option("--url <url>", "where the server is (default: MILLRACE_URL)");
  program
    .command("start")
    .description("run the program: database, engine, HTTP")
    .action(() => declaring.end(start(context)));
  declareMigrate(program, context, declaring);
  program
    .command("apply")
    .description("store workflow definitions from files (JSON, YAML), directories or standard input (-)")
    .argument("<files...>")
    .action((files: string[], _, command: Command) => declaring.end(apply(context, files, command.optsWithGlobals())));
  declareWorkflows(program, context, declaring);
  declareInstances(program, context, declaring);
  program
    .command("nodes")
    .description("the nodes of the cluster and how they do")
    .action((_, command: Command) => declaring.end(listNodes(context, command.optsWithGlobals())));
  program
    .command("db")
    .description("the database in use")
    .command("url")
    .description("print its connection string")
    .action((_, command: Command) => declaring.end(printDatabaseUrl(context, command.optsWithGlobals())));
  return program;
}

function declareMigrate(program: Command, context: CommandContext, { end }: Declaring): void {
  const migrate = program.command("migrate").description("the schema of the database");
  migrate
    .command("up", { isDefault: true })
    .description("apply what is pending")
    .option("--to <version>", "up to and including this one, such as 0002")
    .action((_, command: Command) => end(migrateUpCommand(context, command.optsWithGlobals())));
  migrate
    .command("down")
    .description("take migrations back, the newest first")
    .addOption(new Option("--steps <n>", "how many (default: 1)").argParser(wholeNumber(1, 9_999)))
    .addOption(new Option("--to <version>", "all after this one; 0 takes everything back").conflicts("steps"))
    .option("--yes", "yes, with all that the tables hold")
    .action((_, command: Command) => end(migrateDownCommand(context, command.optsWithGlobals())));
  migrate
    .command("status")
    .description("what is applied and what is not")
    .action((_, command: Command) => end(migrateStatusCommand(context, command.optsWithGlobals())));
}

function declareWorkflows(program: Command, context: CommandContext, { end }: Declaring): void {
  const group = program.command("workflows").description("definitions and their versions");
  group
    .command("list")
    .description("the latest version of each workflow")
    .option("--all", "every version")
    .option("--status <list>", "draft, active, deprecated; with commas between")
    .addOption(limit())
    .action((_, command: Command) => end(workflows.listWorkflows(context, command.optsWithGlobals())));
  group
    .command("get")
    .description("a version and its steps")
    .argument("<workflow>", "a workflowId, or the id of a version")
    .option("--version <version>", "with a workflowId (default: the latest)")
    .action((ref: string, _, command: Command) => end(workflows.getWorkflow(context, ref, command.optsWithGlobals())));
  group
    .command("versions")
    .description("the versions of a workflow, the highest first")
    .argument("<workflow>")
    .addOption(limit())
    .action((ref: string, _, command: Command) => end(workflows.listVersions(context, ref, command.optsWithGlobals())));
  group
    .command("validate")
    .description("check definition files; nothing is stored")
    .argument("<files...>")
    .action((files: string[], _, command: Command) => end(validate(context, files, command.optsWithGlobals())));
  const verbs = {
    activate: "let a draft or deprecated version be the latest",
    deprecate: "take a version out of the choice of the latest",
  } as const;
  for (const verb of ["activate", "deprecate"] as const) {
    group
      .command(verb)
      .description(verbs[verb])
      .argument("<workflow>", "a workflowId, or the id of a version")
      .option("--version <version>", "with a workflowId (default: the latest)")
      .action((ref: string, _, command: Command) =>
        end(workflows.changeStatus(context, { ref, verb }, command.optsWithGlobals())),
      );
  }
}

function declareInstances(program: Command, context: CommandContext, { end }: Declaring): void {
  const group = program.command("instances").description("runs of workflows");
  const value = "JSON, @file (JSON or YAML), or - for standard input";
  group
    .command("start")
    .description("start a workflow")
    .argument("<workflow>", "a workflowId, or the id of a version")
    .option("-i, --input <value>", `${value} (default: {})`)
    .option("--version <version>", "with a workflowId (default: the latest)")
    .option("--correlation-id <text>", "text by which related instances are found")
    .option("--key <key>", "idempotency key: the same key again is the same start")
    .option("--priority <priority>", "LOW, MEDIUM, HIGH, CRITICAL or 1 to 10")
    .option("-w, --wait [duration]", "wait for the end, at most so long (default: PT60S)")
    .action((ref: string, _, command: Command) =>
      end(instances.startInstance(context, ref, command.optsWithGlobals())),
    );
  group
    .command("list")
    .description("instances, the newest first")
    .option("--status <list>", "statuses with commas between, such as RUNNING,FAILED")
    .option("--workflow <workflow>", "a workflowId, or the id of a version")
    .option("--correlation-id <text>")
    .option("--started-after <instant>", "such as 2030-01-31T09:00:00Z")
    .option("--started-before <instant>")
    .addOption(limit())
    .action((_, command: Command) => end(instances.listInstances(context, command.optsWithGlobals())));
  group
    .command("get")
    .description("an instance and its steps")
    .argument("<instance>")
    .action((id: string, _, command: Command) => end(instances.getInstance(context, id, command.optsWithGlobals())));
  group
    .command("history")
    .description("every attempt of every step, the oldest first")
    .argument("<instance>")
    .addOption(limit())
    .action((id: string, _, command: Command) => end(instances.showHistory(context, id, command.optsWithGlobals())));
  group
    .command("watch")
    .description("follow an instance to its end")
    .argument("<instance>")
    .action((id: string, _, command: Command) => end(watchInstance(context, id, command.optsWithGlobals())));
  group
    .command("cancel")
    .description("cancel an instance")
    .argument("<instance>")
    .requiredOption("-r, --reason <text>", "why")
    .option("--no-compensate", "do not run its compensation steps")
    .action((id: string, _, command: Command) => end(instances.cancelInstance(context, id, command.optsWithGlobals())));
  group
    .command("signal")
    .description("send a signal to an instance")
    .argument("<instance>")
    .argument("<type>", "what its wait compares with the eventPattern")
    .option("-p, --payload <value>", `${value} (default: null)`)
    .option("--key <key>", "idempotency key: the same key again is the same signal")
    .action((id: string, type: string, _, command: Command) =>
      end(instances.signalInstance(context, { id, type }, command.optsWithGlobals())),
    );
}

function limit(): Option {
  return new Option("--limit <n>", "how many at most").default(50).argParser(wholeNumber(1, 100_000));
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) {
      throw new InvalidArgumentError(`A whole number from ${least} to ${most} is expected.`);
    }
    return value;
  };
}
