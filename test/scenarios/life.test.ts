/** What people do to instances, through the program on PostgreSQL. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TaskError } from "../../src/tasks/index.ts";
import type { Body } from "../support/app.ts";
import { definitions, type Rig, startRig, task } from "./rig.ts";

let rig: Rig;
/** How often a handler was called, by the name that it was given. */
const calls = new Map<string, number>();
/** Names that fail until somebody mends them. */
const broken = new Set<string>();
const gates = new Map<string, (value: unknown) => void>();

beforeAll(async () => {
  rig = await startRig({
    tasks: {
      echo: (input) => input,
      work: (input) => {
        const name = String(input);
        calls.set(name, (calls.get(name) ?? 0) + 1);
        if (broken.has(name))
          throw new TaskError({ code: "BROKEN", category: "BUSINESS", message: `${name} is broken` });
        return `${name} done`;
      },
      gate: (input) => new Promise((resolve) => gates.set(String(input), resolve)),
    },
  });
});
afterAll(() => rig.program.stop());

const work = (stepId: string, name: string, next?: string) =>
  task(stepId, {
    taskId: "work",
    input: `'${name}'`,
    ...(next === undefined ? {} : { transitions: { default: next } }),
  });

const engine = () => rig.program.app.engine;
const asked = (instanceId: string) => ({ namespace: "default", instanceId, requestedBy: "tester" });

describe("pause", () => {
  test("lets what runs end and holds what follows, timers too, until it is resumed", async () => {
    await rig.define({
      workflowId: "paused",
      steps: [
        task("gate", { taskId: "gate", input: "'paused'", transitions: { default: "delay" } }),
        { stepId: "delay", type: "DELAY", delay: 50, transitions: { default: "last" } },
        task("last", { input: "'over'" }),
      ],
    });
    const id = await rig.start("paused");
    await expect.poll(() => gates.has("paused")).toBe(true);
    expect(await engine().pause(asked(id))).toMatchObject({ status: "PAUSED" });
    await expect(engine().pause(asked(id))).rejects.toMatchObject({ code: "engine.cannot_pause" });
    gates.get("paused")!("opened");
    await rig.until(id, (body) => (body.state.steps.gate as Body).status === "COMPLETED");
    expect((await engine().why({ namespace: "default", instanceId: id }))!.map(({ rule }) => rule)).toEqual([
      "PAUSED",
      "PAUSED",
    ]);
    expect(await engine().resume(asked(id))).toMatchObject({ status: "RUNNING" });
    expect(await rig.ended(id)).toMatchObject({ status: "COMPLETED", output: "over" });
    await expect(engine().resume(asked(id))).rejects.toMatchObject({ code: "engine.instance_final" });
  });
});

describe("retry", () => {
  test("goes on where it failed, and runs nothing again that had completed", async () => {
    broken.add("b");
    const failed = await rig.run({
      workflowId: "retried",
      steps: [work("a", "a", "b"), work("b", "b", "c"), work("c", "c")],
    });
    expect(failed).toMatchObject({ status: "FAILED", error: { code: "BROKEN" } });
    broken.delete("b");
    expect(await engine().retry(asked(failed.instanceId))).toMatchObject({ instanceId: failed.instanceId });
    const ended = await rig.ended(failed.instanceId);
    expect(ended).toMatchObject({ status: "COMPLETED", output: "c done" });
    expect(ended.error).toBeUndefined();
    expect(calls.get("a")).toBe(1);
    expect((await rig.history(failed.instanceId)).map(({ path, status }) => `${path} ${status}`)).toEqual([
      "a COMPLETED",
      "b FAILED",
      "b#2 COMPLETED",
      "c COMPLETED",
    ]);
    await expect(engine().retry(asked(failed.instanceId))).rejects.toMatchObject({ code: "engine.cannot_retry" });
  });

  test("of a failed MAP keeps the items that had completed", async () => {
    broken.add("item 2");
    const failed = await rig.run({
      workflowId: "retried-map",
      steps: [
        {
          stepId: "each",
          type: "MAP",
          items: "[1, 2, 3]",
          maxConcurrency: 1,
          steps: [task("one", { taskId: "work", input: "'item ' + string(item)" })],
          transitions: { default: "after" },
        },
        task("after", { input: "steps.each.output" }),
      ],
    });
    expect(failed.status).toBe("FAILED");
    broken.delete("item 2");
    await engine().retry(asked(failed.instanceId));
    const ended = await rig.ended(failed.instanceId);
    expect(ended).toMatchObject({ status: "COMPLETED", output: ["item 1 done", "item 2 done", "item 3 done"] });
    expect(calls.get("item 1")).toBe(1);
  });

  test("is refused once what was done has been undone", async () => {
    broken.add("undone");
    const failed = await rig.run({
      workflowId: "undone",
      steps: [work("first", "first", "undone"), work("undone", "undone")],
      compensationSteps: [{ stepId: "undo", compensationFor: "first", type: "TASK", taskId: "echo" }],
    });
    expect(failed.status).toBe("FAILED");
    await expect(engine().retry(asked(failed.instanceId))).rejects.toMatchObject({ code: "engine.cannot_retry" });
  });
});

test("a step that is passed over counts as SKIPPED, and its default follows", async () => {
  await rig.define({
    workflowId: "skipped",
    steps: [
      { stepId: "wait", type: "EVENT_WAIT", eventPattern: "never", transitions: { default: "later" } },
      task("later", { input: "'later'", transitions: { default: "last" } }),
      task("last", { input: "'last'" }),
    ],
  });
  const id = await rig.start("skipped");
  await rig.until(id, ({ status }) => status === "WAITING_FOR_EVENT");
  await expect(engine().skip({ ...asked(id), stepId: "nowhere" })).rejects.toMatchObject({
    code: "engine.cannot_skip",
  });
  await engine().skip({ ...asked(id), stepId: "later" });
  await engine().skip({ ...asked(id), stepId: "wait" });
  expect(await rig.ended(id)).toMatchObject({ status: "COMPLETED", output: "last" });
  expect((await rig.history(id)).map(({ path, status }) => `${path} ${status}`)).toEqual([
    "wait SKIPPED",
    "later SKIPPED",
    "last COMPLETED",
  ]);
});

describe("restart", () => {
  const chain = {
    workflowId: "chain",
    steps: [
      task("one", {
        taskId: "work",
        input: "'one'",
        outputMapping: { seen: "output" },
        transitions: { default: "two" },
      }),
      task("two", { input: { one: "${steps.one.output}", n: "${input.n}", seen: "${variables.seen}" } }),
    ],
  };

  test("makes a new instance that carries over what came before, with another input or output", async () => {
    const origin = await rig.run(chain, { n: 1 });
    const before = calls.get("one");
    const again = await engine().restart({ ...asked(origin.instanceId), fromStepId: "two", input: { n: 2 } });
    expect(await rig.ended(again.instanceId)).toMatchObject({
      status: "COMPLETED",
      output: { one: "one done", n: 2, seen: "one done" },
      originInstanceId: origin.instanceId,
      originStepId: "two",
    });
    expect(calls.get("one")).toBe(before);
    const edited = await engine().restart({
      ...asked(origin.instanceId),
      fromStepId: "two",
      outputs: { one: "edited" },
    });
    expect(await rig.ended(edited.instanceId)).toMatchObject({ output: { one: "edited", n: 1 } });
    const whole = await engine().restart({ ...asked(origin.instanceId), fromStepId: "one" });
    expect((await rig.ended(whole.instanceId)).status).toBe("COMPLETED");
    expect(calls.get("one")).toBe(before! + 1);
    expect((await rig.history(again.instanceId)).map(({ path, epoch }) => `${path} ${epoch === 0}`)).toEqual([
      "one true",
      "two false",
    ]);
  });

  test("carries large values over to payloads of its own", async () => {
    const large = { text: "x".repeat(200_000) };
    const origin = await rig.run(
      {
        workflowId: "chain-large",
        steps: [task("one", { transitions: { default: "two" } }), task("two", { input: "steps.one.output" })],
      },
      large,
    );
    const again = await engine().restart({ ...asked(origin.instanceId), fromStepId: "two" });
    expect((await rig.ended(again.instanceId)).output).toEqual(large);
  });

  test("is refused for a step that never ran, or that stands in a branch", async () => {
    const origin = await rig.run({
      workflowId: "partly",
      steps: [
        {
          stepId: "go",
          type: "DECISION",
          transitions: { conditions: [{ condition: "false", nextStep: "never" }], default: "fan" },
        },
        task("never"),
        { stepId: "fan", type: "PARALLEL", branches: [{ branchId: "b", steps: [task("inner")] }] },
      ],
    });
    for (const [fromStepId, expected] of [
      ["never", /never ran/],
      ["inner", /stands in "fan\/b"/],
      ["nobody", /no step "nobody"/],
    ] as const) {
      const refusal = await engine()
        .restart({ ...asked(origin.instanceId), fromStepId })
        .catch((error: unknown) => error as { code: string; message: string; errors: { pointer: string }[] });
      expect(refusal).toMatchObject({ code: "engine.cannot_restart", errors: [{ pointer: "/fromStepId" }] });
      expect((refusal as { message: string }).message).toMatch(expected);
    }
  });
});

describe("migrate", () => {
  const version = (number: string, more: object) => ({ workflowId: "moving", version: number, ...more }) as never;

  test("goes on with another version when all that is under way has its place there", async () => {
    const wait = { stepId: "wait", type: "EVENT_WAIT", eventPattern: "go", transitions: { default: "end" } };
    await rig.define(version("1.0.0", { steps: [wait, task("end", { input: "'old'" })] }));
    const id = await rig.start("moving");
    await rig.until(id, ({ status }) => status === "WAITING_FOR_EVENT");
    const fixed = await rig.define(version("1.1.0", { steps: [wait, task("end", { input: "'new'" })] }));
    const lost = await rig.define(
      version("1.2.0", { steps: [{ ...wait, eventPattern: "other" }, task("end", { input: "'lost'" })] }),
    );
    const dry = await engine().migrate({ ...asked(id), definitionId: lost.id, dryRun: true });
    expect(dry.problems).toMatchObject([{ stepId: "wait", message: /would be lost/ }]);
    await expect(engine().migrate({ ...asked(id), definitionId: lost.id })).rejects.toMatchObject({
      code: "engine.cannot_migrate",
    });
    expect(await engine().migrate({ ...asked(id), definitionId: fixed.id })).toMatchObject({ problems: [] });
    await rig.ask(id, "signal", { type: "go" });
    expect(await rig.ended(id)).toMatchObject({ output: "new", workflowDefinitionId: fixed.id });
  });
});

test("statistics and the log tell of what happened, without counting instances", async () => {
  const steps = [
    task("say", {
      taskId: "log",
      input: { message: "n is ${input.n}", level: "warn" },
      transitions: { default: "work" },
    }),
    task("work", { taskId: "work", input: "input.n > 2 ? 'told broken' : 'told'" }),
  ];
  broken.add("told broken");
  const ids = [];
  for (const n of [1, 2, 3]) ids.push((await rig.run({ workflowId: "told", steps }, { n })).instanceId);
  const { body } = await rig.program.call("GET", `${definitions}?workflowId=told`);
  const statistics = await engine().statistics({ definitionIds: [body.items[0]!.id] });
  expect(statistics).toMatchObject({ started: 3, completed: 2, failed: 1, cancelled: 0, open: 0 });
  expect(statistics.failures).toEqual([{ stepId: "work", code: "BROKEN", count: 1 }]);
  expect(statistics.duration!.p99).toBeGreaterThan(0);
  const logs = await engine().logs({ namespace: "default", instanceId: ids[0]!, limit: 10 });
  expect(logs).toMatchObject([{ level: "warn", message: "n is 1", source: "task", stepId: "say", attempt: 1 }]);
});

test("a priority can be changed until the end", async () => {
  await rig.define({ workflowId: "ranked", steps: [{ stepId: "wait", type: "EVENT_WAIT", eventPattern: "go" }] });
  const id = await rig.start("ranked");
  await rig.until(id, ({ status }) => status === "WAITING_FOR_EVENT");
  await engine().setPriority({ ...asked(id), priority: 9 });
  expect((await rig.until(id, () => true)).priority).toBe(9);
  await rig.ask(id, "signal", { type: "go" });
  await rig.ended(id);
  await expect(engine().setPriority({ ...asked(id), priority: 1 })).rejects.toMatchObject({
    code: "engine.instance_final",
  });
});

describe("payloads", () => {
  const steps = [
    task("one", { transitions: { default: "wait" } }),
    { stepId: "wait", type: "EVENT_WAIT", eventPattern: "go", transitions: { default: "two" } },
    task("two", { input: "steps.wait.output" }),
  ];

  test("of nearly 16 MiB pass as input, output and signal, and meanwhile small instances go their way", async () => {
    await rig.define({ workflowId: "heavy", steps });
    await rig.define({ workflowId: "light", steps: [task("only")] });
    const text = "x".repeat(15 * 1024 * 1024);
    const heavy = rig.start("heavy", { text });
    const light = await Promise.all(Array.from({ length: 20 }, (_, n) => rig.start("light", { n })));
    for (const id of light) expect((await rig.ended(id)).status).toBe("COMPLETED");
    const id = await heavy;
    await rig.until(id, ({ status }) => status === "WAITING_FOR_EVENT");
    expect((await rig.ask(id, "signal", { type: "go", payload: { text: `${text}!` } })).status).toBe(202);
    const { status, output } = await rig.ended(id);
    expect(status).toBe("COMPLETED");
    expect((output as { text: string }).text.length).toBe(text.length + 1);
  });

  test("that are larger are refused early and clearly", async () => {
    const text = "x".repeat(18 * 1024 * 1024);
    const { status, body } = await rig.program.call("POST", "/api/v1/workflows/instances", {
      body: { definitionId: "light", input: { text } },
    });
    expect({ status, code: body.code }).toEqual({ status: 413, code: "http.body_too_large" });
  });
});
