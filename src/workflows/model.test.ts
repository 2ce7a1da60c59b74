import { expect, test } from "vitest";
import { contentHash } from "./model.ts";

test("the hash of a content depends on neither the order of fields, the version nor who made it", () => {
  const a = { workflowId: "w", steps: [{ stepId: "a", type: "TASK" }], version: "1.0.0", createdBy: "ann" };
  const b = {
    steps: [{ type: "TASK", stepId: "a" }],
    createdBy: "bob",
    version: "2.0.0",
    workflowId: "w",
    output: undefined,
  };
  expect(contentHash(a)).toBe(contentHash(b));
  expect(contentHash(a)).not.toBe(contentHash({ ...a, steps: [] }));
});
