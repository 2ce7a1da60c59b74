import { expect, test } from "vitest";
import { Single } from "../simulation/single.ts";
import type { Definition, EventWaitStep, Step } from "./definition.ts";

function waiting(wait: Partial<EventWaitStep>, more: Step[] = [], definition: Partial<Definition> = {}): Single {
  const step: EventWaitStep = { stepId: "w", type: "EVENT_WAIT", eventPattern: "go", ...wait };
  const single = new Single({ steps: [step, ...more], definition, input: { order: 7 } });
  single.start();
  return single;
}

const task = (stepId: string, next?: string): Step => ({
  stepId,
  type: "TASK",
  taskId: "t",
  transitions: { default: next },
});

test("a wait is written, and a signal that fits ends it with its payload", () => {
  const single = waiting({ eventPayloadMapping: { amount: "payload.amount", type: "event.type" } });
  expect(single.state.status).toBe("WAITING_FOR_EVENT");
  expect([...single.waits.keys()]).toEqual(["w"]);
  single.signal("go", { amount: 5 }, { signalId: "s1" });
  expect(single.state).toMatchObject({ status: "COMPLETED", output: { amount: 5 } });
  expect({ ...single.state.variables }).toEqual({ amount: 5, type: "go" });
  expect(single.rows.at(-1)?.outcome).toMatchObject({ signalId: "s1" });
  expect(single.transitions).toEqual([
    "RUNNING>WAITING_FOR_EVENT event_wait_started",
    "WAITING_FOR_EVENT>COMPLETED workflow_completed",
  ]);
});

test("a signal of another type, or whose condition does not hold or errs, waits in the mailbox", () => {
  const single = waiting({ eventCondition: "payload.order == input.order" });
  single.signal("stop", { order: 7 }, { signalId: "1" });
  single.signal("go", { order: 8 }, { signalId: "2" });
  single.signal("go", {}, { signalId: "3" });
  expect(single.state.mailbox.map((mail) => mail.signalId)).toEqual(["1", "2", "3"]);
  single.signal("go", { order: 7 }, { signalId: "4" });
  expect(single.state.status).toBe("COMPLETED");
});

test("a signal that comes before its wait is kept, also over a crash, and the earliest that fits is taken", () => {
  const single = new Single({ steps: [task("a", "w"), { stepId: "w", type: "EVENT_WAIT", eventPattern: "go.*" }] });
  single.start();
  single.signal("other", {}, { signalId: "0" });
  single.signal("go.now", { n: 1 }, { signalId: "1" });
  single.signal("go.now", { n: 2 }, { signalId: "2" });
  single.crash();
  single.complete("a");
  expect(single.state.output).toEqual({ n: 1 });
  expect(single.rows.at(-1)).toMatchObject({ path: "w", status: "COMPLETED", outcome: { signalId: "1" } });
});

test("each signal ends one wait: a loop of waits takes them one by one", () => {
  const single = waiting(
    { transitions: { conditions: [{ condition: "output.n < 3", nextStep: "w" }], default: "end" } },
    [task("end")],
  );
  single.signal("go", { n: 1 }, { signalId: "1" });
  expect(single.state.live["w#2"]?.phase).toBe("waiting");
  single.signal("go", { n: 2 }, { signalId: "2" });
  single.signal("go", { n: 3 }, { signalId: "3" });
  expect([...single.tasks.keys()]).toEqual(["end"]);
  expect(single.state.mailbox).toEqual([]);
});

test("a signal with a key counts once, also over a freeze and a crash", () => {
  const single = waiting({ transitions: { default: "w" } });
  single.signal("go", {}, { signalId: "k", keyed: true });
  single.freeze();
  single.crash();
  expect(single.signal("go", {}, { signalId: "k", keyed: true }).ignored).toBeDefined();
  expect(Object.keys(single.state.live)).toEqual(["w#2"]);
});

test("patterns: a star is one token, a closing angle is one or more", () => {
  const fits = (eventPattern: string, type: string) => {
    const single = waiting({ eventPattern });
    single.signal(type);
    return single.state.status === "COMPLETED";
  };
  expect([fits("a.*", "a.b"), fits("a.*", "a.b.c"), fits("a.*", "a")]).toEqual([true, false, false]);
  expect([fits("a.>", "a.b.c"), fits("a.>", "a"), fits(">", "x")]).toEqual([true, false, true]);
  expect([fits("*.b", "a.b"), fits("*", "a.b"), fits("go", "gone")]).toEqual([true, false, false]);
});

test("a wait whose time is up goes to its handler, and a signal after that does not end it", () => {
  const single = waiting({ eventTimeout: { duration: "PT1M", timeoutHandlerStepId: "late" } }, [task("late")]);
  expect(single.timers.get("w")).toBe(single.now + 60_000);
  single.fire();
  expect(single.rows.at(-1)).toMatchObject({
    path: "w",
    status: "FAILED",
    error: { code: "TIMEOUT" },
    outcome: { next: ["late"] },
  });
  single.signal("go");
  expect([...single.tasks.keys()]).toEqual(["late"]);
  single.complete("late");
  expect(single.state.status).toBe("COMPLETED");
});

test("a wait whose time is up fails the workflow when it has no handler", () => {
  const single = waiting({ eventTimeout: { duration: 5_000 } });
  single.fire();
  expect(single.state).toMatchObject({ status: "FAILED", error: { code: "TIMEOUT", category: "TIMEOUT" } });
});

test("a signal in time takes the timer back", () => {
  const single = waiting({ eventTimeout: { duration: 5_000 }, transitions: { default: "a" } }, [task("a")]);
  const dueAt = single.timers.get("w")!;
  single.signal("go");
  expect(single.timers.size).toBe(0);
  expect(single.give({ kind: "timer", key: "w", dueAt }).ignored).toBeDefined();
});

test("a payload mapping that errs fails the step, and the wait is over", () => {
  const single = waiting({ eventPayloadMapping: { v: "payload.missing" } });
  single.signal("go", {});
  expect(single.state.error).toMatchObject({ code: "EXPRESSION_ERROR" });
  expect(single.waits.size).toBe(0);
});

test("an open wait outlives its owner, with its timeout", () => {
  const single = waiting({ eventTimeout: { duration: 5_000, timeoutHandlerStepId: "late" } }, [task("late")]);
  single.crash();
  single.fire();
  expect([...single.tasks.keys()]).toEqual(["late"]);
});
