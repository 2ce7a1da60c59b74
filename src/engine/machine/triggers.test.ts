import { expect, test } from "vitest";
import { begun, delay, each, ended, fan, survives, task, to, wait } from "../../../test/support/machine.ts";
import { Single } from "../simulation/single.ts";
import type { CancellationTrigger } from "./definition.ts";

const steps = [task("a", { outputMapping: { v: "output" }, ...to("b") }), task("b")];
const undo = [{ stepId: "undo", compensationFor: "a", type: "TASK" as const, taskId: "u" }];
const triggered = (...cancellationTriggers: CancellationTrigger[]) =>
  begun(steps, { input: { order: 7 }, definition: { cancellationTriggers, compensationSteps: undo } });

test("an event that fits cancels the instance, and the record says which one and why", () => {
  const single = survives(
    () => triggered({ eventPattern: "order.*", reason: "changed her mind" }),
    [
      (one) => one.complete("a"),
      (one) => one.signal("order.withdrawn", {}, { signalId: "s9" }),
      (one) => one.complete("~/undo"),
    ],
  );
  expect(single.state).toMatchObject({
    status: "CANCELLED",
    cancelation: {
      reason: "changed her mind",
      requestedBy: "event",
      source: "EVENT",
      eventId: "s9",
      shouldCompensate: true,
    },
  });
  expect(ended(single)).toEqual(["a COMPLETED", "b CANCELLED", "~/undo COMPLETED"]);
});

test("without a reason the event's type is the reason; it may say that nothing is undone", () => {
  const single = triggered({ eventPattern: ">", shouldCompensate: false });
  single.complete("a");
  single.signal("order.withdrawn");
  expect(single.state).toMatchObject({
    status: "CANCELLED",
    cancelation: { reason: 'Event "order.withdrawn"', shouldCompensate: false },
  });
  expect(single.tasks.size).toBe(0);
});

test("the condition sees the event, the input and the variables as they are; where it errs or does not hold, nothing happens", () => {
  const eventCondition = "event.payload.order == input.order && payload.v == variables.v";
  const single = triggered({ eventPattern: "stop", eventCondition });
  single.signal("stop", { order: 7, v: 1 });
  single.complete("a", 1);
  single.signal("stop", { order: 8, v: 1 });
  single.signal("stop", {});
  expect(single.state.status).toBe("RUNNING");
  expect(single.state.mailbox).toHaveLength(3);
  single.signal("stop", { order: 7, v: 1 });
  expect(single.state.status).toBe("RUNNING");
  single.complete("~/undo");
  expect(single.state.status).toBe("CANCELLED");
});

test("the first trigger that fits is the one, and it comes before any wait", () => {
  const single = begun([wait("w", { eventPattern: ">" })], {
    definition: {
      cancellationTriggers: [
        { eventPattern: "stop.*", reason: "first" },
        { eventPattern: "stop.>", reason: "second" },
      ],
    },
  });
  single.signal("stop.now");
  expect(single.state).toMatchObject({ status: "CANCELLED", cancelation: { reason: "first" } });
  expect(ended(single)).toEqual(["w CANCELLED"]);
});

test("a signal that fits none is a signal like any other", () => {
  const single = begun([wait("w")], { definition: { cancellationTriggers: [{ eventPattern: "stop" }] } });
  single.signal("go", 5);
  expect(single.state).toMatchObject({ status: "COMPLETED", output: 5 });
});

test("it reaches the instance whatever that is doing", () => {
  const table: [name: string, list: typeof steps, prepare: (single: Single) => unknown][] = [
    ["a delay", [delay("d", 5_000)], () => {}],
    ["a retry", steps, (one) => one.fail("a")],
    ["branches", [fan("f", { p: [task("x")], q: [each("m", "[1]", [wait("w")])] })], () => {}],
    ["a pause", steps, (one) => one.give({ kind: "pause" })],
  ];
  for (const [name, list, prepare] of table) {
    const single = survives(
      () => begun(list, { definition: { cancellationTriggers: [{ eventPattern: "stop" }] } }),
      [prepare, (one) => one.signal("stop")],
    );
    expect(single.state.status, name).toBe("CANCELLED");
    expect([single.timers.size, single.waits.size], name).toEqual([0, 0]);
  }
});

test("each trigger is a wait that stands from the beginning to the end", () => {
  const single = triggered({ eventPattern: "stop" }, { eventPattern: "halt", eventCondition: "payload.now" });
  expect([...single.waits.keys()]).toEqual(["~cancel/0", "~cancel/1"]);
  single.crash();
  expect([...single.waits.keys()]).toEqual(["~cancel/0", "~cancel/1"]);
  single.complete("a");
  const decision = single.complete("b");
  expect(decision.waitsEnded.map(({ path, status }) => `${path} ${status}`)).toEqual([
    "~cancel/0 cancelled",
    "~cancel/1 cancelled",
  ]);
});

test("an instance that has not begun has none open, and an event before its begin cancels it all the same", () => {
  const definition = { cancellationTriggers: [{ eventPattern: "stop" }] };
  const born = new Single({ steps, created: true, definition });
  expect(born.waits.size).toBe(0);
  born.signal("stop");
  expect(born.state.status).toBe("CANCELLED");
  expect(born.give({ kind: "started", born: true }).ignored).toBeDefined();
});

test("while what was done is undone after the last run, the event is only kept", () => {
  const single = triggered({ eventPattern: "stop" });
  single.complete("a");
  single.cancel();
  single.signal("stop");
  single.complete("~/undo");
  expect(single.state).toMatchObject({ status: "CANCELLED", cancelation: { source: "USER" } });
});
