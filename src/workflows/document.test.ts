/** The published schema judges as the validator does, as far as a schema can. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { each, type Fields, fan, task, workflow } from "../../test/support/steps.ts";
import { compileSchema } from "../foundation/json_schema/index.ts";
import { publishedSchema } from "./document.ts";
import { validateDefinition } from "./operations.ts";

const { validate } = compileSchema(publishedSchema());
const end = (more: Fields) => ({ stepId: "end", type: "TERMINATE", ...more });
const child = (more: Fields) => ({ stepId: "child", type: "WORKFLOW", workflowId: "c", ...more });
const nested = (depth: number, step: Fields): Fields =>
  depth === 0 ? step : fan(`p${depth}`, { left: [each(`m${depth}`, [nested(depth - 1, step)])] });

test.each<[string, Fields]>([
  ["branches and items inside one another", workflow(nested(4, task("a")))],
  ["a join of a number", workflow(fan("p", { a: [task("a")], b: [task("b")] }, { join: 1, rest: "leave" }))],
  ["a share of failures", workflow(each("m", [task("a")], { toleratedFailures: "2.5%", maxConcurrency: 5 }))],
  ["a list of items", workflow(each("m", [task("a")], { items: [1, { a: "${input.a}" }] }))],
  ["a child", workflow(child({ version: "1.0.0", detach: true, input: { a: 1 } }))],
  ["an end in success", workflow(end({ status: "COMPLETED", output: [1] }))],
  ["an end in failure", workflow(end({ status: "FAILED", error: { category: "${input.c}", details: null } }))],
  ["a handler", workflow(task("a", { onFailure: { default: "b" } }), task("b"))],
  ["a list of concurrency limits", { ...workflow(task("a")), concurrency: [{ limit: 1, key: "input.a" }] }],
  ["one concurrency limit", { ...workflow(task("a")), concurrency: { limit: 1 } }],
  ["a retention and a retry", { ...workflow(task("a")), retention: "P30D", retryPolicy: { maxAttempts: 2 } }],
])("the published schema and the validator both accept %s", (_name, document) => {
  expect(validate(document)).toEqual([]);
  expect(validateDefinition(document).errors).toEqual([]);
});

test.each<[string, Fields]>([
  ["a fault four containers deep", workflow(nested(2, { stepId: "a", type: "TASK" }))],
  ["an unknown field in a branch", workflow(nested(1, task("a", { tsk: 1 })))],
  ["an unknown type in an item", workflow(each("m", [{ stepId: "a", type: "TSK" }]))],
  ["no branches", workflow(fan("p", {}))],
  ["a branch without steps", workflow(fan("p", { a: [] }))],
  ["a branch with a bad id", workflow(fan("p", { "a b": [task("a")] }))],
  ["a join of none", workflow(fan("p", { a: [task("a")] }, { join: 0 }))],
  ["items that are no list", workflow(each("m", [task("a")], { items: 5 }))],
  ["more than all failures", workflow(each("m", [task("a")], { toleratedFailures: "101%" }))],
  ["no concurrency at all", workflow(each("m", [task("a")], { maxConcurrency: 0 }))],
  ["a child of no workflow", workflow(child({ workflowId: undefined }))],
  ["an end of another status", workflow(end({ status: "CANCELLED" }))],
  ["an end that leads on", workflow(end({ status: "FAILED", transitions: { default: "end" } }))],
  ["an unknown category", workflow(end({ status: "FAILED", error: { category: "FATAL" } }))],
  ["a limit of none", { ...workflow(task("a")), concurrency: { limit: 0 } }],
])("the published schema and the validator both refuse %s", (_name, document) => {
  const given = JSON.parse(JSON.stringify(document));
  expect(validate(given)).not.toEqual([]);
  expect(validateDefinition(given).errors).not.toEqual([]);
});

describe("the documentation", () => {
  const text = readFileSync(new URL("../../docs/definitions.md", import.meta.url), "utf8");
  const blocks = [...text.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, block]) => block!);

  test.each(blocks)("shows what is accepted:\n%s", (block) => {
    const shown: unknown = parse(block);
    const parts = Array.isArray(shown) ? { steps: shown } : (shown as Fields);
    const document: Fields = { ...workflow(task("example")), ...parts };
    const { errors } = validateDefinition(document);
    // A part of a definition leads to steps that it does not show.
    expect(
      errors.filter(({ message }) => !/^There is no step|is unreachable|^The expression reads/.test(message)),
    ).toEqual([]);
  });
});
