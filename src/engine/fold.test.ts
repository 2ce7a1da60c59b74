import { expect, test } from "vitest";
import { freeze } from "./fold.ts";
import type { Json } from "./machine/definition.ts";
import { Single } from "./simulation/single.ts";

test("a frozen state has the list of a MAP once, and gives it back to the step that shows it", () => {
  const items: Json[] = Array.from({ length: 50 }, (_, n) => `item number ${n}`);
  const run = new Single({
    steps: [
      {
        stepId: "each",
        type: "MAP",
        items: "input.items",
        maxConcurrency: 2,
        steps: [{ stepId: "one", type: "TASK", taskId: "t", input: "item" }],
      },
    ],
    input: { items },
  });
  run.start();
  run.complete("each/0/one", "done");
  const text = JSON.stringify(freeze(run.state));
  expect(text.split("item number 49")).toHaveLength(2);

  // What is given after this is checked against the fold of the frozen state.
  run.freeze();
  expect(run.folded().steps.each!.input).toEqual(items);
  run.complete("each/1/one", "done");
});
