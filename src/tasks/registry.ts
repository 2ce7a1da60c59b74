/** The handlers of one program, by task id. */

import type { TaskHandler } from "./contract.ts";
import { taskErrors } from "./errors.ts";

export interface TaskRegistry {
  /** The task's handler; undefined when this program has none, so that another node or a worker runs it. */
  get(taskId: string): TaskHandler | undefined;
  /** Task ids with a handler here, sorted. */
  ids(): string[];
  /** Adds a handler. Refuses a second one for the same id: which of the two ran would be a matter of order. */
  register(taskId: string, handler: TaskHandler): void;
}

const taskIdPattern = /^[A-Za-z0-9_.:/-]{1,255}$/;

export function createTaskRegistry(handlers: Readonly<Record<string, TaskHandler>> = {}): TaskRegistry {
  const byId = new Map<string, TaskHandler>();
  const registry: TaskRegistry = {
    get: (taskId) => byId.get(taskId),
    ids: () => [...byId.keys()].sort(),
    register(taskId, handler) {
      if (!taskIdPattern.test(taskId)) {
        throw taskErrors.task_id_invalid(
          `"${taskId.slice(0, 300)}" is no task id: 1 to 255 letters, digits, or the signs _ . : / - would be`,
        );
      }
      if (typeof handler !== "function") {
        throw taskErrors.handler_invalid(
          `The handler of "${taskId}" is ${handler === null ? "null" : `a ${typeof handler}`}; a function (input, ctx) is expected`,
        );
      }
      if (byId.has(taskId)) {
        throw taskErrors.handler_exists(`"${taskId}" already has a handler; register it once, or under another id`);
      }
      byId.set(taskId, handler);
    },
  };
  for (const [taskId, handler] of Object.entries(handlers)) registry.register(taskId, handler);
  return registry;
}
