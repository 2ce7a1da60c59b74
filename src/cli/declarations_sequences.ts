/** The commands under `millrace queue` and `millrace sequences`. */
import { type Command, Option } from "commander";
import * as queue from "./commands/queue.ts";
import * as sequences from "./commands/sequences.ts";
import type { CommandContext } from "./context.ts";
import type { Declaring } from "./declaring.ts";
import { limit, wholeNumber } from "./options.ts";

export function declareQueue(program: Command, context: CommandContext, { end }: Declaring): void {
  const group = program.command("queue").description("the events that wait to be routed");
  group
    .command("status", { isDefault: true })
    .description("how many wait, since when, and how many were routed")
    .action((_, command: Command) => end(queue.showQueue(context, command.optsWithGlobals())));
  const verbs = {
    pause: "stop routing; events are still accepted",
    resume: "route and accept events again",
    drain: "accept no more events, and route those that wait",
  } as const;
  for (const verb of ["pause", "resume", "drain"] as const) {
    group
      .command(verb)
      .description(verbs[verb])
      .action((_, command: Command) => end(queue.changeQueue(context, verb, command.optsWithGlobals())));
  }
  const number = (flags: string, what: string, least: number, most: number) =>
    new Option(flags, what).argParser(wholeNumber(least, most));
  group
    .command("config")
    .description("change the settings; what is not given stays")
    .addOption(number("--max-depth <n>", "as many events may wait", 1, 1_000_000))
    .addOption(number("--high-watermark <n>", "from here on producers are slowed", 1, 1_000_000))
    .addOption(number("--processing-interval <ms>", "between two writings of the metrics", 100, 600_000))
    .addOption(number("--persistence-threshold <n>", "events after which the metrics are written", 1, 1_000_000))
    .action((_, command: Command) => end(queue.configureQueue(context, command.optsWithGlobals())));
  group
    .command("checkpoint")
    .description("write down how far routing is")
    .action((_, command: Command) => end(queue.makeCheckpoint(context, command.optsWithGlobals())));
  group
    .command("checkpoints")
    .description("checkpoints, the newest first")
    .addOption(limit())
    .action((_, command: Command) => end(queue.listCheckpoints(context, command.optsWithGlobals())));
}

export function declareSequences(program: Command, context: CommandContext, { end }: Declaring): void {
  const group = program.command("sequences").description("ordered series of events");
  group
    .command("list")
    .description("sequences, the newest first")
    .option("--status <status>", "created, in_progress, completed, failed or cancelled")
    .option("--correlation-id <text>")
    .addOption(limit())
    .action((_, command: Command) => end(sequences.listSequences(context, command.optsWithGlobals())));
  group
    .command("get")
    .description("a sequence and its members")
    .argument("<sequence>", "its id, or its sequenceId")
    .action((ref: string, _, command: Command) => end(sequences.getSequence(context, ref, command.optsWithGlobals())));
  group
    .command("create")
    .description("create sequences from files (JSON, YAML), directories or standard input (-)")
    .argument("<files...>")
    .option("--no-start", "do not start them yet")
    .action((files: string[], _, command: Command) =>
      end(sequences.createSequences(context, files, command.optsWithGlobals())),
    );
  const verbs = {
    start: "start a sequence that was only created",
    cancel: "publish nothing more of a sequence",
    resume: "look again at what failed, and go on if it is well",
    retry: "route what failed again",
    fail: "leave a failed sequence as it is for good",
  } as const;
  for (const verb of ["start", "cancel", "resume", "retry", "fail"] as const) {
    group
      .command(verb)
      .description(verbs[verb])
      .argument("<sequence>", "its id, or its sequenceId")
      .action((ref: string, _, command: Command) =>
        end(sequences.changeSequence(context, { ref, verb }, command.optsWithGlobals())),
      );
  }
  group
    .command("skip")
    .description("pass over a member, or those by which it failed")
    .argument("<sequence>", "its id, or its sequenceId")
    .addOption(new Option("--position <n>", "of the member").argParser(wholeNumber(0, 1_000)))
    .action((ref: string, { position }: { position?: number }, command: Command) =>
      end(sequences.changeSequence(context, { ref, verb: "skip", body: { position } }, command.optsWithGlobals())),
    );
}
