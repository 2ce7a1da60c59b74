/** Failures of steps that the runner finds, and not their handlers. `at` is ISO 8601. */

import type { TaskRun } from "../machine/facts.ts";
import { maxOutputBytes } from "../machine/joins.ts";
import { type ErrorInfo, TaskError } from "../task.ts";

export function timeUp({ stepId, timeoutMs }: TaskRun, at: string): ErrorInfo {
  const message = `Step "${stepId}" did not end within ${timeoutMs} ms`;
  return { code: "TIMEOUT", category: "TIMEOUT", message, retriable: true, timestamp: at };
}

export function noHandler({ taskId }: TaskRun, { nodeId, at }: { nodeId: string; at: string }): ErrorInfo {
  const message = `Node ${nodeId} has no handler for task "${taskId}" any more`;
  return { code: "NO_HANDLER", category: "TRANSIENT", message, retriable: true, timestamp: at };
}

export function tooLarge({ stepId }: TaskRun): TaskError {
  const message = `The output of step "${stepId}" is larger than ${maxOutputBytes / 1024 / 1024} MiB`;
  return new TaskError({ code: "OUTPUT_TOO_LARGE", category: "VALIDATION", message });
}
