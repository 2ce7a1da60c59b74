import { expect, test } from "vitest";
import { begun, ended, once, survives, task, to, wait } from "../../../test/support/machine.ts";
import { Single } from "../simulation/single.ts";
import { rememberedEvents } from "./consumption.ts";
import type { CancellationTrigger } from "./definition.ts";

const loop = { transitions: { default: "w" } };

test("an event ends the wait that it was found for, with its payload, and the row says which", () => {
  const mapping = { amount: "payload.amount", who: "event.source.id", at: "event.timestamp", name: "event.pattern" };
  const single = survives(
    () => begun([wait("w", { eventPattern: "pay.*", eventPayloadMapping: mapping, ...to("a") }), task("a")]),
    [
      (one) => one.event("w", { amount: 5 }, { id: "e1", type: "pay.in", source: { id: "bank" } }),
      (one) => one.complete("a"),
    ],
  );
  const at = new Date(single.now).toISOString();
  expect({ ...single.state.variables }).toEqual({ amount: 5, who: "bank", at, name: "pay.in" });
  expect(single.rows.find(({ stepId, status }) => stepId === "w" && status === "COMPLETED")).toMatchObject({
    output: { amount: 5 },
    outcome: { eventId: "e1", eventAt: single.now },
  });
});

test("the end of the wait names the event's row", () => {
  const single = begun([wait("w")]);
  expect(single.event("w", {}, { id: "e1" }).waitsEnded).toEqual([{ path: "w", status: "fulfilled", eventId: "e1" }]);
});

test("an event for a wait that is over, or of an instance that has ended, is late", () => {
  const single = begun([wait("w", to("a")), task("a")]);
  single.signal("go");
  expect(single.event("w").ignored).toMatch(/^late: the wait "w" is not open/);
  expect(single.event("never").ignored).toMatch(/^late: /);
  single.complete("a");
  expect(single.event("w").ignored).toBe("late: the instance is COMPLETED");
});

test("an event whose condition does not hold or errs is refused, with the warning, and is not kept", () => {
  const single = begun([wait("w", { eventCondition: "payload.n == 1" })]);
  expect(single.event("w", { n: 2 }).ignored).toBe("condition is false");
  const erring = single.event("w", {});
  expect(erring.ignored).toBe("condition is false");
  expect(erring.warnings[0]).toContain('eventCondition of step "w" counts as false');
  expect(single.event("w", { n: 1 }, { type: "stop" }).ignored).toContain('the wait is for "go"');
  expect(single.state.mailbox).toEqual([]);
  single.event("w", { n: 1 });
  expect(single.state.status).toBe("COMPLETED");
});

test("conditions see the whole event", () => {
  const eventCondition =
    "event.id == 'e1' && event.eventId == 'x' && event.metadata.tag == 't' && event.partitionKey == 'p' && " +
    "event.acceptedAt == event.timestamp";
  const single = begun([wait("w", { eventCondition })]);
  const { ignored } = single.event("w", {}, { id: "e1", eventId: "x", metadata: { tag: "t" }, partitionKey: "p" });
  expect(ignored).toBeUndefined();
});

test("an instance consumes an event once: a loop of waits does not take it again, over a freeze and a crash either", () => {
  const single = survives(
    () => begun([wait("w", loop)]),
    [
      (one) => one.event("w", {}, { id: "e1" }),
      (one) => expect(one.event("w#2", {}, { id: "e1" }).ignored).toBe("the instance has consumed this event"),
      (one) => one.event("w#2", {}, { id: "e2" }),
    ],
  );
  expect(Object.keys(single.state.live)).toEqual(["w#3"]);
});

test("an event is consumed whatever its payload was good for", () => {
  const wrong = wait("w", { eventPayloadMapping: { v: "payload.n" }, onFailure: { default: "w" } });
  const single = begun([wrong]);
  single.event("w", {}, { id: "e1" });
  expect(single.rows.find(({ status }) => status === "FAILED")?.outcome).toMatchObject({ eventId: "e1" });
  expect(single.event("w#2", { n: 1 }, { id: "e1" }).ignored).toContain("consumed");
  const typed = begun([wrong], { definition: { variables: { v: { type: "integer" } } } });
  typed.event("w", { n: "text" }, { id: "e1" });
  expect(typed.state.consumed).toEqual([{ id: "e1", acceptedAt: typed.now }]);
});

test("the event that started an instance is not for its waits", () => {
  const steps = [wait("w")];
  const single = new Single({ steps, triggerEvent: { id: "e0", acceptedAt: 1_799_999_999_000 } });
  single.start();
  single.crash();
  expect(single.event("w", {}, { id: "e0" }).ignored).toContain("consumed");
  single.event("w");
  expect(single.state.status).toBe("COMPLETED");
});

test("a wait takes events since the instance's start, or since its look-back before it opened", () => {
  const table: [lookBack: number | string | undefined, since: number][] = [
    [undefined, 0],
    ["PT0S", 60_000],
    ["PT10S", 50_000],
    [90_000, -30_000],
  ];
  for (const [lookBack, since] of table) {
    const single = begun([task("a", to("w")), wait("w", { lookBack })]);
    const startedAt = single.now;
    single.now += 60_000;
    const [opened] = single.complete("a").waitsOpened;
    expect(opened?.since, String(lookBack)).toBe(startedAt + since);
    single.crash();
    expect(single.event("w", {}, { acceptedAt: startedAt + since - 1 }).ignored).toContain("was accepted at");
    single.event("w", {}, { acceptedAt: startedAt + since });
    expect(single.state.status).toBe("COMPLETED");
  }
});

test("of a thousand and more the newest are remembered one by one, and all before counts as consumed", () => {
  const single = begun([wait("w", { ...loop, lookBack: "P1D" })]);
  single.checks = false;
  const startedAt = single.now;
  const at = (n: number) => ({ id: `e${n}`, acceptedAt: startedAt + n });
  // The second of all comes last.
  for (const n of [0, ...Array.from({ length: rememberedEvents - 1 }, (_, i) => i + 2), 1]) {
    const [path] = Object.keys(single.state.live);
    single.event(path!, {}, at(n));
  }
  single.crash();
  expect(single.state.consumed).toHaveLength(rememberedEvents);
  expect(single.state.consumedBefore).toEqual(at(0));
  const [path] = Object.keys(single.state.live);
  for (const old of [at(0), at(1), { id: "d", acceptedAt: startedAt }, { id: "z", acceptedAt: startedAt - 1 }])
    expect(single.event(path!, {}, old).ignored, old.id).toContain("consumed");
  expect(single.event(path!, {}, { id: "e0z", acceptedAt: startedAt }).ignored).toBeUndefined();
});

test("a paused instance takes events, and goes on with what follows when it is resumed", () => {
  const single = begun([wait("w", to("a")), task("a")]);
  single.give({ kind: "pause" });
  single.event("w");
  expect([single.state.status, single.tasks.size]).toEqual(["PAUSED", 0]);
  single.give({ kind: "resume" });
  expect([...single.tasks.keys()]).toEqual(["a"]);
});

const steps = [task("a", to("b")), task("b")];
const undo = [{ stepId: "undo", compensationFor: "a", type: "TASK" as const, taskId: "u" }];
const triggered = (...cancellationTriggers: CancellationTrigger[]) =>
  begun(steps, { input: { order: 7 }, definition: { cancellationTriggers, compensationSteps: undo } });

test("an event for a cancellation trigger cancels the instance, and its wait alone is fulfilled", () => {
  const single = triggered(
    { eventPattern: "halt" },
    { eventPattern: "stop", eventCondition: "payload.n == input.order" },
  );
  single.complete("a");
  expect(single.event("~cancel/1", { n: 8 }, { type: "stop" }).ignored).toBe("condition is false");
  const { waitsEnded } = single.event("~cancel/1", { n: 7 }, { type: "stop", id: "row", eventId: "e1" });
  expect(waitsEnded).toEqual([
    { path: "~cancel/1", status: "fulfilled", eventId: "row" },
    { path: "~cancel/0", status: "cancelled" },
  ]);
  expect(single.state.cancelation).toMatchObject({ source: "EVENT", eventId: "e1", reason: 'Event "stop"' });
  expect(single.event("~cancel/0", {}, { type: "halt" }).ignored).toBe("late: the instance is ending as CANCELLED");
  single.complete("~/undo");
  expect(ended(single)).toEqual(["a COMPLETED", "b CANCELLED", "~/undo COMPLETED"]);
});

test("an event that was accepted before the instance's start does not cancel it", () => {
  const single = triggered({ eventPattern: "stop" });
  expect(single.event("~cancel/0", {}, { type: "stop", acceptedAt: single.now - 1 }).ignored).toContain("accepted");
  expect(single.event("~cancel/0", {}, { type: "go" }).ignored).toContain('the wait is for "stop"');
  expect(single.event("~cancel/9", {}, { type: "stop" }).ignored).toMatch(/^late: /);
  expect(single.state.status).toBe("RUNNING");
});

test("between two runs an event that was found for the last one's trigger cancels the instance", () => {
  const single = begun([task("a", once)], {
    definition: { cancellationTriggers: [{ eventPattern: "stop" }], retryPolicy: { maxAttempts: 2 } },
  });
  single.fail("a");
  expect([single.state.status, single.waits.size]).toEqual(["RUNNING", 0]);
  single.event("~cancel/0", {}, { type: "stop" });
  expect([single.state.status, single.timers.size]).toEqual(["CANCELLED", 0]);
});
