import { expect, test } from "vitest";
import { begun, child, delay, each, fan, once, task, to, transform, wait } from "../../../test/support/machine.ts";
import { whyRules } from "../contract.ts";
import { Single } from "../simulation/single.ts";
import { whyOf } from "./why.ts";

const createdAt = 1_800_000_000_000;
const iso = (ms: number) => new Date(ms).toISOString();
const why = (single: Single, pausedAt?: number) =>
  whyOf(single.program, single.state, {
    createdAt,
    instance: { id: "i" },
    ...(pausedAt === undefined ? {} : { pausedAt }),
  });
const met = new Set<string>();

/** Each step under way, by its path; what holds the whole is under "". */
function told(single: Single, pausedAt?: number) {
  return Object.fromEntries(
    why(single, pausedAt).map(({ path, rule, since, until, detail }) => {
      met.add(rule);
      return [path ?? "", [rule, detail, Date.parse(since) - createdAt, until && Date.parse(until) - createdAt]];
    }),
  );
}

test("each kind of step says what it waits for, since when and until when", () => {
  const single = begun([
    fan(
      "f",
      {
        a: [task("run")],
        b: [wait("w", { eventCondition: "payload.of == 1", eventTimeout: { duration: 9_000 } })],
        c: [delay("d", 5_000)],
        d: [child("k", { timeout: 7_000 })],
        e: [child("making")],
        g: [task("again", { retryPolicy: { initialInterval: 2_000 } })],
        h: [task("nobody")],
      },
      { timeout: 60_000, join: 3 },
    ),
  ]);
  single.now += 100;
  single.spawn("f/d/k", "K");
  single.fail("f/g/again", { code: "E1" });
  single.give({ kind: "unassigned", path: "f/h/nobody" });
  expect(told(single)).toEqual({
    f: ["JOIN", "0 completed and 0 failed of 7 branches; 3 must complete", 0, 60_000],
    "f/a/run": ["RUNNING", "Attempt 1 is at work", 0, undefined],
    "f/b/w": [
      "EVENT",
      `No event "go" with payload.of == 1 has come since ${iso(createdAt)}; its match key is go payload.of [1]`,
      ...[0, 9_000],
    ],
    "f/c/d": ["DELAY", "The delay is not over", 0, 5_000],
    "f/d/k": ["CHILD", "The child K has not ended", expect.any(Number), 7_100],
    "f/e/making": ["RUNNING", "Its child is being made", 0, undefined],
    "f/g/again": ["RETRY", "Attempt 1 failed with E1: it broke; attempt 2 follows", 100, 2_100],
    "f/h/nobody": ["NO_WORKER", 'No live node or worker has a handler for task "t"', expect.any(Number), undefined],
  });
});

test("a wait says since when events count for it, and where its key does not narrow them", () => {
  const single = begun([task("a", to("w")), wait("w", { lookBack: "PT1S" })]);
  single.now += 5_000;
  single.complete("a");
  expect(told(single).w?.[1]).toBe(
    `No event "go" has come since ${iso(createdAt + 4_000)}; it is found by its pattern alone`,
  );
  const other = begun([wait("w", { eventCondition: "payload.of == instance.id && payload.n > 1" })]);
  expect(told(other).w?.[1]).toContain('its match key is go payload.of ["i"]');
});

test("a MAP says how far it is and what holds its items", () => {
  const single = begun([each("m", "[1, 2, 3, 4]", [task("i", once)], { maxConcurrency: 2, toleratedFailures: 2 })]);
  expect(told(single).m).toEqual(["MAP_CONCURRENCY", "0 completed and 0 failed of 4; 2 items wait, for 2 may be under way at once", 0, undefined]); // biome-ignore format: one line
  single.complete("m/0/i");
  single.fail("m/1/i");
  expect(told(single).m).toEqual(["JOIN", "1 completed and 1 failed of 4 items", 0, undefined]);
  single.complete("m/2/i", "x".repeat(70_000));
  single.complete("m/3/i");
  expect(told(single).m?.[1]).toBe("All 4 items have ended; their outputs are being joined");
});

test("an item that waits for its next attempt says what its own last one failed with", () => {
  const single = begun([each("m", "[1, 2]", [task("i")])]);
  single.fail("m/0/i", { code: "ZERO" });
  single.fail("m/1/i", { code: "ONE" });
  const { "m/0/i": zero, "m/1/i": one } = told(single);
  expect([zero?.[1], one?.[1]]).toEqual([expect.stringContaining("ZERO"), expect.stringContaining("ONE")]);
});

test("a paused instance says so, and so do the steps that would begin", () => {
  const single = begun([fan("f", { a: [task("x", to("x2")), task("x2")], b: [task("y")] })]);
  single.give({ kind: "pause" });
  single.complete("f/a/x");
  const items = told(single, createdAt + 50);
  expect(items[""]).toEqual(["PAUSED", "The instance is paused; resume it to go on", 50, undefined]);
  expect(items["f/a/x2"]?.slice(0, 2)).toEqual(["PAUSED", "It begins when the instance is resumed"]);
  expect(items["f/b/y"]?.[0]).toBe("RUNNING");
});

test("between two runs it says when the next one begins and what the last one failed with", () => {
  const single = begun([task("a", once)], { definition: { retryPolicy: { initialInterval: 3_000 } } });
  single.fail("a", { code: "E1" });
  expect(told(single)).toEqual({ "": ["WORKFLOW_RETRY", "Run 1 failed with E1; the workflow begins again", 0, 3_000] });
});

test("one that has not begun says whether it waits for its owner or for a permit, and for which", () => {
  expect(told(new Single({ steps: [task("a")], created: true }))[""]?.[0]).toBe("NOT_BEGUN");
  const concurrency = [{ limit: 5 }, { limit: 1, key: "input.k" }];
  const single = begun([task("a")], { input: { k: "c1" }, definition: { concurrency } });
  single.give({ kind: "permitted", key: 'default/w/1/"c1"' });
  expect(told(single)).toEqual({
    "": ["CONCURRENCY_LIMIT", 'It waits for a permit of the limit of 5 at once for "default/w/0/"', 0, undefined],
  });
});

test("compensations are steps like others", () => {
  const compensationSteps = [{ stepId: "undo", compensationFor: "a", type: "TASK" as const, taskId: "u" }];
  const single = begun([transform("a", "1", to("b")), task("b", once)], { definition: { compensationSteps } });
  single.fail("b");
  expect(told(single)).toEqual({ "~/undo": ["RUNNING", "Attempt 1 is at work", 0, undefined] });
  single.fail("~/undo", { code: "E9" });
  expect(told(single)["~/undo"]?.slice(0, 2)).toEqual([
    "RETRY",
    "Attempt 1 failed with E9: it broke; attempt 2 follows",
  ]);
});

test("one that has ended waits for nothing", () => {
  expect(why(begun([transform("a", "1")]))).toEqual([]);
  const single = begun([task("a")]);
  single.cancel();
  expect(why(single)).toEqual([]);
});

test("instants are ISO 8601", () => {
  const single = begun([delay("d", 5_000)]);
  expect(why(single)).toMatchObject([{ stepId: "d", path: "d", since: iso(createdAt), until: iso(createdAt + 5_000) }]);
});

test("every rule that the machine knows was met here; the others are the node's", () => {
  expect([...met].sort()).toEqual(whyRules.filter((rule) => rule !== "PARKED" && rule !== "NO_OWNER").toSorted());
});
