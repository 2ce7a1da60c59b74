/**
 * What the engine itself says in an instance's execution log: what goes wrong, and what people do to the instance. It is
 * written in the flush of what it tells of. An instance that goes its way without a failure has no such line, so it costs
 * nothing there.
 */

import type { Decision } from "../machine/facts.ts";
import { compensationScope, type JournalEntry, retryKey, stepIdOf } from "../machine/state.ts";
import { type ErrorInfo, type LogLine, logText } from "../task.ts";
import type { Core } from "./core.ts";
import { type Clerk, encodeLine, type LineFacts, type LogRules, rulesOf } from "./lines.ts";
import type { Resident } from "./resident.ts";
import { addExtra, type Work } from "./work.ts";

/** What the lines of an instance have told of before a turn. */
export interface Told {
  cancelled: boolean;
  undoing: boolean;
}

export const nothingTold: Told = { cancelled: false, undoing: false };

export function toldOf({ state }: Resident): Told {
  return { cancelled: state.cancelation !== undefined, undoing: state.compensation !== undefined };
}

/** Puts lines for what a decision tells of into its work. */
export function sayDecision(
  core: Clerk,
  work: Work,
  resident: Pick<Resident, "id" | "shard" | "namespace" | "program" | "facts" | "state">,
  { decision, before }: { decision: Decision; before: Told },
): void {
  let rules: LogRules | undefined;
  const say = (
    level: LogLine["level"],
    message: string,
    more: Pick<LogLine, "details"> & { of?: JournalEntry } = { details: undefined },
  ) => {
    rules ??= rulesOf(resident);
    const { of, details } = more;
    const line = encodeLine(core, rules, factsOf(resident, of), { level, message: logText(message), details });
    if (line !== undefined) addExtra(work, "logs", line);
  };
  for (const entry of decision.entries) {
    const { status, outcome } = entry;
    if (outcome?.warnings !== undefined)
      for (const warning of outcome.warnings) say("warn", warning, { of: entry, details: undefined });
    if (status === "FAILED") {
      const { level, message } = failureOf(entry);
      say(level, message, { of: entry, details: shortOf(entry.error!) });
    } else if (status === "SKIPPED")
      say("info", `Step "${entry.stepId}" was passed over`, { of: entry, details: undefined });
    else if (outcome?.interrupted !== undefined)
      say("warn", `The node that ran step "${entry.stepId}" is gone; the step runs again`, {
        of: entry,
        details: { interrupted: outcome.interrupted },
      });
  }
  for (const warning of decision.warnings) say("warn", warning);
  for (const { event } of decision.transitions) {
    const message = asked[event];
    if (message !== undefined) say("info", message);
  }
  if (decision.program !== undefined) say("info", `The instance goes on with version ${decision.program.version}`);
  const { error, retryAt, cancelation, compensation } = resident.state;
  if (cancelation !== undefined && !before.cancelled)
    say("info", `Cancelled by ${cancelation.requestedBy}: ${cancelation.reason}`);
  if (decision.failed !== undefined && error !== undefined)
    say("error", `The workflow failed: ${wordsOf(error)}`, { details: shortOf(error) });
  if (compensation !== undefined && !before.undoing) say("info", "The compensation begins");
  if (retryAt !== undefined && decision.armed.some(({ key }) => key === retryKey))
    say("warn", `The workflow begins again at ${new Date(retryAt).toISOString()}`);
}

/** Puts a line for an instance that was set aside into the work that does so. Errors are kept at every level. */
export function sayParked(
  core: Clerk & Pick<Core, "compiled">,
  work: Work,
  instance: { id: string; shard: number; namespace: string; definitionId: string },
  error: unknown,
): void {
  const reason = error instanceof Error ? error.message : String(error);
  const retentionMs = core.compiled(instance.definitionId)?.executionLog.retentionMs;
  const rules: LogRules = {
    namespace: instance.namespace,
    level: "error",
    ...(retentionMs === undefined ? {} : { retentionMs }),
  };
  const message = logText(`The engine could not go on with the instance, which is set aside: ${reason}`);
  const line = encodeLine(core, rules, factsOf(instance, undefined), { level: "error", message, details: undefined });
  if (line !== undefined) addExtra(work, "logs", line);
}

function factsOf({ shard, id }: { shard: number; id: string }, entry: JournalEntry | undefined): LineFacts {
  return {
    shard,
    instanceId: id,
    source: "engine",
    stepId: entry?.stepId ?? null,
    path: entry?.path ?? null,
    attempt: entry?.attempt ?? null,
  };
}

function failureOf(entry: JournalEntry): { level: "warn" | "error"; message: string } {
  const { path, stepId, attempt, error, outcome } = entry;
  const words = wordsOf(error!);
  if (outcome?.retryAt !== undefined) {
    const at = new Date(outcome.retryAt).toISOString();
    return { level: "warn", message: `Attempt ${attempt} of step "${stepId}" failed, the next is at ${at}: ${words}` };
  }
  if (path.startsWith(compensationScope))
    return { level: "error", message: `Compensation "${stepId}" failed: ${words}` };
  const [next] = outcome?.closed === true ? [] : (outcome?.next ?? []);
  if (next === undefined) return { level: "error", message: `Step "${stepId}" failed: ${words}` };
  return { level: "warn", message: `Step "${stepId}" failed, and "${stepIdOf(next)}" takes over: ${words}` };
}

function wordsOf({ code, message }: ErrorInfo): string {
  return `${code}: ${message}`;
}

function shortOf({ code, category }: ErrorInfo): { code: string; category: string } {
  return { code, category };
}

/** What people ask of an instance, by the events of its transitions. */
const asked: Readonly<Record<string, string>> = {
  workflow_paused: "The instance was paused",
  workflow_resumed: "The instance was resumed",
  workflow_retried: "The instance goes on where it failed",
};
