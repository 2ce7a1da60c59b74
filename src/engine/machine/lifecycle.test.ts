import { expect, test } from "vitest";
import { caughtBy, end, final, once, task, to, wait } from "../../../test/support/machine.ts";
import { Single, type SingleOptions } from "../simulation/single.ts";
import { type LifecycleName, lifecycleNames } from "./facts.ts";

function watched(options: SingleOptions, wanted: readonly LifecycleName[] = lifecycleNames): Single {
  const single = new Single({ ...options, wants: (name) => wanted.includes(name) });
  single.start();
  return single;
}

const names = (single: Single) => single.lifecycle.map(({ name, data }) => `${name} ${data.status}`);
const undo = [{ stepId: "undo", compensationFor: "a", type: "TASK" as const, taskId: "u" }];

test("the begin and the end are told, with what the instance is and what became of it", () => {
  const single = watched({ steps: [task("a")], correlationId: "c" });
  const [startedAt] = [single.now];
  single.now += 5_000;
  single.complete("a", { n: 1 });
  const plain = { instanceId: "i", workflowId: "w", definitionId: "d", correlationId: "c" };
  const started = { startedAt: new Date(startedAt).toISOString() };
  expect(single.lifecycle).toEqual([
    { name: "workflow.started", data: { ...plain, ...started, status: "RUNNING" } },
    {
      name: "workflow.completed",
      data: {
        ...{ ...plain, ...started, status: "COMPLETED", output: { n: 1 } },
        completedAt: new Date(single.now).toISOString(),
      },
    },
  ]);
});

test("a failure is told with its error, after the compensation", () => {
  const single = watched({
    steps: [task("a", to("b")), end("b", "FAILED", { error: { code: "NO" } })],
    definition: { compensationSteps: undo },
  });
  single.complete("a");
  expect(names(single)).toEqual(["workflow.started RUNNING"]);
  single.complete("~/undo");
  expect(names(single).slice(1)).toEqual(["workflow.compensation.completed FAILED", "workflow.failed FAILED"]);
  expect(single.lifecycle.at(-1)?.data).toMatchObject({ error: { code: "NO" } });
  expect(single.lifecycle.at(-1)?.data).not.toHaveProperty("correlationId");
});

test("a cancellation is told, of an instance that never began too", () => {
  const single = watched({ steps: [wait("w")] });
  single.cancel();
  expect(names(single)).toEqual(["workflow.started RUNNING", "workflow.cancelled CANCELLED"]);
  const born = new Single({ steps: [wait("w")], created: true, wants: () => true });
  born.cancel();
  expect(names(born)).toEqual(["workflow.cancelled CANCELLED"]);
});

test("one that begins again has not begun anew, and has not failed before it fails for good", () => {
  const single = watched({ steps: [task("a", once)], definition: { retryPolicy: { maxAttempts: 2 } } });
  single.fail("a");
  single.fire();
  expect(names(single)).toEqual(["workflow.started RUNNING"]);
  single.fail("a#2");
  expect(names(single).slice(1)).toEqual(["workflow.failed FAILED"]);
  single.give({ kind: "retry" });
  single.complete("a#3");
  expect(names(single).slice(2)).toEqual(["workflow.completed COMPLETED"]);
});

test("only what somebody wants is told, and a large output is left out", () => {
  const silent = new Single({ steps: [task("a", { ...once, ...caughtBy("b") }), task("b")] });
  silent.start();
  silent.fail("a", final);
  silent.complete("b");
  expect(silent.lifecycle).toEqual([]);
  const single = watched({ steps: [task("a")] }, ["workflow.completed"]);
  single.complete("a", "x".repeat(600_000));
  expect(names(single)).toEqual(["workflow.completed COMPLETED"]);
  expect(single.lifecycle[0]?.data).not.toHaveProperty("output");
});
