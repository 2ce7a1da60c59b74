/** The handler's side of a task: the words that programs and the SDK share. The engine owns them because it calls handlers. */

export type { ErrorCategory, ErrorInfo, TaskContext, TaskHandler, TaskLog } from "../engine/index.ts";
export { TaskError } from "../engine/index.ts";
