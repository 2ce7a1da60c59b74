/** The commands under `millrace instances`. */
import { Argument, type Command } from "commander";
import * as instances from "./commands/instances.ts";
import { actOnMany } from "./commands/instances_bulk.ts";
import * as explain from "./commands/instances_explain.ts";
import * as life from "./commands/instances_life.ts";
import { watchInstance } from "./commands/watch.ts";
import type { CommandContext } from "./context.ts";
import type { Declaring } from "./declaring.ts";
import { limit, valueWords } from "./options.ts";

export function declareInstances(program: Command, context: CommandContext, { end }: Declaring): void {
  const group = program.command("instances").description("runs of workflows");
  group
    .command("start")
    .description("start a workflow")
    .argument("<workflow>", "a workflowId, or the id of a version")
    .option("-i, --input <value>", `${valueWords} (default: {})`)
    .option("--variables <value>", `values that variables begin with: ${valueWords}`)
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
    .option("-p, --payload <value>", `${valueWords} (default: null)`)
    .option("--key <key>", "idempotency key: the same key again is the same signal")
    .action((id: string, type: string, _, command: Command) =>
      end(instances.signalInstance(context, { id, type }, command.optsWithGlobals())),
    );
  declareLife(group, context, { end });
  declareExplaining(group, context, { end });
  declareBulk(group, context, { end });
}

type End = Pick<Declaring, "end">;

function declareLife(group: Command, context: CommandContext, { end }: End): void {
  const plain = {
    pause: "hold an instance: what runs ends, nothing new begins",
    resume: "let a paused instance go on",
    retry: "let a failed instance go on from where it failed",
  } as const;
  for (const verb of ["pause", "resume", "retry"] as const) {
    group
      .command(verb)
      .description(plain[verb])
      .argument("<instance>")
      .action((id: string, _, command: Command) =>
        end(life.changeInstance(context, { id, verb }, command.optsWithGlobals())),
      );
  }
  group
    .command("skip")
    .description("pass over a step that is under way or has not begun")
    .argument("<instance>")
    .argument("<step>", "its stepId")
    .action((id: string, stepId: string, _, command: Command) =>
      end(life.changeInstance(context, { id, verb: "skip", body: { stepId } }, command.optsWithGlobals())),
    );
  group
    .command("priority")
    .description("change the priority of an instance")
    .argument("<instance>")
    .argument("<priority>", "LOW, MEDIUM, HIGH, CRITICAL or 1 to 10")
    .action((id: string, priority: string, _, command: Command) =>
      end(life.setPriority(context, { id, priority }, command.optsWithGlobals())),
    );
  group
    .command("restart")
    .description("start a new instance from a step of this one; what came before is carried over")
    .argument("<instance>")
    .requiredOption("--from <step>", "the stepId to begin with")
    .option("--version <version>", "of the same workflow (default: that of this one)")
    .option("-i, --input <value>", `${valueWords} (default: the input of this one)`)
    .option("--outputs <value>", `what earlier steps gave, by stepId: ${valueWords}`)
    .action((id: string, _, command: Command) => end(life.restartInstance(context, id, command.optsWithGlobals())));
  group
    .command("migrate")
    .description("let an instance go on with another version of its workflow")
    .argument("<instance>")
    .requiredOption("--to <version>", "the version")
    .option("--dry-run", "only say whether it could, and what is in the way")
    .action((id: string, _, command: Command) => end(life.migrateInstance(context, id, command.optsWithGlobals())));
}

function declareExplaining(group: Command, context: CommandContext, { end }: End): void {
  group
    .command("why")
    .description("why it is not running: the step, the rule, since when, until when")
    .argument("<instance>")
    .action((id: string, _, command: Command) => end(explain.explainInstance(context, id, command.optsWithGlobals())));
  group
    .command("logs")
    .description("what its handlers and the engine logged, the oldest first")
    .argument("<instance>")
    .option("--level <level>", "debug, info, warn or error, and what is more serious")
    .option("--step <step>", "only lines of this stepId")
    .option("--search <text>", "only messages that hold it, in whatever case")
    .option("-f, --follow", "all lines, and those that come until it ends")
    .addOption(limit())
    .action((id: string, _, command: Command) => end(explain.showLogs(context, id, command.optsWithGlobals())));
  group
    .command("children")
    .description("the instances that its WORKFLOW steps started, the newest first")
    .argument("<instance>")
    .addOption(limit())
    .action((id: string, _, command: Command) =>
      end(instances.listInstances(context, { ...command.optsWithGlobals(), parent: id })),
    );
}

function declareBulk(group: Command, context: CommandContext, { end }: End): void {
  group
    .command("bulk")
    .description("act on many instances, by filters or ids")
    .addArgument(
      new Argument("<action>", "what to do").choices([
        "cancel",
        "pause",
        "resume",
        "retry",
        "restart",
        "priority",
        "skip",
      ]),
    )
    .option("--status <list>", "statuses with commas between, such as RUNNING,FAILED")
    .option("--workflow <workflow>", "a workflowId, or the id of a version")
    .option("--correlation-id <text>")
    .option("--started-after <instant>", "such as 2030-01-31T09:00:00Z")
    .option("--started-before <instant>")
    .option("--parent <instance>", "only its children")
    .option("--ids <list>", "these instances: ids with commas between, @file, or - for standard input")
    .option("--dry-run", "only count them, and show the first ten")
    .option("-r, --reason <text>", "cancel: why")
    .option("--no-compensate", "cancel: do not run compensation steps")
    .option("--from <step>", "restart: the stepId to begin with (default: the first step)")
    .option("--step <step>", "skip: the stepId")
    .option("--priority <priority>", "priority: LOW, MEDIUM, HIGH, CRITICAL or 1 to 10")
    .option("--no-wait", "do not wait for its end")
    .action((action: string, _, command: Command) => end(actOnMany(context, action, command.optsWithGlobals())));
}
