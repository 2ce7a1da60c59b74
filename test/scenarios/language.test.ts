/** The whole language through the program on PostgreSQL: each kind of step, and what they give together. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TaskError } from "../../src/tasks/index.ts";
import type { Body, TestApp } from "../support/app.ts";
import { instances, type Rig, startRig, task } from "./rig.ts";

let program: TestApp;
let rig: Rig;
/** How often a handler was called, by the text it was given. */
const calls = new Map<string, number>();

beforeAll(async () => {
  rig = await startRig({
    tasks: {
      echo: (input) => input,
      refuse: () => {
        throw new TaskError({ code: "NO_WAY", category: "BUSINESS", message: "No way" });
      },
      count: (input) => {
        const name = String(input);
        calls.set(name, (calls.get(name) ?? 0) + 1);
        return calls.get(name)!;
      },
      failOnce: (input) => {
        const name = String((input as { name: string }).name);
        const before = calls.get(name) ?? 0;
        calls.set(name, before + 1);
        if (before === 0) throw new TaskError({ code: "FIRST", category: "BUSINESS", message: "the first time" });
        return "again";
      },
      never: (_input, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        }),
    },
  });
  program = rig.program;
});
afterAll(() => program.stop());

describe("PARALLEL", () => {
  test("gives the last outputs of its branches by their names", async () => {
    const { status, output } = await rig.run(
      {
        workflowId: "fan",
        steps: [
          {
            stepId: "fan",
            type: "PARALLEL",
            branches: [
              {
                branchId: "left",
                steps: [
                  task("l1", { input: "input.n", transitions: { default: "l2" } }),
                  task("l2", { input: "steps.l1.output + 1" }),
                ],
              },
              { branchId: "right", steps: [task("r1", { input: { n: "${input.n}" } })] },
            ],
            transitions: { default: "after" },
          },
          task("after", { input: "steps.fan.output" }),
        ],
      },
      { n: 4 },
    );
    expect({ status, output }).toEqual({ status: "COMPLETED", output: { left: 5, right: { n: 4 } } });
  });

  test("that needs any cancels the branches that are not needed", async () => {
    const view = await rig.run({
      workflowId: "race",
      steps: [
        {
          stepId: "race",
          type: "PARALLEL",
          join: "any",
          branches: [
            { branchId: "fast", steps: [task("fast")] },
            { branchId: "slow", steps: [task("slow", { taskId: "never" })] },
          ],
        },
      ],
    });
    expect(view.output).toEqual({ fast: {} });
    expect((await rig.history(view.instanceId)).map(({ path, status }) => `${path} ${status}`)).toContain(
      "race/slow/slow CANCELLED",
    );
  });

  test("fails with the error of the branch that failed, and a handler sees it", async () => {
    const { output } = await rig.run({
      workflowId: "caught",
      steps: [
        {
          stepId: "fan",
          type: "PARALLEL",
          branches: [
            { branchId: "bad", steps: [task("bad", { taskId: "refuse" })] },
            { branchId: "slow", steps: [task("slow", { taskId: "never" })] },
          ],
          onFailure: { conditions: [{ condition: "error.code == 'NO_WAY'", nextStep: "handle" }] },
        },
        task("handle", { input: { code: "${error.code}", step: "${error.stepId}" } }),
      ],
    });
    expect(output).toEqual({ code: "NO_WAY", step: "fan" });
  });
});

describe("MAP", () => {
  const each = (
    workflowId: string,
    more: object = {},
    steps: object[] = [task("one", { input: "item * 10 + index" })],
  ) => ({
    workflowId,
    steps: [{ stepId: "each", type: "MAP", items: "input.list", steps, ...more }],
  });

  test("gives the outputs of its items in their order", async () => {
    const { output } = await rig.run(each("each", { maxConcurrency: 3 }), { list: [5, 4, 3, 2, 1] });
    expect(output).toEqual([50, 41, 32, 23, 14]);
  });

  test("of many items gathers them from the journal", async () => {
    const list = Array.from({ length: 1_500 }, (_, n) => n);
    const { status, output } = await rig.run(each("many"), { list });
    expect(status).toBe("COMPLETED");
    expect(output).toEqual(list.map((n) => n * 11));
  });

  test("of large outputs keeps them beside the journal, up to 16 MiB", async () => {
    const large = { steps: [task("one", { input: { text: "${input.text}", index: "${index}" } })] };
    const text = "x".repeat(1_000_000);
    const { status, output } = await rig.run(each("large", large), { list: [1, 2, 3], text });
    expect(status).toBe("COMPLETED");
    expect((output as { text: string; index: number }[]).map(({ text, index }) => [text.length, index])).toEqual([
      [1_000_000, 0],
      [1_000_000, 1],
      [1_000_000, 2],
    ]);
    const { status: refused, error } = await rig.run(each("too-large", large), { list: Array(18).fill(0), text });
    expect({ refused, error }).toMatchObject({ refused: "FAILED", error: { code: "OUTPUT_TOO_LARGE" } });
  });

  test("of what is no list fails and says what it is", async () => {
    const { status, error } = await rig.run(each("no-list"), { list: 7 });
    expect({ status, error }).toMatchObject({ status: "FAILED", error: { code: "ITEMS_NOT_A_LIST" } });
  });

  test("tolerates failures up to its share", async () => {
    const steps = [
      {
        stepId: "odd",
        type: "DECISION",
        transitions: { conditions: [{ condition: "item % 2 == 1", nextStep: "bad" }], default: "good" },
      },
      task("bad", { taskId: "refuse" }),
      task("good", { input: "item" }),
    ];
    const tolerant = await rig.run(each("tolerant", { toleratedFailures: "50%" }, steps), { list: [1, 2, 3, 4] });
    expect(tolerant.output).toEqual([null, 2, null, 4]);
    const strict = await rig.run(each("strict", { toleratedFailures: 1 }, steps), { list: [1, 2, 3, 4] });
    expect(strict).toMatchObject({ status: "FAILED", error: { code: "TOLERANCE_EXCEEDED" } });
  });
});

describe("WORKFLOW", () => {
  beforeAll(async () => {
    await rig.define({
      workflowId: "child",
      inputSchema: { type: "object", required: ["n"], properties: { n: { type: "number" } } },
      steps: [task("double", { input: "input.n * 2" })],
    });
    await rig.define({ workflowId: "bad-child", steps: [task("refuse", { taskId: "refuse" })] });
    await rig.define({ workflowId: "slow-child", steps: [task("never", { taskId: "never" })] });
  });
  const parent = (workflowId: string, more: object) => ({
    workflowId,
    steps: [{ stepId: "call", type: "WORKFLOW", workflowId: "child", input: { n: "${input.n}" }, ...more }],
  });

  test("gives the child's output, and each names the other", async () => {
    const view = await rig.run(parent("calls", {}), { n: 21 });
    expect(view.output).toBe(42);
    const { body } = await program.call("GET", `${instances}?definitionId=child`);
    const child = body.items.find((item) => item.parentInstanceId === view.instanceId);
    expect(child).toMatchObject({ status: "COMPLETED" });
    const [row] = (await rig.history(view.instanceId)).filter(({ stepId }) => stepId === "call");
    expect(row).toMatchObject({ type: "WORKFLOW", status: "COMPLETED", output: 42 });
  });

  test("a hundred children side by side end once each", async () => {
    const view = await rig.run(
      {
        workflowId: "hundred",
        steps: [
          {
            stepId: "each",
            type: "MAP",
            items: "input.list",
            steps: [{ stepId: "call", type: "WORKFLOW", workflowId: "child", input: { n: "${item}" } }],
          },
        ],
      },
      { list: Array.from({ length: 100 }, (_, n) => n) },
    );
    expect(view.output).toEqual(Array.from({ length: 100 }, (_, n) => n * 2));
  });

  test("that is detached goes on by itself", async () => {
    const view = await rig.run(parent("detaches", { detach: true }), { n: 1 });
    const { instanceId } = view.output as { instanceId: string };
    expect(await rig.ended(instanceId)).toMatchObject({ status: "COMPLETED", output: 2 });
  });

  test("fails with the child's error, or because the child was refused", async () => {
    expect(await rig.run(parent("calls-bad", { workflowId: "bad-child" }), { n: 1 })).toMatchObject({
      status: "FAILED",
      error: { code: "NO_WAY", category: "BUSINESS" },
    });
    expect(await rig.run(parent("misfit", {}), { n: "text" })).toMatchObject({
      status: "FAILED",
      error: { code: "CHILD_REFUSED", details: { code: "instances.input_invalid" } },
    });
    expect(await rig.run(parent("nobody", { workflowId: "no-such-workflow" }), { n: 1 })).toMatchObject({
      status: "FAILED",
      error: { code: "CHILD_REFUSED" },
    });
  });

  test("a cancellation passes down, and so does a timeout", async () => {
    await rig.define(parent("cancels", { workflowId: "slow-child" }));
    const id = await rig.start("cancels", { n: 1 });
    const child = async () =>
      (await program.call("GET", `${instances}?definitionId=slow-child`)).body.items.find(
        (item) => item.parentInstanceId === id,
      );
    await rig.until(id, (body) => (body.state.steps.call as Body | undefined)?.status === "RUNNING");
    await program.call("POST", `${instances}/${id}/cancel`, { body: { reason: "enough" } });
    await rig.until((await child())!.id, (body) => body.status === "CANCELLED");
    const late = await rig.run(parent("late", { workflowId: "slow-child", timeout: 200 }), { n: 1 });
    expect(late).toMatchObject({ status: "FAILED", error: { code: "TIMEOUT" } });
  });
});

test("TERMINATE ends the workflow from wherever it stands", async () => {
  const terminate = (workflowId: string, end: object) => ({
    workflowId,
    steps: [
      {
        stepId: "fan",
        type: "PARALLEL",
        branches: [
          { branchId: "end", steps: [{ stepId: "end", type: "TERMINATE", ...end }] },
          { branchId: "slow", steps: [task("slow", { taskId: "never" })] },
        ],
      },
    ],
  });
  const well = await rig.run(terminate("ends-well", { status: "COMPLETED", output: { n: "${input.n}" } }), { n: 3 });
  expect(well).toMatchObject({ status: "COMPLETED", output: { n: 3 } });
  const error = { code: "STOPPED", message: "n is ${input.n}" };
  const badly = await rig.run(terminate("ends-badly", { status: "FAILED", error }), { n: 3 });
  expect(badly).toMatchObject({
    status: "FAILED",
    error: { code: "STOPPED", message: "n is 3", category: "BUSINESS" },
  });
});

describe("what a definition promises", () => {
  test("an output that does not fit its schema fails the instance", async () => {
    const steps = [task("only", { input: "input.n" })];
    const view = await rig.run({ workflowId: "promise", outputSchema: { type: "string" }, steps }, { n: 1 });
    expect(view).toMatchObject({ status: "FAILED", error: { code: "OUTPUT_INVALID" } });
  });

  test("a variable of the wrong type fails its step, one that is required and missing the instance", async () => {
    const variables = { total: { type: "number", required: true } };
    const mapped = (value: string) => [task("only", { outputMapping: { total: value } })];
    expect(await rig.run({ workflowId: "typed", variables, steps: mapped("'text'") })).toMatchObject({
      error: { code: "VARIABLE_TYPE" },
    });
    expect(await rig.run({ workflowId: "required", variables, steps: [task("only")] })).toMatchObject({
      error: { code: "VARIABLE_MISSING" },
    });
    expect(await rig.run({ workflowId: "set", variables, steps: mapped("7") })).toMatchObject({ status: "COMPLETED" });
  });

  test("a workflow that is to be tried again begins with its first step", async () => {
    const view = await rig.run(
      {
        workflowId: "again",
        retryPolicy: { maxAttempts: 2, initialInterval: 10, retryableErrors: ["FIRST"] },
        steps: [
          task("count", { taskId: "count", input: "'again'", transitions: { default: "fails" } }),
          task("fails", { taskId: "failOnce", input: { name: "again once" } }),
        ],
      },
      {},
    );
    expect(view).toMatchObject({ status: "COMPLETED", output: "again" });
    expect(calls.get("again")).toBe(2);
    expect((await rig.history(view.instanceId)).map(({ path }) => path)).toEqual([
      "count",
      "fails",
      "count#2",
      "fails#2",
    ]);
  });

  test("an event that a cancellation trigger names cancels the instance", async () => {
    await rig.define({
      workflowId: "triggered",
      cancellationTriggers: [{ eventPattern: "order.*", eventCondition: "payload.n > 1", reason: "withdrawn" }],
      steps: [{ stepId: "wait", type: "EVENT_WAIT", eventPattern: "paid" }],
    });
    const id = await rig.start("triggered");
    await program.call("POST", `${instances}/${id}/signal`, { body: { type: "order.withdrawn", payload: { n: 1 } } });
    await program.call("POST", `${instances}/${id}/signal`, { body: { type: "order.withdrawn", payload: { n: 2 } } });
    const view = await rig.ended(id);
    expect(view).toMatchObject({ status: "CANCELLED", cancelation: { reason: "withdrawn", source: "EVENT" } });
  });

  test("no more instances run at once than its limits allow, and whoever waits says why", async () => {
    await rig.define({
      workflowId: "limited",
      concurrency: [{ limit: 3 }, { limit: 1, key: "input.customer" }],
      steps: [{ stepId: "wait", type: "EVENT_WAIT", eventPattern: "go" }],
    });
    const customers = ["a", "a", "b", "c", "d", "a"];
    const ids: string[] = [];
    for (const customer of customers) ids.push(await rig.start("limited", { customer }));
    const running = async () => {
      const views = await Promise.all(
        ids.map((id) => program.app.engine.getInstance({ namespace: "default", instanceId: id })),
      );
      const now = views.filter((view) => view!.status === "WAITING_FOR_EVENT").map((view) => view!.id);
      expect(now.length).toBeLessThanOrEqual(3);
      expect(now.filter((id) => customers[ids.indexOf(id)] === "a").length).toBeLessThanOrEqual(1);
      return now;
    };
    await expect.poll(running, { timeout: 10_000 }).toHaveLength(3);
    // One customer's second and third, and whoever came after the third of all.
    for (const id of ids.filter((_, index) => index === 1 || index === 5)) {
      const [why] = (await program.app.engine.why({ namespace: "default", instanceId: id }))!;
      expect(why).toMatchObject({ rule: "CONCURRENCY_LIMIT", detail: expect.stringContaining("1 of the 1 permits") });
    }
    for (let left = ids.length; left > 0; ) {
      for (const id of await running()) {
        await rig.ask(id, "signal", { type: "go" });
        await rig.ended(id);
        left--;
      }
    }
    // The homes hear of the last ends after they were answered.
    const permits = () => program.app.db.unnamed("select * from workflow_orchestrator_service.concurrency_permits");
    await expect.poll(permits, { timeout: 10_000 }).toEqual([]);
  });
});
