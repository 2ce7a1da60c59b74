/** Delayed tasks: a delay, or a delay and a task. */
import { isRecord, under } from "../validate/pointer.ts";
import type { Border, Fields, Place } from "./border.ts";

/**
 * A delayed task without a task is a delay. With one it becomes two steps: a delay named `<stepId>.delay`, which takes
 * over all that leads to the step, and the task, which keeps the name that expressions read. `delayed` is told of it.
 */
export function splitDelayedTask(
  given: Fields,
  place: Place,
  { border, delayed }: { border: Border; delayed: Map<string, string> },
): { step: Fields; place: Place }[] {
  const { delay, ...rest } = given;
  if (rest.taskId === undefined || typeof rest.stepId !== "string") {
    return [{ step: { ...given, type: "DELAY" }, place }];
  }
  const second = place.to.replace(/\d+$/, (index) => String(Number(index) + 1));
  border.origins.set(place.to, place.from).set(second, place.from);
  border.origins.set(under(place.to, "transitions"), place.from);
  const delayId = `${rest.stepId}.delay`;
  delayed.set(rest.stepId, delayId);
  const before: Fields = { stepId: delayId, type: "DELAY", transitions: { default: rest.stepId } };
  if (delay !== undefined) before.delay = delay;
  return [
    { step: before, place },
    { step: { ...rest, type: "TASK" }, place: { from: place.from, to: second } },
  ];
}

/** Lets what leads to a delayed task lead to the delay before it. */
export function redirect(step: unknown, delayed: ReadonlyMap<string, string>): unknown {
  if (!isRecord(step)) return step;
  const to = (target: unknown) => {
    const delayId = typeof target === "string" ? delayed.get(target) : undefined;
    return delayId === undefined || delayId === step.stepId ? target : delayId;
  };
  const result: Fields = { ...step };
  for (const name of ["transitions", "onFailure"]) {
    const given = step[name];
    if (!isRecord(given)) continue;
    const { conditions } = given;
    const choice: Fields = { ...given };
    if (choice.default !== undefined) choice.default = to(choice.default);
    if (Array.isArray(conditions)) {
      choice.conditions = conditions.map((item: unknown) =>
        isRecord(item) && item.nextStep !== undefined ? { ...item, nextStep: to(item.nextStep) } : item,
      );
    }
    result[name] = choice;
  }
  if (isRecord(step.eventTimeout) && step.eventTimeout.timeoutHandlerStepId !== undefined) {
    result.eventTimeout = { ...step.eventTimeout, timeoutHandlerStepId: to(step.eventTimeout.timeoutHandlerStepId) };
  }
  return result;
}
