/** The commands under `millrace events` and `millrace event-definitions`. */
import { type Command, Option } from "commander";
import * as definitions from "./commands/event_definitions.ts";
import * as events from "./commands/events.ts";
import type { CommandContext } from "./context.ts";
import type { Declaring } from "./declaring.ts";
import { limit, valueWords } from "./options.ts";

export function declareEvents(program: Command, context: CommandContext, { end }: Declaring): void {
  const group = program.command("events").description("what happened, and where it went");
  group
    .command("publish")
    .description("publish an event")
    .argument("<pattern>", "its name, such as orders.paid")
    .argument("[payload]", `${valueWords} (default: null)`)
    .option("--event-id <id>", "the same one again, of the same source, is the same event")
    .option("--source <id>", "of the external source that publishes")
    .option("--correlation-id <text>", "text by which related events are found")
    .option("--causation-id <id>", "of the event that brought this one about")
    .option("--partition-key <text>", "events with the same one are routed in order")
    .option("--timestamp <instant>", "when it happened (default: now)")
    .action((pattern: string, payload: string | undefined, _, command: Command) =>
      end(events.publishEvent(context, { pattern, payload }, command.optsWithGlobals())),
    );
  group
    .command("list")
    .description("events, the newest first")
    .option("--pattern <pattern>", "a name, or a pattern such as orders.*")
    .option("--event-id <id>")
    .option("--from <instant>", "accepted then or later, such as 2030-01-31T09:00:00Z")
    .option("--to <instant>", "accepted before")
    .option("--correlation-id <text>")
    .option("--causation-id <id>")
    .option("--source <id>")
    .option("--payload <json>", "what the payload contains")
    .addOption(limit())
    .action((_, command: Command) => end(events.listEvents(context, command.optsWithGlobals())));
  group
    .command("show")
    .description("an event: what took it, what did not and why, what was delivered when")
    .argument("<event>", "its id, or its eventId")
    .action((ref: string, _, command: Command) => end(events.showEvent(context, ref, command.optsWithGlobals())));
  declareEventDefinitions(program, context, { end });
}

function declareEventDefinitions(program: Command, context: CommandContext, { end }: Pick<Declaring, "end">): void {
  const group = program.command("event-definitions").description("what events of a name are like");
  group
    .command("apply")
    .description("store event definitions from files (JSON, YAML), directories or standard input (-)")
    .argument("<files...>")
    .action((files: string[], _, command: Command) =>
      end(definitions.applyEventDefinitions(context, files, command.optsWithGlobals())),
    );
  group
    .command("list")
    .description("every version, the newest first")
    .option("--event-id <id>")
    .option("--pattern <name>", "the name of its events")
    .addOption(new Option("--status <status>").choices(["draft", "active", "deprecated"]))
    .addOption(limit())
    .action((_, command: Command) => end(definitions.listEventDefinitions(context, command.optsWithGlobals())));
}
