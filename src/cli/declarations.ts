/** Which commands there are, their arguments and options. `docs/cli.md` shows them; a test compares the two. */
import { Command, Option } from "commander";
import { apply, validate } from "./commands/apply.ts";
import { printDatabaseUrl } from "./commands/db.ts";
import { showStatistics } from "./commands/instances_explain.ts";
import { migrateDownCommand, migrateStatusCommand, migrateUpCommand } from "./commands/migrate.ts";
import { listNodes } from "./commands/nodes.ts";
import { start } from "./commands/start.ts";
import * as templates from "./commands/templates.ts";
import * as workflows from "./commands/workflows.ts";
import type { CommandContext } from "./context.ts";
import { declareEvents } from "./declarations_events.ts";
import { declareInstances } from "./declarations_instances.ts";
import { declareSchedules } from "./declarations_schedules.ts";
import { declareQueue, declareSequences } from "./declarations_sequences.ts";
import { declareSubscribers } from "./declarations_subscribers.ts";
import { declareTriggers } from "./declarations_triggers.ts";
import type { Declaring } from "./declaring.ts";
import { limit, valueWords, wholeNumber } from "./options.ts";

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
  declareTemplates(program, context, declaring);
  declareTriggers(program, context, declaring);
  declareInstances(program, context, declaring);
  declareSubscribers(program, context, declaring);
  declareSequences(program, context, declaring);
  declareQueue(program, context, declaring);
  declareEvents(program, context, declaring);
  declareSchedules(program, context, declaring);
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
  group
    .command("stats")
    .description("how its instances did: counts, durations, what they failed by")
    .argument("<workflow>", "a workflowId, or the id of a version")
    .option("--version <version>", "with a workflowId (default: all versions together)")
    .action((ref: string, _, command: Command) => end(showStatistics(context, ref, command.optsWithGlobals())));
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

function declareTemplates(program: Command, context: CommandContext, { end }: Declaring): void {
  const group = program.command("templates").description("what definitions are made from");
  group
    .command("list")
    .description("the namespace's own, the newest first, then the built-in ones")
    .option("--category <category>")
    .option("--name <text>", "a part of the name")
    .addOption(limit())
    .action((_, command: Command) => end(templates.listTemplates(context, command.optsWithGlobals())));
  group
    .command("get")
    .description("a template and its parameters")
    .argument("<template>", "its id, or its name")
    .action((ref: string, _, command: Command) => end(templates.getTemplate(context, ref, command.optsWithGlobals())));
  group
    .command("create")
    .description("store templates from files (JSON, YAML), directories or standard input (-)")
    .argument("<files...>")
    .action((files: string[], _, command: Command) =>
      end(templates.createTemplates(context, files, command.optsWithGlobals())),
    );
  group
    .command("instantiate")
    .description("create a definition from a template")
    .argument("<template>", "its id, or its name")
    .requiredOption("--workflow-id <id>", "the workflow that the definition is a version of")
    .addOption(
      new Option("-p, --param <name=value>", "one parameter; may be repeated; text, or JSON if it takes no text")
        .argParser((text: string, before: string[]) => [...before, text])
        .default([], "none"),
    )
    .option("--parameters <value>", `all of them: ${valueWords}`)
    .option("--name <name>", "of the definition")
    .option("--version <version>", "of the definition (default: the next minor one)")
    .addOption(new Option("--status <status>", "of the definition (default: active)").choices(["draft", "active"]))
    .option("--dry-run", "only print the definition")
    .action((ref: string, _, command: Command) =>
      end(templates.instantiateTemplate(context, ref, command.optsWithGlobals())),
    );
  group
    .command("delete")
    .description("delete a version of a template; definitions made of it stay")
    .argument("<template>", "its id, or its name")
    .action((ref: string, _, command: Command) =>
      end(templates.deleteTemplate(context, ref, command.optsWithGlobals())),
    );
}
