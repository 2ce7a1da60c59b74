/** The life of an instance around its steps: how it begins, ends, is undone, and begins again. */

import type { Definition, Json } from "../../src/engine/index.ts";
import { compileSchema } from "../../src/foundation/json_schema/index.ts";
import { Clock, type Co, nothing } from "./coroutines.ts";
import type { History, Status } from "./history.ts";
import { attempts, list } from "./interpreter.ts";
import type { Failure, Mail, Oracle } from "./oracle.ts";
import { backoff, bag, type End, type Event, evaluate, type Frame, failed, holds, matches, pathOf, seen, take, type World } from "./scope.ts"; // biome-ignore format: one line

type Trigger = NonNullable<Definition["cancellationTriggers"]>[number];

/**
 * The history from start to end. "tooLong": it has more than 300 rows. "open": something was decided, or a signal that was
 * kept was taken, at an instant at which branches or items began: that depends on their order, which nobody promises.
 */
export function interpret(
  definition: Definition,
  input: Json,
  oracle: Oracle,
  clock = new Clock(),
): History | "tooLong" | "open" {
  const top: Frame = { prefix: "", visits: bag(), steps: bag() };
  const undoing: Frame = { prefix: "~/", visits: bag(), steps: bag(), around: top };
  const declared = Object.entries(definition.variables ?? {});
  const { retryPolicy, cancellationTriggers = [], compensationSteps = [] } = definition;
  let [runs, clearRun, isCancelled, mayCancel] = [0, nothing, false, true];
  let result: End | undefined;
  let error: Failure | null = null;
  let history: History | undefined;
  const world: World = {
    ...{
      clock,
      definition,
      input,
      oracle,
      variables: bag(),
      rows: [],
      phase: "running",
      waits: new Set(),
      mailbox: [],
      events: [],
      consumed: new Set(),
    },
    ...{ left: [], done: [], lastBegan: -1, isOpen: false, finish },
  };

  function begin(): void {
    for (const name of Object.keys(world.variables)) delete world.variables[name];
    for (const [name, { default: first }] of declared) if (first !== undefined) world.variables[name] = first;
    world.phase = "running";
    world.done.length = 0;
    [result, error, top.caught, top.steps] = [undefined, null, undefined, bag()];
    const late = () => stop("FAILED", failed("WORKFLOW_TIMEOUT", "TIMEOUT"));
    clearRun = definition.timeout === undefined ? nothing : clock.after(definition.timeout as number, late);
    lookBackForTriggers();
    clock.run("", list(world, definition.steps, top), (end) => {
      if ("error" in end) stop("FAILED", end);
      else result = end;
    });
  }

  /** The end of a run; it may still turn out to be a failure. */
  function finish(given: End | undefined): void {
    const isMissing = declared.some(([name, { required }]) => required && !Object.hasOwn(world.variables, name));
    const own = () => (definition.output === undefined ? result! : evaluate(world, definition.output, top));
    let end =
      given !== undefined && "error" in given ? given : isMissing ? failed("VARIABLE_MISSING") : (given ?? own());
    const misfits = (output: Json) => compileSchema(definition.outputSchema ?? true).validate(output).length > 0;
    if ("output" in end && misfits(end.output)) end = failed("OUTPUT_INVALID");
    if ("error" in end) stop("FAILED", end);
    else stop("COMPLETED", end, false);
  }

  /** What is live is cancelled, what was done is undone, and after a failure it may begin again. */
  function stop(status: Status, end?: End, compensate = definition.compensateOnFailure ?? true): void {
    world.isOpen ||= world.lastBegan === clock.now;
    clock.stop(() => true);
    clearRun();
    world.phase = "undoing";
    if (end !== undefined && "error" in end) error = end.error;
    const policy = error?.code === "WORKFLOW_TIMEOUT" && !retryPolicy?.retryableErrors ? undefined : retryPolicy;
    const ms =
      status === "FAILED" && error !== null && policy !== undefined ? backoff(policy, error, ++runs) : undefined;
    function* undo(): Co<End> {
      for (const { stepId, ...original } of compensate ? world.done.splice(0).reverse() : []) {
        const more = { ...original, error };
        for (const step of compensationSteps.filter(({ compensationFor }) => compensationFor === stepId))
          if (holds(world, step.condition, undoing, more))
            yield* attempts(world, step, { frame: undoing, path: pathOf(step.stepId, undoing) }, more);
      }
      return { output: null };
    }
    [isCancelled, mayCancel] = [false, ms !== undefined];
    clock.run("~/", undo(), () => {
      if (ms !== undefined && !isCancelled) {
        world.phase = "pausing";
        clearRun = clock.after(ms, begin);
        return;
      }
      const last = isCancelled ? "CANCELLED" : status;
      const output = end !== undefined && "output" in end ? end.output : null;
      const code = last === "FAILED" ? { code: error!.code } : {};
      history = { status: last, output, ...code, variables: world.variables, rows: world.rows, atMs: clock.now };
    });
  }

  /** While a failure is undone only what would begin again can be cancelled: then it does not. */
  function cancel(compensate: boolean): void {
    if (world.phase === "undoing") isCancelled = mayCancel;
    else stop("CANCELLED", undefined, compensate);
  }

  const cancels = ({ eventPattern, eventCondition }: Trigger, mail: Mail) =>
    matches(eventPattern, mail.type) && holds(world, eventCondition, top, seen(mail));

  /** Triggers are waits of each run, which look back to the start. */
  function lookBackForTriggers(): void {
    const run = runs;
    for (const trigger of world.events.length === 0 ? [] : cancellationTriggers)
      clock.after(0, () => {
        if (world.phase !== "running" || run !== runs) return;
        if (world.events.some((event) => cancels(trigger, event))) cancel(trigger.shouldCompensate ?? true);
      });
  }

  function hear(event: Event): void {
    world.events.push(event);
    if (world.phase !== "running") return;
    const trigger = cancellationTriggers.find((each) => cancels(each, event));
    const wait = [...world.waits].find(({ fits }) => fits(event));
    if (trigger !== undefined) cancel(trigger.shouldCompensate ?? true);
    else if (wait !== undefined) take(world, wait, event);
  }

  function receive(mail: Mail): void {
    const trigger = cancellationTriggers.find((each) => cancels(each, mail));
    const wait = [...world.waits].find(({ fits }) => fits(mail));
    if (trigger !== undefined && (world.phase !== "undoing" || mayCancel)) cancel(trigger.shouldCompensate ?? true);
    else if (wait === undefined) world.mailbox.push(mail);
    else {
      world.waits.delete(wait);
      wait.wake(mail);
    }
  }
  function send([first, ...others]: Oracle["signals"], get: (mail: Mail) => void): void {
    if (first === undefined) return;
    const { afterMs, ...mail } = first;
    clock.after(afterMs, () => {
      get(mail);
      send(others, get);
    });
  }

  clock.whenStill = () => {
    if (world.phase === "running" && result !== undefined) finish(undefined);
  };
  send(oracle.signals, receive);
  send(oracle.events, (mail) => hear({ ...mail, atMs: clock.now }));
  clock.after(oracle.cancel.afterMs, () => cancel(oracle.cancel.compensate));
  begin();
  while (history === undefined && world.rows.length <= 300) clock.turn();
  return world.isOpen ? "open" : (history ?? "tooLong");
}
