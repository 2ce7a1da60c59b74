import { describe, expect, test } from "vitest";
import {
  begun,
  caughtBy,
  child,
  decision,
  each,
  end,
  ended,
  fan,
  final,
  survives,
  task,
  to,
  transform,
  wait,
} from "../../../test/support/machine.ts";
import type { Single } from "../simulation/single.ts";
import type { Json, Step } from "./definition.ts";
import { maxItems } from "./joins.ts";
import { keptOutputs } from "./state.ts";

const over = (items: Json, more: object = {}): Step[] => [
  each("m", items, [task("i")], { ...to("next"), ...more }),
  task("next"),
];
const tasksOf = (single: Single) => [...single.tasks.keys()];

test("the steps run once for each item, and the output has the last outputs in the order of the items", () => {
  const single = survives(
    () => begun(over("['p', 'q', 'r']")),
    [
      (one) => one.complete("m/2/i", "R"),
      (one) => one.complete("m/0/i", "P"),
      (one) => one.complete("m/1/i", "Q"),
      (one) => one.complete("next", "end"),
    ],
  );
  expect(single.state.steps.m?.output).toEqual(["P", "Q", "R"]);
  expect(ended(single)).toEqual([
    "m/2/i COMPLETED",
    "m/0/i COMPLETED",
    "m/1/i COMPLETED",
    "m COMPLETED",
    "next COMPLETED",
  ]);
});

test("items are an expression or a list whose texts are filled in; of none the output is the empty list", () => {
  const table: [items: Json, input: Json, expected: Json][] = [
    ["input.lines", { lines: [1, 2] }, [1, 2]],
    ["input.lines.filter(l, l > 1)", { lines: [1, 2] }, [2]],
    [["a", "${input.n}", { n: "${input.n + 1}" }], { n: 1 }, ["a", 1, { n: 2 }]],
    ["[]", {}, []],
    [[], {}, []],
  ];
  for (const [items, input, expected] of table) {
    const single = begun([each("m", items, [transform("i", "item")])], { input });
    expect(single.state).toMatchObject({ status: "COMPLETED", output: expected });
  }
});

test("what is no list, or too long a list, fails the step before any item begins", () => {
  const table: [items: Json, input: Json, code: string][] = [
    ["input.n", { n: 5 }, "ITEMS_NOT_A_LIST"],
    ["input.n", { n: null }, "ITEMS_NOT_A_LIST"],
    ["input.n", { n: { a: [] } }, "ITEMS_NOT_A_LIST"],
    ["input.missing", {}, "EXPRESSION_ERROR"],
    ["input.n", { n: Array.from({ length: maxItems + 1 }, () => 0) }, "TOO_MANY_ITEMS"],
  ];
  for (const [items, input, code] of table) {
    const single = begun(over(items, caughtBy("next")), { input });
    expect(single.state.steps.m).toMatchObject({
      status: "FAILED",
      error: { code, category: "VALIDATION", retriable: false },
    });
    expect(single.rows.map(({ path }) => path)).toEqual(["m"]);
    expect(tasksOf(single)).toEqual(["next"]);
  }
});

test("steps see item and index of the innermost MAP, and the MAP itself stands outside of it", () => {
  const inner = each("inner", "item.list", [task("i", { input: "[item, index]" })], {
    outputMapping: { outer: "[index, output]" },
  });
  const single = begun([each("m", "[{'list': ['p']}, {'list': ['q', 'r']}]", [inner, decision("never")])]);
  expect([...single.tasks.values()].map(({ path, input }) => [path, input])).toEqual([
    ["m/0/inner/0/i", ["p", 0]],
    ["m/1/inner/0/i", ["q", 0]],
    ["m/1/inner/1/i", ["r", 1]],
  ]);
  single.complete("m/1/inner/0/i", "Q");
  single.complete("m/1/inner/1/i", "R");
  expect(single.state.variables.outer).toEqual([1, ["Q", "R"]]);
});

test("an item's steps are its own: it reads those around it too, and nobody reads them from outside", () => {
  const steps = [
    task("before", to("m")),
    each(
      "m",
      "[1, 2]",
      [
        task("i", to("j")),
        fan("j", { b: [transform("k", "[steps.before.output, steps.i.output]")] }, to("l")),
        transform("l", "steps.k.output"),
      ],
      to("after"),
    ),
    transform("after", "[has(steps.i), has(steps.k), steps.m.output]"),
  ];
  const single = survives(
    () => begun(steps),
    [(one) => one.complete("before", "B"), (one) => one.complete("m/1/i", "I1"), (one) => one.complete("m/0/i", "I0")],
  );
  expect(single.state.output).toEqual([
    false,
    false,
    [
      ["B", "I0"],
      ["B", "I1"],
    ],
  ]);
});

test("an item that loops counts the visits of its own steps", () => {
  const again = { transitions: { conditions: [{ condition: "steps.i.output < 2", nextStep: "i" }], default: "j" } };
  const single = survives(
    () => begun([each("m", "['p', 'q']", [task("i", again), task("j")])]),
    [
      (one) => one.complete("m/0/i", 1),
      (one) => one.complete("m/1/i", 2),
      (one) => one.complete("m/0/i#2", 2),
      (one) => one.complete("m/1/j", "J1"),
      (one) => one.complete("m/0/j", "J0"),
    ],
  );
  expect(single.state.output).toEqual(["J0", "J1"]);
});

describe("how many items are under way at once", () => {
  test.each([
    [undefined, 100],
    [1, 1],
    [7, 7],
    [1_000, 150],
  ])("maxConcurrency %j: %i", (maxConcurrency, together) => {
    const items = Array.from({ length: 150 }, (_, i) => i);
    const single = begun(over("input.items", { maxConcurrency }), { input: { items } });
    expect(single.tasks.size).toBe(together);
    let most = single.tasks.size;
    for (const index of items) {
      single.complete(`m/${index}/i`, index);
      most = Math.max(most, single.tasks.size);
    }
    expect(most).toBe(together);
    expect(single.state.steps.m?.output).toEqual(items);
  });

  test("the next begins when one is over, in the order of the items, also when it failed and that is tolerated", () => {
    const single = survives(
      () => begun(over("[1, 2, 3, 4]", { maxConcurrency: 2, toleratedFailures: 1 })),
      [
        (one) => one.complete("m/1/i", 1),
        (one) => {
          expect(tasksOf(one)).toEqual(["m/0/i", "m/2/i"]);
          one.fail("m/0/i", final);
        },
        (one) => {
          expect(tasksOf(one)).toEqual(["m/2/i", "m/3/i"]);
          one.complete("m/3/i", 3);
        },
        (one) => one.complete("m/2/i", 2),
      ],
    );
    expect(single.state.steps.m?.output).toEqual([null, 1, 2, 3]);
  });

  test("only those that are under way are in memory", () => {
    const items = Array.from({ length: 60 }, (_, i) => i);
    const single = begun(over("input.items", { maxConcurrency: 3 }), { input: { items } });
    for (let index = 0; index < 50; index++) {
      single.complete(`m/${index}/i`);
      expect(Object.keys(single.state.frames)).toHaveLength(3);
      expect(Object.keys(single.state.live)).toHaveLength(4);
    }
  });
});

describe("how many items may fail", () => {
  const table: [tolerated: number | string | undefined, total: number, failing: number, becomes: string][] = [
    [undefined, 3, 1, "FAILED NO"],
    [0, 3, 1, "FAILED NO"],
    ["0%", 3, 1, "FAILED NO"],
    [1, 3, 1, "COMPLETED"],
    [1, 3, 2, "FAILED TOLERANCE_EXCEEDED"],
    [5, 3, 3, "COMPLETED"],
    ["100%", 3, 3, "COMPLETED"],
    ["50%", 4, 2, "COMPLETED"],
    ["50%", 4, 3, "FAILED TOLERANCE_EXCEEDED"],
    // A share is rounded down; when that leaves none, the error is the item's own.
    ["10%", 9, 1, "FAILED NO"],
    ["10%", 10, 1, "COMPLETED"],
    ["12.5%", 8, 1, "COMPLETED"],
    ["33.3%", 3, 1, "FAILED NO"],
  ];
  test.each(table)("%j of %i, %i fail: %s", (toleratedFailures, total, failing, becomes) => {
    const items = Array.from({ length: total }, (_, i) => i);
    const single = begun(over("input.items", { toleratedFailures }), { input: { items } });
    for (const index of items) {
      if (single.state.steps.m?.status !== "RUNNING") break;
      if (index < failing) single.fail(`m/${index}/i`, final);
      else single.complete(`m/${index}/i`, index);
    }
    const { status, error, output } = single.state.steps.m!;
    expect(`${status}${error === undefined ? "" : ` ${error.code}`}`).toBe(becomes);
    if (status === "COMPLETED") expect(output).toEqual(items.map((index) => (index < failing ? null : index)));
  });

  test("one too many cancels the others, and tells which ones failed and with what", () => {
    const single = survives(
      () => begun(over("[1, 2, 3, 4]", { toleratedFailures: 1 })),
      [
        (one) => one.fail("m/3/i", final),
        (one) => one.complete("m/1/i"),
        (one) => one.fail("m/0/i", { code: "LAST", category: "PERMANENT" }),
      ],
    );
    expect(single.state.error).toMatchObject({
      code: "TOLERANCE_EXCEEDED",
      message: '2 of the 4 items of step "m" failed, and 1 may',
      details: { failed: ["3", "0"], last: { code: "LAST" } },
    });
    expect(ended(single)).toEqual(["m/3/i FAILED", "m/1/i COMPLETED", "m/0/i FAILED", "m/2/i CANCELLED", "m FAILED"]);
  });

  test("an item that waits for its next attempt has not failed yet", () => {
    const single = begun(over("[1, 2]"));
    single.fail("m/0/i");
    expect(single.state.steps.m?.status).toBe("RUNNING");
    single.fire("m/0/i");
    single.complete("m/0/i", "second");
    single.complete("m/1/i", "first");
    expect(single.state.steps.m?.output).toEqual(["second", "first"]);
  });
});

test("waits of items are fulfilled one by one, by the item's condition or in their order", () => {
  const own = wait("w", { eventCondition: "payload.of == item" });
  const single = begun([each("m", "['p', 'q']", [own])]);
  single.signal("go", { of: "q" }, { signalId: "1" });
  single.signal("go", { of: "p" }, { signalId: "2" });
  expect(single.state.output).toEqual([{ of: "q" }, { of: "p" }].reverse());

  const any = begun([task("a", to("m")), each("m", "[1, 2, 3]", [wait("w")])]);
  any.signal("go", "early", { signalId: "0" });
  any.complete("a");
  any.signal("go", "late", { signalId: "1" });
  any.signal("go", "last", { signalId: "2" });
  expect(any.state.output).toEqual(["early", "late", "last"]);
});

test("a MAP whose time is over fails with TIMEOUT; items that have not begun never do", () => {
  const single = survives(
    () => begun(over("[1, 2, 3]", { timeout: 5_000, maxConcurrency: 2, ...caughtBy("next") })),
    [(one) => one.fire("m"), (one) => one.complete("next")],
  );
  expect(ended(single)).toEqual(["m/1/i CANCELLED", "m/0/i CANCELLED", "m FAILED", "next COMPLETED"]);
  expect(single.state.steps.m?.error?.code).toBe("TIMEOUT");
});

test("TERMINATE inside an item ends the workflow and cancels the other items and all else", () => {
  const steps = [
    fan("f", {
      a: [each("m", "[1, 2]", [task("i", to("t")), end("t", "COMPLETED", { output: { by: "${index}" } })])],
      b: [task("y")],
    }),
  ];
  const single = survives(() => begun(steps), [(one) => one.complete("f/a/m/1/i")]);
  expect(single.state).toMatchObject({ status: "COMPLETED", output: { by: 1 } });
  expect(ended(single)).toEqual([
    "f/a/m/1/i COMPLETED",
    "f/a/m/1/t COMPLETED",
    "f/a/m/0/i CANCELLED",
    "f/b/y CANCELLED",
    "f/a/m CANCELLED",
    "f CANCELLED",
  ]);
});

test("items may hold children and containers, to any depth that the definition has", () => {
  const steps = [each("m", "[1, 2]", [fan("f", { l: [child("k")], r: [each("n", "[1]", [task("i")])] })])];
  const single = survives(
    () => begun(steps),
    [
      (one) => one.spawn("m/0/f/l/k", "k0"),
      (one) => one.spawn("m/1/f/l/k", "k1"),
      (one) => one.complete("m/0/f/r/n/0/i", "i0"),
      (one) => one.complete("m/1/f/r/n/0/i", "i1"),
      (one) => one.endChild("m/1/f/l/k", { output: "K1" }),
      (one) => one.endChild("m/0/f/l/k", { output: "K0" }),
    ],
  );
  expect(single.state.output).toEqual([
    { l: "K0", r: ["i0"] },
    { l: "K1", r: ["i1"] },
  ]);
});

describe("a MAP of many items", () => {
  const total = keptOutputs + 5;
  const items = Array.from({ length: total }, (_, i) => i);
  const many = (more: object = {}) => begun(over("input.items", { maxConcurrency: 20, ...more }), { input: { items } });

  test("leaves the outputs in the journal until the last item is over, and then has them gathered", () => {
    const single = many({ toleratedFailures: 1 });
    single.checks = false;
    for (const index of items) {
      if (index === 3) single.fail("m/3/i", final);
      else single.complete(`m/${index}/i`, { index });
      single.checks = index > total - 5;
    }
    expect(single.state.live.m?.join?.outputs).toBeUndefined();
    expect([...single.tasks.values()]).toMatchObject([
      { kind: "gather", path: "m", input: { total, containers: ["m"] } },
    ]);
    single.crash();
    single.gather("m");
    expect(single.state.steps.m?.output).toEqual(items.map((index) => (index === 3 ? null : { index })));
    expect(tasksOf(single)).toEqual(["next"]);
  }, 60_000);

  test("gathers few but large outputs too, and asks again after a crash or a hand-over", () => {
    const large = "x".repeat(40_000);
    const single = survives(
      () => begun(over("[1, 2]")),
      [
        (one) => one.complete("m/0/i", large),
        (one) => one.complete("m/1/i", large),
        (one) => {
          expect(one.tasks.get("m")?.kind).toBe("gather");
          one.gather("m");
        },
        (one) => one.complete("next"),
      ],
    );
    expect(single.state.steps.m?.output).toEqual([large, large]);
  });

  test("fails when its outputs cannot be joined", () => {
    const large = "x".repeat(70_000);
    const single = begun(over("[1, 2]", caughtBy("next")));
    for (const index of [0, 1]) single.complete(`m/${index}/i`, large);
    single.fail("m", { code: "OUTPUT_TOO_LARGE", category: "VALIDATION" });
    expect(single.state.steps.m).toMatchObject({ status: "FAILED", error: { code: "OUTPUT_TOO_LARGE" } });
    expect(tasksOf(single)).toEqual(["next"]);
  });
});
