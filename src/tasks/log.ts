/** The built-in `log`: `{ message, level? }` becomes one line in the program's log. Its output is null. */

import type { TaskHandler } from "./contract.ts";
import { inputError, nameOf, readObject } from "./input.ts";

const levels = ["debug", "info", "warn", "error"] as const;
const messageChars = 8_192;

export const log: TaskHandler = (input, ctx) => {
  const { message, level = "info" } = readObject("log", input, ["message", "level"]);
  if (message === undefined) throw inputError("log", '"message" is missing; any JSON value is right');
  const known = levels.find((name) => name === level);
  if (known === undefined) {
    throw inputError(
      "log",
      `"level" is ${typeof level === "string" ? `"${level.slice(0, 50)}"` : nameOf(level)}; one of ${levels.join(", ")} is expected`,
    );
  }
  const text = typeof message === "string" ? message : JSON.stringify(message);
  ctx.log[known](text.length > messageChars ? `${text.slice(0, messageChars - 1)}…` : text);
  return null;
};
