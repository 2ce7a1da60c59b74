/** The room's refusals. Failures of a running task are `TaskError`s, with codes of their own (README). */

import { errorCatalog } from "../foundation/errors.ts";

export const taskErrors = errorCatalog("tasks", {
  task_id_invalid: { kind: "invalid", summary: "A task id is not 1 to 255 letters, digits, or the signs _ . : / -." },
  handler_invalid: { kind: "invalid", summary: "What was registered as a task's handler is not a function." },
  handler_exists: { kind: "conflict", summary: "The task already has a handler in this program." },
});
