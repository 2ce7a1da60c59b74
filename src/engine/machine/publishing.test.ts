import { expect, test } from "vitest";
import { begun, caughtBy, ended, fan, survives, task, to, wait } from "../../../test/support/machine.ts";
import { Single } from "../simulation/single.ts";
import type { Json, Step } from "./definition.ts";
import { hopLimit } from "./publishing.ts";

const publish = (stepId: string, input?: Json, more: object = {}): Step =>
  task(stepId, { taskId: "event.publish", ...(input === undefined ? {} : { input }), ...more });

test("an event is published with the row of its step, which says which", () => {
  const input = {
    pattern: "order.${input.kind}",
    payload: { n: "${input.n}" },
    partitionKey: "p",
    eventId: "e-${input.n}",
  };
  const single = survives(
    () =>
      begun([publish("p", input, { outputMapping: { id: "output.eventId" }, ...to("a") }), task("a")], {
        input: { kind: "paid", n: 7 },
      }),
    [(one) => one.complete("a")],
  );
  expect(single.rows[0]).toMatchObject({
    path: "p",
    status: "COMPLETED",
    input: { pattern: "order.paid", payload: { n: 7 } },
    output: { id: "published 1", eventId: "e-7" },
  });
  expect(single.published).toEqual([
    {
      id: "published 1",
      eventId: "e-7",
      pattern: "order.paid",
      payload: { n: 7 },
      metadata: { causationId: "i", hops: 1 },
      partitionKey: "p",
      source: { type: "workflow", id: "i", name: "w" },
    },
  ]);
  expect({ ...single.state.variables }).toEqual({ id: "e-7" });
});

test("without an input of its own it publishes the instance's input; the event's id is then its row's", () => {
  const single = begun([publish("p")], { input: { pattern: "a", payload: null } });
  expect(single.state).toMatchObject({ status: "COMPLETED", output: { id: "published 1", eventId: "published 1" } });
  expect(single.published).toMatchObject([{ pattern: "a", payload: null }]);
});

test("the metadata name the instance as the cause, and its correlation unless another is given", () => {
  const metadataOf = (metadata: Json) => {
    const steps = [publish("p", { pattern: "a", payload: 1, metadata })];
    const single = new Single({ steps, correlationId: "c", hops: 4 });
    single.start();
    return single.published[0]?.metadata;
  };
  const own = { causationId: "i", hops: 5 };
  expect(metadataOf({ tags: ["x"] })).toEqual({ tags: ["x"], correlationId: "c", ...own });
  expect(metadataOf({ correlationId: "mine", causationId: "me", hops: 0 })).toEqual({ correlationId: "mine", ...own });
  expect(metadataOf(null)).toEqual({ correlationId: "c", ...own });
});

test("an input that is no event fails the step, at once and with what would be right", () => {
  const table: [input: Json, message: string][] = [
    ["input.list", "the input is a list; an object with pattern, payload"],
    [{ pattern: "a", payload: 1, topic: "x" }, "/topic is not known"],
    [{ payload: 1 }, "/pattern is missing; an event's name"],
    [{ pattern: "a.*", payload: 1 }, '/pattern is "a.*"'],
    [{ pattern: "a..b", payload: 1 }, "/pattern"],
    [{ pattern: "x".repeat(256), payload: 1 }, "at most 255 characters"],
    [{ pattern: 5, payload: 1 }, "/pattern is the number 5"],
    [{ pattern: "a" }, "/payload is missing"],
    [{ pattern: "a", payload: "\u0000" }, "it holds U+0000"],
    [{ pattern: "a", payload: { text: "\ud800" } }, "it holds U+0000"],
    [{ pattern: "a", payload: "x".repeat(1024 * 1024) }, "/payload has 1048578 bytes"],
    [{ pattern: "a", payload: 1, metadata: [] }, "/metadata is a list"],
    [{ pattern: "a", payload: 1, partitionKey: "" }, '/partitionKey is ""'],
    [{ pattern: "a", payload: 1, eventId: 5 }, "/eventId is the number 5"],
    [{ pattern: "a", payload: 1, source: "x" }, '/source is "x"'],
    [{ pattern: "a", payload: 1, source: { type: "person" } }, '/source/type is "person"'],
  ];
  for (const [input, message] of table) {
    const step = publish("p", input, { retryPolicy: { maxAttempts: 3, retryableErrors: ["VALIDATION"] } });
    const single = begun([step], { input: { list: [] } });
    expect(single.state, message).toMatchObject({
      status: "FAILED",
      error: { code: "INPUT_INVALID", retriable: false },
    });
    expect(single.state.error?.message).toContain(`event.publish: ${message}`.slice(0, 15));
    expect(single.state.error?.message).toContain(message);
    expect(single.published).toEqual([]);
  }
  expect(begun([publish("p", { pattern: "${input.no}" })]).state.error?.code).toBe("EXPRESSION_ERROR");
});

test("a step that a mapping fails publishes nothing", () => {
  const single = begun([publish("p", { pattern: "a", payload: 1 }, { outputMapping: { v: "output.no" } })]);
  expect([single.state.status, single.published]).toEqual(["FAILED", []]);
});

test("a chain of events that led to each other ends", () => {
  const steps = [publish("p", { pattern: "a", payload: 1 }, caughtBy("a")), task("a")];
  const last = new Single({ steps, hops: hopLimit - 1 });
  last.start();
  expect(last.published[0]?.metadata.hops).toBe(hopLimit);
  const over = new Single({ steps, hops: hopLimit });
  over.start();
  over.crash();
  expect(over.state.steps.p?.error).toMatchObject({ code: "CASCADE_LIMIT", category: "PERMANENT" });
  expect([over.published, [...over.tasks.keys()]]).toEqual([[], ["a"]]);
});

test("an event is published once, whatever befalls the owner before and after", () => {
  const single = survives(
    () =>
      begun([
        fan("f", {
          l: [wait("w", to("p")), publish("p", { pattern: "a", payload: "${steps.w.output}" })],
          r: [task("t")],
        }),
      ]),
    [(one) => one.signal("go", 5), (one) => one.complete("f/r/t")],
  );
  expect(single.published).toMatchObject([{ payload: 5 }]);
});

test("while the instance is paused nothing is published", () => {
  const single = begun([task("a", to("p")), publish("p", { pattern: "a", payload: 1 })]);
  single.give({ kind: "pause" });
  single.complete("a");
  single.crash();
  expect(single.published).toEqual([]);
  single.give({ kind: "resume" });
  expect(single.published).toHaveLength(1);
  expect(single.state.status).toBe("COMPLETED");
});

test("a compensation may publish, and one that cannot lets the others run", () => {
  const undo = (compensationFor: string, input: Json) =>
    ({ stepId: `undo-${compensationFor}`, compensationFor, type: "TASK", taskId: "event.publish", input }) as const;
  const steps = [task("a", to("b")), task("b", to("c")), task("c")];
  const compensationSteps = [
    undo("a", { pattern: "undone", payload: "${originalOutput}" }),
    undo("b", { pattern: "**", payload: 1 }),
  ];
  const single = begun(steps, { definition: { compensationSteps } });
  single.complete("a", 5);
  single.complete("b");
  single.cancel();
  expect(ended(single).slice(2)).toEqual(["c CANCELLED", "~/undo-b FAILED", "~/undo-a COMPLETED"]);
  expect(single.state).toMatchObject({ status: "CANCELLED", compensation: { status: "COMPLETED_WITH_ERRORS" } });
  expect(single.published).toMatchObject([{ pattern: "undone", payload: 5 }]);
});
