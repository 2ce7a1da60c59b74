/** The door of the room: handlers, their registry and the built-in tasks. */

export { type BuiltinTasks, createBuiltinTasks } from "./builtins.ts";
export {
  type ErrorCategory,
  type ErrorInfo,
  type TaskContext,
  TaskError,
  type TaskHandler,
  type TaskLog,
} from "./contract.ts";
export { createTaskRegistry, type TaskRegistry } from "./registry.ts";
