/** DELAY: until when it sleeps. */

import { parseDuration } from "../../foundation/duration.ts";
import type { ErrorInfo } from "../task.ts";
import { parseInstant } from "./compile.ts";
import type { ProgramStep } from "./program.ts";
import { complete, fail } from "./settle.ts";
import type { LiveStep } from "./state.ts";
import { evaluate, failure, record, scopeOf, type Turn } from "./turn.ts";

export function beginDelay(turn: Turn, live: LiveStep, step: ProgramStep): void {
  const startedAt = turn.context.now;
  const due = delayDue(turn, live, step);
  if ("error" in due) {
    fail(turn, live, step, { error: due.error, startedAt });
    return;
  }
  if (due.at <= startedAt) {
    complete(turn, live, step, { output: null, startedAt });
    return;
  }
  record(turn, {
    path: live.path,
    stepId: live.stepId,
    type: step.type,
    attempt: live.attempt,
    status: "RUNNING",
    startedAt,
    outcome: { dueAt: due.at },
  });
  turn.decision.armed.push({ key: live.path, dueAt: due.at });
}

function delayDue(turn: Turn, live: LiveStep, step: ProgramStep): { at: number } | { error: ErrorInfo } {
  const delay = step.delay!;
  if (delay.kind === "for") return { at: turn.context.now + delay.ms };
  if (delay.kind === "until") return { at: delay.at };
  const where = `${delay.kind === "for_expression" ? "delay" : "until"} of step "${step.stepId}"`;
  const result = evaluate(turn, { expression: delay.expression, where }, scopeOf(turn, live));
  if ("error" in result) return result;
  const { value } = result;
  const refuse = (expected: string) => ({
    error: failure(turn, "EXPRESSION_ERROR", "VALIDATION", `${where} gave ${JSON.stringify(value)}, not ${expected}`),
  });
  if (delay.kind === "until_expression") {
    const at = typeof value === "string" ? parseInstant(value) : undefined;
    return at === undefined ? refuse("an instant such as 2030-01-31T09:00:00Z") : { at };
  }
  try {
    if (typeof value === "number" || typeof value === "string") return { at: turn.context.now + parseDuration(value) };
  } catch {
    // Refused below: the text is no duration.
  }
  return refuse("a number of milliseconds or an ISO 8601 duration");
}
