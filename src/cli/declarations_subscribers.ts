/** The commands under `millrace subscriptions`, `dead-letters` and `replays`. */
import { type Command, Option } from "commander";
import * as letters from "./commands/dead_letters.ts";
import * as replays from "./commands/replays.ts";
import * as subscriptions from "./commands/subscriptions.ts";
import type { CommandContext } from "./context.ts";
import type { Declaring } from "./declaring.ts";
import { limit, valueWords } from "./options.ts";

export function declareSubscribers(program: Command, context: CommandContext, declaring: Declaring): void {
  declareSubscriptions(program, context, declaring);
  declareDeadLetters(program, context, declaring);
  declareReplays(program, context, declaring);
}

function declareSubscriptions(program: Command, context: CommandContext, { end }: Declaring): void {
  const group = program.command("subscriptions").description("whom events are sent to");
  group
    .command("list")
    .description("subscriptions, the newest first")
    .option("--status <status>", "active, suspended or disabled")
    .option("--pattern <pattern>", "the pattern, exactly")
    .addOption(limit())
    .action((_, command: Command) => end(subscriptions.listSubscriptions(context, command.optsWithGlobals())));
  group
    .command("create")
    .description("have events sent to an address, or given to a handler of a program; prints the signing secret")
    .argument("<pattern>", 'which events, such as "orders.*.paid" or "orders.>"')
    .argument("[endpoint]", "an http or https URL")
    .option("--handler <name>", "instead of an address")
    .option("--filter <condition>", "a CEL condition over event")
    .option("--name <name>", "unique in the namespace")
    .option("--description <text>")
    .action((pattern: string, endpoint: string | undefined, _, command: Command) =>
      end(subscriptions.createSubscription(context, { pattern, endpoint }, command.optsWithGlobals())),
    );
  group
    .command("get")
    .description("a subscription and how it does")
    .argument("<subscription>", "its id")
    .action((id: string, _, command: Command) =>
      end(subscriptions.getSubscription(context, id, command.optsWithGlobals())),
    );
  const verb = (name: subscriptions.Verb, description: string) =>
    group
      .command(name)
      .description(description)
      .argument("<subscription>", "its id")
      .action((id: string, _, command: Command) =>
        end(subscriptions.changeSubscription(context, { id, verb: name }, command.optsWithGlobals())),
      );
  verb("suspend", "hold deliveries back; events are kept").option("-r, --reason <text>", "why");
  verb("resume", "let deliveries go on");
  verb("enable", "enable one that was disabled").option("--replay-missing", "send what it missed since");
  verb("rotate-secret", "make a new signing secret and print it").option(
    "--overlap <duration>",
    "for how long the former one signs, too (default: P1D)",
  );
  group
    .command("test")
    .description("send a test event now and say what came back")
    .argument("<subscription>", "its id")
    .action((id: string, _, command: Command) =>
      end(subscriptions.testSubscription(context, id, command.optsWithGlobals())),
    );
  group
    .command("deliveries")
    .description("what was sent and what is to be, the newest first")
    .argument("<subscription>", "its id")
    .option("--status <status>", "pending, delivered, failed or cancelled")
    .addOption(limit())
    .action((id: string, _, command: Command) =>
      end(subscriptions.listDeliveries(context, id, command.optsWithGlobals())),
    );
  group
    .command("retry")
    .description("send an event again")
    .argument("<delivery>", "the delivery's id")
    .action((id: string, _, command: Command) =>
      end(subscriptions.retryDelivery(context, id, command.optsWithGlobals())),
    );
  group
    .command("delete")
    .description("delete a subscription; what has not been sent is cancelled")
    .argument("<subscription>", "its id")
    .action((id: string, _, command: Command) =>
      end(subscriptions.deleteSubscription(context, id, command.optsWithGlobals())),
    );
}

/** What chooses dead letters, for lists and for what acts on many. */
function filters(command: Command): Command {
  return command
    .option("--status <status>", "pending, reprocessing, resolved or discarded")
    .option("--error-type <type>", "such as TRANSIENT or VALIDATION")
    .option("--error-code <code>")
    .option("--subscriber <subscriber>", "intake, trigger:<id> or subscription:<id>")
    .option("--pattern <pattern>", "the event's name; may have * and >")
    .option("--event <id>", "the event's id")
    .option("--max-age <duration>", "such as PT24H");
}

function declareDeadLetters(program: Command, context: CommandContext, { end }: Declaring): void {
  const group = program.command("dead-letters").description("events that could not be taken");
  filters(group.command("list").description("dead letters, the newest first"))
    .addOption(limit())
    .action((_, command: Command) => end(letters.listDeadLetters(context, command.optsWithGlobals())));
  group
    .command("get")
    .description("a dead letter: the event, the error, the attempts")
    .argument("<letter>", "its id")
    .action((id: string, _, command: Command) => end(letters.getDeadLetter(context, id, command.optsWithGlobals())));
  group
    .command("reprocess")
    .description("hand a dead letter on again")
    .argument("<letter>", "its id")
    .option("-p, --payload <value>", `in the place of the event's: ${valueWords}`)
    .action((id: string, _, command: Command) =>
      end(letters.actOnDeadLetter(context, { id, verb: "reprocess" }, command.optsWithGlobals())),
    );
  const verbs = { resolve: "say that it was settled in another way", discard: "give it up" } as const;
  for (const verb of ["resolve", "discard"] as const) {
    group
      .command(verb)
      .description(verbs[verb])
      .argument("<letter>", "its id")
      .option("--notes <text>", "why")
      .action((id: string, _, command: Command) =>
        end(letters.actOnDeadLetter(context, { id, verb }, command.optsWithGlobals())),
      );
  }
  filters(group.command("reprocess-all").description("hand on all that the filters find"))
    .option("--dry-run", "only count them")
    .action((_, command: Command) => end(letters.reprocessDeadLetters(context, command.optsWithGlobals())));
  group
    .command("progress")
    .description("how far reprocess-all is")
    .argument("<reprocessing>", "its id")
    .action((id: string, _, command: Command) => end(letters.showReprocessing(context, id, command.optsWithGlobals())));
  filters(group.command("purge").description("remove all that the filters find, for good")).action(
    (_, command: Command) => end(letters.purgeDeadLetters(context, command.optsWithGlobals())),
  );
}

function declareReplays(program: Command, context: CommandContext, { end }: Declaring): void {
  const group = program.command("replays").description("events routed once more");
  group
    .command("create")
    .description("route the events of a pattern and a time once more")
    .argument("<pattern>", '">" is every event')
    .requiredOption("--from <instant>", "accepted from then on")
    .option("--to <instant>", "and before (default: now)")
    .option("--filter <condition>", "a CEL condition over event")
    .addOption(
      new Option("--target <id>", "only to this subscription or trigger; may be repeated")
        .argParser((text: string, before: string[]) => [...before, text])
        .default([], "all that fit"),
    )
    .option("--dry-run", "only count them")
    .action((pattern: string, _, command: Command) =>
      end(replays.createReplay(context, pattern, command.optsWithGlobals())),
    );
  group
    .command("list")
    .description("replays, the newest first")
    .addOption(limit())
    .action((_, command: Command) => end(replays.listReplays(context, command.optsWithGlobals())));
  group
    .command("get")
    .description("how far a replay is")
    .argument("<replay>", "its id")
    .action((id: string, _, command: Command) => end(replays.getReplay(context, id, command.optsWithGlobals())));
  group
    .command("cancel")
    .description("end a replay where it stands")
    .argument("<replay>", "its id")
    .action((id: string, _, command: Command) => end(replays.cancelReplay(context, id, command.optsWithGlobals())));
}
