/** The commands under `millrace triggers`. */
import { type Command, Option } from "commander";
import * as triggers from "./commands/triggers.ts";
import type { CommandContext } from "./context.ts";
import type { Declaring } from "./declaring.ts";
import { limit, valueWords } from "./options.ts";

const its = "its id, or its name";

export function declareTriggers(program: Command, context: CommandContext, { end }: Declaring): void {
  const group = program.command("triggers").description("what starts and cancels workflows");
  group
    .command("list")
    .description("triggers, the newest first")
    .option("--workflow <workflow>", "a workflowId, or the id of a version")
    .addOption(new Option("--kind <kind>").choices(["event", "schedule", "webhook", "manual"]))
    .option("--pattern <pattern>", "the eventPattern, as it is written")
    .option("--name <text>", "a part of the name")
    .addOption(limit())
    .action((_, command: Command) => end(triggers.listTriggers(context, command.optsWithGlobals())));
  group
    .command("show")
    .description("a trigger, when it fired last and how often")
    .argument("<trigger>", its)
    .action((ref: string, _, command: Command) => end(triggers.showTrigger(context, ref, command.optsWithGlobals())));
  group
    .command("create")
    .description("create a trigger; of a webhook it prints the address and, this once, the secret")
    .requiredOption("-f, --file <file>", "JSON or YAML, or - for standard input")
    .action((_, command: Command) => end(triggers.createTrigger(context, command.optsWithGlobals())));
  group
    .command("enable")
    .description("let a trigger act again")
    .argument("<trigger>", its)
    .action((ref: string, _, command: Command) =>
      end(triggers.setEnabled(context, { ref, verb: "enable" }, command.optsWithGlobals())),
    );
  group
    .command("disable")
    .description("let a trigger take nothing until it is enabled")
    .argument("<trigger>", its)
    .action((ref: string, _, command: Command) =>
      end(triggers.setEnabled(context, { ref, verb: "disable" }, command.optsWithGlobals())),
    );
  group
    .command("delete")
    .description("delete a trigger; what it started goes on")
    .argument("<trigger>", its)
    .action((ref: string, _, command: Command) => end(triggers.deleteTrigger(context, ref, command.optsWithGlobals())));
  group
    .command("fire")
    .description("start what a trigger starts, whatever its pattern and condition say")
    .argument("<trigger>", its)
    .option("-i, --input <value>", `the payload that its mapping sees: ${valueWords} (default: {})`)
    .option("--key <key>", "idempotency key: the same key again is the same firing")
    .action((ref: string, _, command: Command) => end(triggers.fireTrigger(context, ref, command.optsWithGlobals())));
  group
    .command("test")
    .description("tell what a trigger would do with an event; nothing happens")
    .argument("<trigger>", its)
    .option("-p, --payload <value>", `of the event: ${valueWords} (default: null)`)
    .option("--pattern <name>", "the event's name (default: one that fits)")
    .action((ref: string, _, command: Command) => end(triggers.testTrigger(context, ref, command.optsWithGlobals())));
}
