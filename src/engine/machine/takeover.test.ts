import { expect, test } from "vitest";
import { Single } from "../simulation/single.ts";
import { poisonLimit } from "./decide.ts";
import type { Step } from "./definition.ts";

const task = (stepId: string, next?: string): Step => ({
  stepId,
  type: "TASK",
  taskId: "t",
  transitions: { default: next },
});

function begun(steps: Step[] = [task("a")]): Single {
  const single = new Single({ steps });
  single.start();
  return single;
}

test("a step without result when its node died is first written with the interruption, then run again", () => {
  const single = begun();
  const decision = single.crash();
  expect(decision.tasks).toMatchObject([{ path: "a", attempt: 1, interrupted: 1 }]);
  expect(single.rows).toMatchObject([{ path: "a", status: "RUNNING", outcome: { interrupted: 1 } }]);
  single.complete("a", 1);
  expect(single.state.status).toBe("COMPLETED");
});

test("what was recorded before a crash is not run again", () => {
  const single = begun([task("a", "b"), task("b")]);
  single.complete("a", 1);
  expect(single.crash().tasks.map((run) => run.path)).toEqual(["b"]);
});

test("a step whose node dies again and again fails as POISON, in whatever attempt it is", () => {
  for (const failFirst of [false, true]) {
    const single = begun();
    if (failFirst) {
      single.fail("a");
      single.fire();
    }
    for (let deaths = 1; deaths < poisonLimit; deaths++) {
      single.crash();
      expect(single.tasks.get("a")?.interrupted).toBe(deaths);
    }
    single.crash();
    expect(single.state).toMatchObject({ status: "FAILED", error: { code: "POISON", retriable: false } });
  }
});

test("interruptions count over attempts: a step that kills its node in every other attempt is found too", () => {
  const single = begun();
  single.crash();
  single.crash();
  single.fail("a");
  single.fire();
  single.crash();
  expect(single.tasks.get("a")).toMatchObject({ attempt: 2, interrupted: 3 });
});

test("a backoff that is not over outlives a crash without counting as interrupted", () => {
  const single = begun();
  single.fail("a");
  expect(single.crash().tasks).toEqual([]);
  single.fire();
  expect(single.tasks.get("a")).toMatchObject({ attempt: 2, interrupted: 0 });
});

test("a step that runs on after a hand-over is awaited, and its result counts", () => {
  const single = begun();
  const decision = single.handOver("node-a");
  expect(decision.tasks).toEqual([]);
  expect(decision.awaited).toEqual([{ path: "a", runner: "node-a", untilAt: single.now + 30_000 }]);
  expect(single.rows).toMatchObject([{ status: "RUNNING", outcome: { runner: "node-a" } }]);
  single.complete("a", 5);
  expect(single.state.output).toBe(5);
});

test("a step whose runner is gone is run again, once, and is then this node's own", () => {
  const single = begun();
  single.handOver();
  const fact = { kind: "abandoned", path: "a" } as const;
  expect(single.give(fact).tasks).toMatchObject([{ path: "a", interrupted: 1 }]);
  expect(single.give(fact).ignored).toBeDefined();
  single.crash();
  expect(single.tasks.get("a")?.interrupted).toBe(2);
});

test("a hand-over of a step that runs elsewhere already leaves it with its runner", () => {
  const single = begun();
  single.handOver("node-a");
  expect(single.give({ kind: "released", path: "a", runner: "node-b" }).ignored).toBeDefined();
  expect(single.state.live.a?.runner).toBe("node-a");
});

test("after an orderly hand-over what had not begun begins, without an interruption", () => {
  const single = begun([task("a", "b"), task("b")]);
  single.complete("a");
  single.tasks.clear();
  expect(single.handOver().tasks).toMatchObject([{ path: "b", interrupted: 0 }]);
});

test("a transform is not a run of a handler: a crash does not count against it", () => {
  const single = new Single({
    steps: [{ stepId: "a", type: "TASK", taskId: "transform", input: { expression: "1" } }],
  });
  single.crash();
  expect(single.rows).toMatchObject([{ status: "COMPLETED", attempt: 1 }]);
});
