/**
 * The built-in `event.publish`, which publishes an event.
 *
 * The machine does it while it decides, and the event is written with the row of its step: no handler could promise that
 * both are there or neither. This one stands for the id, so that a program cannot take it for a task of its own.
 */

import type { TaskHandler } from "./contract.ts";
import { inputError } from "./input.ts";

export const publish: TaskHandler = () => {
  throw inputError("event.publish", "only a step of a workflow publishes; elsewhere call the API for events");
};
