/**
 * What the steps of a workflow do, said a second time and as shortly as can be, from docs/definitions.md and not from the
 * engine: each list of steps is a coroutine, and what is live ends by being stopped. Nothing here could be folded, survives
 * a crash or knows a store; whatever the engine does about these must not show in a history.
 */

import type { Json, MapStep, ParallelStep, RetryPolicy, Step } from "../../src/engine/index.ts";
import { type Co, nothing, timeUp } from "./coroutines.ts";
import type { Status } from "./history.ts";
import { childId, type Failure, type Mail, refused } from "./oracle.ts";
import { backoff, bag, caughtAround, type End, evaluate, type Frame, failed, holds, lookBack, mapped, matches, pathOf, seen, type World } from "./scope.ts"; // biome-ignore format: one line

type Ways = { default?: string; conditions?: { condition: string; nextStep: string }[] };
type Doing = Step & { retryPolicy?: RetryPolicy; input?: Json };
/** A step under way. */
type At = { frame: Frame; path: string };

/** Stops what is under way in a scope; a branch that was left to itself ends with the workflow only. */
function stopWithin({ left, clock }: World, prefix: string): void {
  const free = left.filter((each) => each.startsWith(prefix));
  clock.stop((name) => name.startsWith(prefix) && !free.some((each) => name.startsWith(each)));
}

/** One step after the other, until none follows or nobody handles a failure. */
export function* list(world: World, steps: readonly Step[], frame: Frame): Co<End> {
  for (let step = steps[0]!; ; ) {
    const end = yield* attempts(world, step, { frame, path: pathOf(step.stepId, frame) });
    const isDone = "output" in end;
    if (!isDone) end.error = { ...end.error, stepId: step.stepId };
    const ways: Ways = (isDone ? step.transitions : step.onFailure) ?? {};
    const way = ways.conditions?.find(({ condition }) => holds(world, condition, frame, end));
    const to = (!isDone && end.handler) || (way?.nextStep ?? ways.default);
    if (to === undefined) return isDone && ways.conditions?.length ? failed("NO_TRANSITION", "BUSINESS") : end;
    if (!isDone) frame.caught = end.error;
    step = steps.find(({ stepId }) => stepId === to)!;
  }
}

/** A step until its last attempt; each attempt has its row. `more` is what a compensation sees. */
export function* attempts(world: World, step: Doing, at: At, more?: object): Co<End> {
  const { clock, rows, done } = world;
  const { frame, path } = at;
  let [attempt, isOver] = [1, false];
  const acts = (step.type === "TASK" && step.taskId !== "transform") || step.type === "WORKFLOW";
  const publishes = step.type === "TASK" && step.taskId === "event.publish";
  const policy = step.retryPolicy ?? (step.type === "TASK" ? {} : { maxAttempts: 1 });
  const plain: End = { output: acts ? world.input : null };
  const given = acts && step.input !== undefined ? evaluate(world, step.input, frame, more) : plain;
  const record = (status: Status, end: Partial<{ output: Json; error: Failure }> = {}) => {
    const asked = acts && "output" in given ? { input: given.output } : {};
    const shown = end.error === undefined ? { output: end.output ?? null } : { code: end.error.code };
    const { pattern, payload } = (asked.input ?? {}) as { pattern?: Json; payload?: Json };
    const published = publishes && status === "COMPLETED" ? { published: { pattern, payload } as Json } : {};
    rows.push({ path, attempt, status, ...asked, ...shown, ...published, atMs: clock.now });
    frame.steps[step.stepId] = { status, ...end };
  };
  try {
    for (;;) {
      const set = bag<Json>();
      let end = "error" in given ? given : yield* once(world, step, { ...at, attempt, set, given: given.output });
      const ms = "error" in end && acts && !publishes ? backoff(policy, end.error, attempt) : undefined;
      if ("output" in end) end = mapped(world, step.outputMapping, { frame, end, set, more: end });
      isOver = ms === undefined;
      if ("output" in end) {
        Object.assign(world.variables, set);
        for (const left of end.leaves ?? []) {
          world.left.push(left.prefix);
          left.caught = caughtAround(left);
        }
        if ("output" in given && world.phase === "running")
          done.push({ stepId: step.stepId, originalInput: given.output, originalOutput: end.output });
      } else stopWithin(world, `${path}/`);
      record("output" in end ? "COMPLETED" : "FAILED", end);
      if (step.type === "TERMINATE" && ("output" in end || end.isLast === true)) {
        const isBare = step.status === "COMPLETED" && step.output === undefined;
        const last = isBare && world.definition.output !== undefined ? undefined : end;
        yield () => {
          clock.next(() => world.finish(last));
          return nothing;
        };
      }
      if (isOver) return end;
      attempt++;
      yield clock.until(ms);
    }
  } finally {
    if (!isOver) record("CANCELLED");
  }
}

/** One attempt. What an event's mapping sets goes into `set`. */
function* once(
  world: World,
  step: Step,
  at: At & { attempt: number; set: Record<string, Json>; given: Json },
): Co<End> {
  const { clock, oracle, waits, mailbox } = world;
  const { frame, path, attempt, set } = at;
  const timeout = failed("TIMEOUT", "TIMEOUT");
  if (step.type === "DELAY") {
    const ms = typeof step.delay === "number" ? { output: step.delay } : evaluate(world, step.delay ?? null, frame);
    if ("error" in ms || typeof ms.output !== "number") return failed("EXPRESSION_ERROR");
    if (ms.output > 0) yield clock.until(ms.output);
  } else if (step.type === "TASK") {
    if (step.taskId === "transform") return evaluate(world, (step.input as { expression: string }).expression, frame);
    if (step.taskId === "event.publish") return published(at.given);
    const { afterMs, ...end } = oracle.task(path, attempt);
    yield clock.until(afterMs);
    return end;
  } else if (step.type === "WORKFLOW") {
    const { afterMs, ...end } = oracle.child(path, attempt);
    if (oracle.makingMs > 0) yield clock.until(oracle.makingMs);
    const isRefused = "error" in end && end.error.code === refused;
    if (step.detach && !isRefused) return { output: { instanceId: childId(path, attempt) } };
    const woke = yield clock.until(step.timeout as number | undefined, (wake) => clock.after(afterMs, wake));
    return woke === timeUp ? timeout : end;
  } else if (step.type === "EVENT_WAIT") {
    const { eventPattern, eventCondition, eventTimeout, eventPayloadMapping } = step;
    const sinceMs = step.lookBack === undefined ? 0 : clock.now - Number(step.lookBack);
    const fits = (mail: Mail) => matches(eventPattern, mail.type) && holds(world, eventCondition, frame, seen(mail));
    const mail = (yield clock.until(eventTimeout?.duration as number | undefined, (wake) => {
      const wait = { sinceMs, fits, wake };
      const kept = mailbox.findIndex(fits);
      let forget = nothing;
      if (kept === -1) {
        waits.add(wait);
        forget = lookBack(world, wait);
      } else {
        world.isOpen ||= world.lastBegan === clock.now;
        wake(mailbox.splice(kept, 1)[0]);
      }
      return () => {
        waits.delete(wait);
        forget();
      };
    })) as Mail | typeof timeUp;
    if (mail === timeUp) return { ...timeout, handler: eventTimeout?.timeoutHandlerStepId };
    return mapped(world, eventPayloadMapping, { frame, end: { output: mail.payload }, set, more: seen(mail) });
  } else if (step.type === "PARALLEL" || step.type === "MAP") {
    const branchIds = step.type === "PARALLEL" ? step.branches.map(({ branchId }) => branchId) : [];
    const items = step.type === "MAP" ? evaluate(world, step.items, frame) : { output: branchIds };
    if ("error" in items) return items;
    if (!Array.isArray(items.output)) return failed("ITEMS_NOT_A_LIST");
    const places = items.output;
    const end = yield clock.until(step.timeout as number | undefined, (wake) => join(world, step, { ...at, places, wake })); // biome-ignore format: one line
    return end === timeUp ? timeout : (end as End);
  } else if (step.type === "TERMINATE") {
    if (step.status === "COMPLETED") return evaluate(world, step.output ?? null, frame);
    const end = evaluate(world, { code: "TERMINATED", category: "BUSINESS", ...step.error }, frame);
    return "error" in end ? end : { error: end.output as object as Failure, isLast: true };
  }
  return { output: null };
}

/** What a step gives whose input is an event; what is none fails it. */
function published(given: Json): End {
  const { pattern, payload, ...rest } = given as { [name: string]: Json | undefined };
  const isEvent = typeof pattern === "string" && /^[\w.-]+$/.test(pattern) && payload !== undefined;
  if (!isEvent || Object.keys(rest).length > 0) return failed("INPUT_INVALID");
  return { output: { id: "published 0", eventId: "published 0" } };
}

/** Begins branches or items as there is room for them, and wakes their container once it is decided. */
function join(
  world: World,
  step: ParallelStep | MapStep,
  at: At & { places: Json[]; wake(end: End): void },
): () => void {
  const { clock } = world;
  const { frame: around, path, places } = at;
  const isMap = step.type === "MAP";
  const total = places.length;
  const room = isMap ? (step.maxConcurrency ?? 100) : total;
  const need = isMap || step.join === "all" ? total : step.join === "any" ? 1 : (step.join ?? total);
  const share = String((isMap && step.toleratedFailures) || 0);
  const percent = share.endsWith("%") ? total / 100 : 1;
  const tolerated = isMap ? Math.floor(Number.parseFloat(share) * percent) : total - need;
  const isPlain = isMap ? tolerated === 0 : (step.join ?? "all") === "all";
  const tooMany = failed(isMap ? "TOLERANCE_EXCEEDED" : "JOIN_NOT_MET", "BUSINESS");
  const outputs = new Map<number, Json>();
  const frames: Frame[] = [];
  let [begun, lost, isDecided] = [0, 0, false];

  function decide(end: End): void {
    world.isOpen ||= total > 1 && world.lastBegan === clock.now;
    isDecided = true;
    at.wake(end);
  }
  function begin(index: number): void {
    const prefix = `${path}/${isMap ? index : places[index]}/`;
    const frame: Frame = { prefix, visits: bag(), steps: isMap ? bag() : around.steps, around };
    if (isMap) frame.item = { item: places[index]!, index };
    frames.push(frame);
    clock.run(prefix, list(world, isMap ? step.steps : step.branches[index]!.steps, frame), (end) => {
      if (isDecided) return;
      if ("output" in end) outputs.set(index, end.output);
      else lost++;
      if ("error" in end && lost > tolerated) decide(isPlain ? end : tooMany);
      else settle();
    });
  }
  function settle(): void {
    if (isMap && outputs.size + lost === total)
      decide({ output: places.map((_, index) => outputs.get(index) ?? null) });
    else if (!isMap && outputs.size >= need) {
      const rest = frames.filter((_, index) => !outputs.has(index));
      if (step.rest !== "leave") for (const { prefix } of rest) stopWithin(world, prefix);
      const output = bag(...[...outputs].map(([index, value]) => bag({ [String(places[index])]: value })));
      decide({ output: { ...output }, leaves: step.rest === "leave" ? rest : [] });
    } else while (begun < total && begun - outputs.size - lost < room) begin(begun++);
  }
  if (room > 1 && total > 1) world.lastBegan = clock.now;
  settle();
  return () => {
    isDecided = true;
  };
}
