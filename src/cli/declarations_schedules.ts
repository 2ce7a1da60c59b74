/** The commands under `millrace schedules`. */
import { type Command, Option } from "commander";
import * as schedules from "./commands/schedules.ts";
import type { CommandContext } from "./context.ts";
import type { Declaring } from "./declaring.ts";
import { limit, valueWords, wholeNumber } from "./options.ts";

const overlapWords = "allow, skip, queue_one, queue_all or cancel_running";

export function declareSchedules(program: Command, context: CommandContext, { end }: Declaring): void {
  const group = program.command("schedules").description("when workflows are started");
  const one = (name: string, description: string) =>
    group.command(name).description(description).argument("<schedule>", "its id, or its name");
  group
    .command("create")
    .description("store a schedule; with one of --cron, --every and --at")
    .argument("<name>", "unique in the namespace")
    .requiredOption("-w, --workflow <workflow>", "what is started: a workflowId, or the id of a version")
    .option("--version <version>", "with a workflowId (default: the latest)")
    .option("--cron <expression>", "five fields, or six with seconds first")
    .option("--every <duration>", "an interval, such as PT15M")
    .option("--at <instant>", "a single time, such as 2030-01-31T09:00:00Z")
    .option("--zone <name>", "time zone of --cron (default: UTC)")
    .option("-i, --input <value>", `with \${schedule.plannedAt} and the like: ${valueWords}`)
    .option("--overlap <policy>", `${overlapWords} (default: skip)`)
    .option("--jitter <duration>", "delay each time by up to so much")
    .option("--paused", "begin paused")
    .action((name: string, _, command: Command) =>
      end(schedules.createSchedule(context, name, command.optsWithGlobals())),
    );
  group
    .command("apply")
    .description("store schedules from files (JSON, YAML), directories or standard input (-)")
    .argument("<files...>")
    .action((files: string[], _, command: Command) =>
      end(schedules.applySchedules(context, files, command.optsWithGlobals())),
    );
  group
    .command("list")
    .description("schedules, the newest first")
    .option("--status <status>", "active, paused, completed or error")
    .option("--workflow <workflow>", "what they start, as they name it")
    .option("--name <text>", "a part of the name")
    .addOption(limit())
    .action((_, command: Command) => end(schedules.listSchedules(context, command.optsWithGlobals())));
  one("get", "a schedule").action((ref: string, _, command: Command) =>
    end(schedules.getSchedule(context, ref, command.optsWithGlobals())),
  );
  one("next", "its next times")
    .addOption(new Option("--count <n>", "how many").default(10).argParser(wholeNumber(1, 100)))
    .action((ref: string, _, command: Command) => end(schedules.showNext(context, ref, command.optsWithGlobals())));
  one("occurrences", "what became of its times, the newest first")
    .option("--status <status>", "fired, late, skipped, missed, queued or failed")
    .addOption(limit())
    .action((ref: string, _, command: Command) =>
      end(schedules.listOccurrences(context, ref, command.optsWithGlobals())),
    );
  one("why", "why it does what it does now").action((ref: string, _, command: Command) =>
    end(schedules.explainSchedule(context, ref, command.optsWithGlobals())),
  );
  one("pause", "fire none of its times").action((ref: string, _, command: Command) =>
    end(schedules.changeSchedule(context, { ref, verb: "pause" }, command.optsWithGlobals())),
  );
  one("resume", "fire its times again")
    .option("--catch-up", "those since the pause too, as far as its catch-up window goes")
    .action((ref: string, _, command: Command) => {
      const { catchUp } = command.opts<{ catchUp?: boolean }>();
      end(schedules.changeSchedule(context, { ref, verb: "resume", body: { catchUp } }, command.optsWithGlobals()));
    });
  one("trigger", "fire it now, paused or not")
    .option("--overlap <policy>", `${overlapWords} (default: its own)`)
    .action((ref: string, _, command: Command) =>
      end(schedules.triggerSchedule(context, ref, command.optsWithGlobals())),
    );
  one("backfill", "fire past times that have not run")
    .requiredOption("--from <instant>", "such as 2030-01-31T09:00:00Z")
    .requiredOption("--until <instant>")
    .option("--overlap <policy>", `${overlapWords} (default: queue_all)`)
    .action((ref: string, _, command: Command) =>
      end(schedules.backfillSchedule(context, ref, command.optsWithGlobals())),
    );
  one("delete", "delete a schedule; instances that it started go on").action((ref: string, _, command: Command) =>
    end(schedules.deleteSchedule(context, ref, command.optsWithGlobals())),
  );
}
