import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp } from "../../../test/support/app.ts";
import { type InstanceCalls, instanceCalls, instancesPath as path } from "../../../test/support/instances.ts";
import { uuidv7 } from "../../foundation/ids.ts";
import { TaskError } from "../../tasks/index.ts";

let program: TestApp;
let calls: InstanceCalls;
/** Inputs that the handler `picky` refuses. */
const refused = new Set<string>();
let pickyCalls: string[] = [];

beforeAll(async () => {
  program = await startTestApp({
    tasks: {
      echo: (input) => input,
      picky(input) {
        const name = String(input);
        pickyCalls.push(name);
        if (refused.has(name)) throw new TaskError({ code: "NOT_YET", category: "BUSINESS", message: "Not yet" });
        return `took ${name}`;
      },
    },
  });
  calls = instanceCalls(program);
  await calls.define({
    workflowId: "double",
    name: "Double",
    version: "1.0.0",
    inputSchema: { type: "object", required: ["n"], properties: { n: { type: "integer", minimum: 1 } } },
    steps: [
      {
        stepId: "first",
        type: "TASK",
        taskId: "echo",
        input: { n: "${input.n * 2}" },
        transitions: { default: "second" },
      },
      { stepId: "second", type: "TASK", taskId: "transform", input: { expression: "steps.first.output.n + 1" } },
    ],
  });
  await calls.define(waiting("1.0.0", "paid"));
  await calls.define(waiting("1.1.0", "paid", { taskId: "transform", input: { expression: "'new'" } }));
  await calls.define(waiting("2.0.0", "something.else"));
  await calls.define({
    workflowId: "careful",
    name: "Careful",
    steps: [
      { stepId: "prepare", type: "TASK", taskId: "picky", input: "'prepare'", transitions: { default: "act" } },
      {
        stepId: "act",
        type: "TASK",
        taskId: "picky",
        input: "input.name",
        transitions: { conditions: [{ condition: "input.name == 'nobody'", nextStep: "never" }], default: "end" },
      },
      { stepId: "never", type: "TASK", taskId: "echo", transitions: { default: "end" } },
      { stepId: "end", type: "TASK", taskId: "transform", input: { expression: "steps.act.output" } },
    ],
  });
});
afterAll(() => program.stop());

function waiting(version: string, eventPattern: string, last: object = { taskId: "echo", input: "'old'" }): object {
  return {
    workflowId: "waiting",
    name: "Waiting",
    version,
    steps: [
      { stepId: "wait", type: "EVENT_WAIT", eventPattern, transitions: { default: "last" } },
      { stepId: "last", type: "TASK", ...last },
    ],
  };
}

async function startWaiting(more: object = {}): Promise<string> {
  const id = await calls.start("waiting", {}, { version: "1.0.0", ...more });
  await calls.untilItIs("WAITING_FOR_EVENT", id);
  return id;
}

async function ended(n = 1): Promise<string> {
  const id = await calls.start("double", { n });
  await calls.untilItIs("COMPLETED", id);
  return id;
}

describe("every change of an instance", () => {
  const verbs: [string, object?][] = [
    ["pause"],
    ["resume"],
    ["retry"],
    ["skip", { stepId: "wait" }],
    ["priority", { priority: 3 }],
    ["restart", { fromStepId: "wait" }],
    ["migrate", { version: "1.1.0" }],
  ];

  test.each(verbs)(
    "%s: an instance that does not exist, or is in another namespace, answers 404",
    async (verb, body) => {
      for (const id of [uuidv7(Date.now()), "nope"]) {
        const { status, body: problem } = await calls.post(id, verb, body);
        expect([status, problem.code]).toEqual([404, "engine.instance_not_found"]);
      }
      const elsewhere = await calls.post(await startWaiting(), verb, body, { namespace: "elsewhere" });
      expect(elsewhere.status).toBe(404);
    },
  );

  test.each(verbs.slice(0, 5))("%s: an instance that has completed answers 409", async (verb, body) => {
    expect((await calls.post(await ended(), verb, body)).status).toBe(409);
  });

  test.each([
    ["skip", {}, "/stepId"],
    ["skip", { stepId: "" }, "/stepId"],
    ["priority", {}, "/priority"],
    ["priority", { priority: 11 }, "/priority"],
    ["priority", { priority: "URGENT" }, "/priority"],
    ["restart", {}, "/fromStepId"],
    ["restart", { fromStepId: "wait", outputs: [] }, "/outputs"],
    ["migrate", {}, "/version"],
    ["migrate", { version: "1.1.0", dryRun: "yes" }, "/dryRun"],
    ["pause", { until: "tomorrow" }, ""],
  ])("%s with %j is refused at %s", async (verb, body, pointer) => {
    const answer = await calls.post(await startWaiting(), verb, body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0]?.pointer).toBe(pointer);
  });
});

describe("pause and resume", () => {
  test("hold an instance and let it go on", async () => {
    const id = await startWaiting();
    const paused = await calls.post(id, "pause");
    expect(paused.status).toBe(202);
    expect(paused.body.instanceId).toBe(id);
    await calls.untilItIs("PAUSED", id);
    expect((await calls.post(id, "pause")).status).toBe(409);
    const resumed = await calls.post(id, "resume", {});
    expect(resumed.status).toBe(202);
    expect(resumed.body.instanceId).toBe(id);
    await calls.untilItIs("WAITING_FOR_EVENT", id);
    expect((await calls.post(id, "resume")).status).toBe(409);
    await calls.post(id, "signal", { type: "paid" });
    await calls.untilItIs("COMPLETED", id);
  });

  test("an event that comes meanwhile ends the wait, and what follows waits for the resume", async () => {
    const id = await startWaiting();
    await calls.post(id, "pause");
    await calls.untilItIs("PAUSED", id);
    await calls.post(id, "signal", { type: "paid" });
    const wait = async () => ((await calls.get(id)).state.steps.wait as { status: string }).status;
    await expect.poll(wait).toBe("COMPLETED");
    expect((await calls.get(id)).status).toBe("PAUSED");
    await calls.post(id, "resume");
    await calls.untilItIs("COMPLETED", id);
  });
});

describe("a retry", () => {
  test("lets a failed instance go on from the step that failed; what had completed does not run again", async () => {
    refused.add("Ada");
    pickyCalls = [];
    const id = await calls.start("careful", { name: "Ada" });
    await calls.untilItIs("FAILED", id);
    refused.delete("Ada");
    const { status, body } = await calls.post(id, "retry");
    expect([status, body.instanceId]).toEqual([202, id]);
    await calls.untilItIs("COMPLETED", id);
    expect((await calls.get(id)).output).toBe("took Ada");
    expect(pickyCalls).toEqual(["prepare", "Ada", "Ada"]);
    expect((await calls.post(id, "retry")).status).toBe(409);
  });

  test("of an instance that has not failed is refused", async () => {
    expect((await calls.post(await startWaiting(), "retry")).status).toBe(409);
  });
});

describe("a skip", () => {
  test("passes over the step under way", async () => {
    const id = await startWaiting();
    const { status, body } = await calls.post(id, "skip", { stepId: "wait" });
    expect([status, body.instanceId]).toEqual([202, id]);
    await calls.untilItIs("COMPLETED", id);
    expect((await calls.get(id)).state.steps.wait).toMatchObject({ status: "SKIPPED" });
  });

  test("of a step that the definition does not have is refused", async () => {
    const { status } = await calls.post(await startWaiting(), "skip", { stepId: "weight" });
    expect([400, 404, 409]).toContain(status);
  });
});

describe("a priority", () => {
  test.each([
    [7, 7],
    ["CRITICAL", 10],
    ["LOW", 1],
  ])("%j is %i", async (priority, number) => {
    const id = await startWaiting();
    const { status, body } = await calls.post(id, "priority", { priority });
    expect([status, body.instanceId]).toEqual([202, id]);
    await expect.poll(async () => (await calls.get(id)).priority).toBe(number);
  });
});

describe("a restart", () => {
  test("carries over what came before, with outputs as they are given, and names its origin", async () => {
    const origin = await ended(20);
    const { status, body, headers } = await calls.post(origin, "restart", {
      fromStepId: "second",
      outputs: { first: { n: 100 } },
    });
    expect(status, JSON.stringify(body)).toBe(201);
    expect(Object.keys(body).sort()).toEqual(["definitionId", "instanceId", "startedAt", "status"]);
    expect(headers.get("location")).toBe(`${path}/${body.instanceId}`);
    expect(body.instanceId).not.toBe(origin);
    await calls.untilItIs("COMPLETED", body.instanceId);
    expect(await calls.get(body.instanceId)).toMatchObject({
      output: 101,
      input: { n: 20 },
      originInstanceId: origin,
      originStepId: "second",
    });
    expect((await calls.get(origin)).output).toBe(41);
  });

  test("from the first step with another input runs it all anew", async () => {
    const { status, body } = await calls.post(await ended(1), "restart", { fromStepId: "first", input: { n: 4 } });
    expect(status).toBe(201);
    await calls.untilItIs("COMPLETED", body.instanceId);
    expect((await calls.get(body.instanceId)).output).toBe(9);
  });

  test("may run another version of the workflow", async () => {
    const origin = await startWaiting();
    await calls.post(origin, "signal", { type: "paid" });
    await calls.untilItIs("COMPLETED", origin);
    expect((await calls.get(origin)).output).toBe("old");
    const { status, body } = await calls.post(origin, "restart", { fromStepId: "last", version: "1.1.0" });
    expect(status, JSON.stringify(body)).toBe(201);
    await calls.untilItIs("COMPLETED", body.instanceId);
    expect((await calls.get(body.instanceId)).output).toBe("new");
    const none = await calls.post(origin, "restart", { fromStepId: "last", version: "9.9.9" });
    expect([none.status, none.body.code]).toEqual([404, "workflows.definition_not_found"]);
  });

  test("to a version whose schema the origin's input does not fit is refused", async () => {
    const origin = await ended(1);
    await calls.define({
      workflowId: "double",
      name: "Double",
      version: "0.9.0",
      inputSchema: { type: "object", required: ["m"] },
      steps: [{ stepId: "first", type: "TASK", taskId: "echo" }],
    });
    const { status, body } = await calls.post(origin, "restart", { fromStepId: "first", version: "0.9.0" });
    expect([status, body.errors[0]?.pointer]).toEqual([400, "/input/m"]);
  });

  test("with an input that does not fit is refused with a pointer, and starts nothing", async () => {
    const origin = await ended(1);
    const count = async () => (await program.call("GET", `${path}?definitionId=double&limit=500`)).body.items.length;
    const before = await count();
    const { status, body } = await calls.post(origin, "restart", { fromStepId: "first", input: { n: 0 } });
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: "instances.input_invalid", errors: [{ pointer: "/input/n" }] });
    expect(await count()).toBe(before);
  });

  test.each(["nothing-like-it", "never"])(
    "from the step %s, which never ran, is refused with a pointer",
    async (step) => {
      const id = await calls.start("careful", { name: "Grace" });
      await calls.untilItIs("COMPLETED", id);
      const { status, body } = await calls.post(id, "restart", { fromStepId: step });
      expect([400, 409]).toContain(status);
      expect(body.errors[0]?.pointer).toBe("/fromStepId");
    },
  );
});

describe("a migration", () => {
  test("that is dry says that it could be, and changes nothing; then it is done", async () => {
    const id = await startWaiting();
    const { workflowDefinitionId: before } = await calls.get(id);
    const dry = await calls.post(id, "migrate", { version: "1.1.0", dryRun: true });
    expect(dry.status, JSON.stringify(dry.body)).toBe(200);
    expect(dry.body).toEqual({ instanceId: id, status: "WAITING_FOR_EVENT", possible: true, problems: [] });
    expect((await calls.get(id)).workflowDefinitionId).toBe(before);

    const { status, body } = await calls.post(id, "migrate", { version: "1.1.0" });
    expect(status, JSON.stringify(body)).toBe(200);
    expect(body).toMatchObject({ instanceId: id, possible: true, problems: [] });
    await calls.post(id, "signal", { type: "paid" });
    await calls.untilItIs("COMPLETED", id);
    const after = await calls.get(id);
    expect(after.output).toBe("new");
    expect(after.workflowDefinitionId).not.toBe(before);
  });

  test("that would lose a wait is told why it cannot be, and is refused", async () => {
    const id = await startWaiting();
    const dry = await calls.post(id, "migrate", { version: "2.0.0", dryRun: true });
    expect(dry.status).toBe(200);
    expect(dry.body).toMatchObject({ possible: false, problems: [{ stepId: "wait" }] });
    const { status, body } = await calls.post(id, "migrate", { version: "2.0.0" });
    expect([status, body.code]).toEqual([409, "engine.cannot_migrate"]);
    expect((await calls.get(id)).status).toBe("WAITING_FOR_EVENT");
  });

  test("to a version that there is not answers 404", async () => {
    const { status, body } = await calls.post(await startWaiting(), "migrate", { version: "9.9.9", dryRun: true });
    expect([status, body.code]).toEqual([404, "workflows.definition_not_found"]);
  });
});

describe("variables of a start", () => {
  beforeAll(() =>
    calls.define({
      workflowId: "counting",
      name: "Counting",
      variables: {
        count: { type: "integer", default: 1 },
        names: { type: "array", default: [] },
        note: { type: "string", required: true },
        anything: {},
      },
      steps: [
        {
          stepId: "tell",
          type: "TASK",
          taskId: "transform",
          input: { expression: "{'count': variables.count, 'note': has(variables.note) ? variables.note : 'none'}" },
          outputMapping: { note: "'set'" },
        },
      ],
    }),
  );

  test("take the place of the defaults; one that is required may come later", async () => {
    const given = await calls.start("counting", {}, { variables: { count: 7, note: "given", anything: null } });
    await calls.untilItIs("COMPLETED", given);
    expect((await calls.get(given)).output).toEqual({ count: 7, note: "given" });
    const later = await calls.start("counting", {}, { variables: {} });
    await calls.untilItIs("COMPLETED", later);
    expect((await calls.get(later)).output).toEqual({ count: 1, note: "none" });
  });

  test.each([
    [{ count: 1.5 }, "/variables/count", "a whole number"],
    [{ count: "1" }, "/variables/count", "a whole number"],
    [{ names: { a: 1 } }, "/variables/names", "an array"],
    [{ note: null }, "/variables/note", "a string"],
    [{ cuont: 1 }, "/variables/cuont", '"count"'],
    [{ "a/b": 1 }, "/variables/a~1b", "one of"],
  ])("%j is refused at %s", async (variables, pointer, expected) => {
    const body = { definitionId: "counting", variables, correlationId: "refused" };
    const answer = await program.call("POST", path, { body });
    expect(answer.status).toBe(400);
    expect(answer.body.code).toBe("instances.variables_invalid");
    expect(answer.body.errors).toHaveLength(1);
    expect(answer.body.errors[0]).toMatchObject({ pointer, expected: expect.stringContaining(expected) });
    expect((await program.call("GET", `${path}?correlationId=refused`)).body.items).toEqual([]);
  });

  test("every fault is told at once", async () => {
    const body = { definitionId: "counting", variables: { count: true, other: 1 } };
    const { body: problem } = await program.call("POST", path, { body });
    expect(problem.errors.map(({ pointer }) => pointer)).toEqual(["/variables/count", "/variables/other"]);
  });

  test("of a workflow that declares none are refused", async () => {
    const body = { definitionId: "double", input: { n: 1 }, variables: { x: 1 } };
    const { status, body: problem } = await program.call("POST", path, { body });
    expect([status, problem.errors[0]?.pointer]).toEqual([400, "/variables/x"]);
  });
});

describe("children", () => {
  beforeAll(() =>
    calls.define({
      workflowId: "parent",
      name: "Parent",
      steps: [{ stepId: "child", type: "WORKFLOW", workflowId: "double", input: { n: "${input.n}" } }],
    }),
  );

  test("are listed by their parent, which they name", async () => {
    const parent = await calls.start("parent", { n: 3 });
    await calls.untilItIs("COMPLETED", parent);
    const { body } = await program.call("GET", `${path}?parentInstanceId=${parent}`);
    expect(body.items).toMatchObject([{ workflowId: "double", parentInstanceId: parent }]);
    expect((await calls.get(body.items[0]!.id)).parentInstanceId).toBe(parent);
    expect((await program.call("GET", `${path}?parentInstanceId=${uuidv7(Date.now())}`)).body.items).toEqual([]);
  });

  test("of what is no id are refused with a pointer", async () => {
    const { status, body } = await program.call("GET", `${path}?parentInstanceId=me`);
    expect([status, body.errors[0]?.pointer]).toEqual([400, "/query/parentInstanceId"]);
  });
});
