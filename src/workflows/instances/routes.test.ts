import { EventSourceParserStream } from "eventsource-parser/stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, testKey } from "../../../test/support/app.ts";
import { uuidv7 } from "../../foundation/ids.ts";
import { TaskError } from "../../tasks/index.ts";

const path = "/api/v1/workflows/instances";
let program: TestApp;

/** Handlers that tests hold open until they are let go. */
const gates = new Map<string, () => void>();

beforeAll(async () => {
  program = await startTestApp({
    tasks: {
      echo: (input) => input,
      refuse: () => {
        throw new TaskError({ code: "NO_WAY", category: "BUSINESS", message: "No way" });
      },
      gate: (input, { signal }) =>
        new Promise((resolve, reject) => {
          gates.set(String((input as { gate: string }).gate), () => resolve("open"));
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
    },
  });
  await define({
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
  await define({
    workflowId: "paid",
    name: "Waits for a payment",
    steps: [
      { stepId: "prepare", type: "TASK", taskId: "echo", transitions: { default: "pay" } },
      {
        stepId: "pay",
        type: "EVENT_WAIT",
        eventPattern: "payment.*",
        eventCondition: "event.payload.amount > 10",
        transitions: { default: "done" },
      },
      { stepId: "done", type: "TASK", taskId: "echo", input: { paid: "${steps.pay.output.amount}" } },
    ],
    compensationSteps: [{ stepId: "undo", compensationFor: "prepare", type: "TASK", taskId: "echo" }],
  });
  await define({ workflowId: "gated", name: "Gated", steps: [{ stepId: "wait", type: "TASK", taskId: "gate" }] });
  await define({ workflowId: "fails", name: "Fails", steps: [{ stepId: "only", type: "TASK", taskId: "refuse" }] });
});

afterAll(() => program.stop());

async function define(document: object): Promise<void> {
  const { status, body } = await program.call("POST", "/api/v1/workflows/definitions", { body: document });
  expect(status, JSON.stringify(body)).toBe(201);
}

async function start(definitionId: string, input: unknown, more: object = {}): Promise<string> {
  const { status, body } = await program.call("POST", path, { body: { definitionId, input, ...more } });
  expect(status, JSON.stringify(body)).toBe(201);
  return body.instanceId;
}

async function untilItIs(status: string, id: string) {
  await expect.poll(async () => (await program.call("GET", `${path}/${id}`)).body.status).toBe(status);
}

describe("a start", () => {
  test("answers 201 with the instance's id, its version and a place to look", async () => {
    const { status, headers, body } = await program.call("POST", path, {
      body: { definitionId: "double", input: { n: 1 } },
    });
    expect(status).toBe(201);
    expect(Object.keys(body).sort()).toEqual(["definitionId", "instanceId", "startedAt", "status"]);
    expect(headers.get("location")).toBe(`${path}/${body.instanceId}`);
  });

  test("with wait answers with the ended instance", async () => {
    const { status, body } = await program.call("POST", `${path}?wait=PT20S`, {
      body: { definitionId: "double", input: { n: 20 }, correlationId: "c-1" },
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      status: "COMPLETED",
      output: 41,
      workflowId: "double",
      correlationId: "c-1",
      correlation_id: "c-1",
    });
    expect(body.id).toBe(body.instanceId);
    expect(body.completedAt).toBeDefined();
  });

  test("with a wait that is too short answers as without one", async () => {
    const { status, body } = await program.call("POST", `${path}?wait=20`, {
      body: { definitionId: "paid", input: {} },
    });
    expect(status).toBe(201);
    expect(body.completedAt).toBeUndefined();
    expect(["RUNNING", "WAITING_FOR_EVENT"]).toContain(body.status);
  });

  test("with the same key is the same start; with another input it is refused with 422", async () => {
    const body = { definitionId: "double", input: { n: 3 }, idempotencyKey: "key-1" };
    const first = await program.call("POST", path, { body });
    const again = await program.call("POST", path, { body });
    const byHeader = await program.call("POST", path, {
      body: { definitionId: "double", input: { n: 3 } },
      headers: { "idempotency-key": "key-1" },
    });
    const other = await program.call("POST", path, { body: { ...body, input: { n: 4 } } });
    expect([first.status, again.status, byHeader.status, other.status]).toEqual([201, 200, 200, 422]);
    expect(again.body.instanceId).toBe(first.body.instanceId);
    expect(byHeader.body.instanceId).toBe(first.body.instanceId);
    expect(again.body.startedAt).toBe(first.body.startedAt);
    expect(other.body.code).toBe("engine.key_reused");
  });

  test("with two keys that differ is refused", async () => {
    const { status, body } = await program.call("POST", path, {
      body: { definitionId: "double", input: { n: 3 }, idempotencyKey: "a" },
      headers: { "idempotency-key": "b" },
    });
    expect(status).toBe(400);
    expect(body.errors[0]?.pointer).toBe("/headers/idempotency-key");
  });

  test("whose input does not fit the schema is refused with a pointer to each fault, and leaves nothing behind", async () => {
    const { status, body } = await program.call("POST", path, {
      body: { definitionId: "double", input: { n: 0 }, correlationId: "misfit" },
    });
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: "instances.input_invalid", errors: [{ pointer: "/input/n" }] });
    const missing = await program.call("POST", path, { body: { definitionId: "double" } });
    expect(missing.body.errors).toMatchObject([{ pointer: "/input/n", message: "is required" }]);
    const { body: list } = await program.call("GET", `${path}?correlationId=misfit`);
    expect(list.items).toEqual([]);
  });

  test.each([
    ["an unknown definition", { definitionId: "nothing-like-it" }, 404],
    ["an unknown id of a definition", { definitionId: uuidv7(Date.now()) }, 404],
    ["an unknown version", { definitionId: "double", version: "9.9.9" }, 404],
    ["an unknown field", { definitionId: "double", inputs: {} }, 400],
    ["a priority that is none", { definitionId: "double", input: { n: 1 }, priority: "URGENT" }, 400],
    ["a key without end", { definitionId: "double", input: { n: 1 }, idempotencyKey: "x".repeat(256) }, 400],
  ])("of %s is refused", async (_, body, status) => {
    const answer = await program.call("POST", path, { body });
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toContain("application/problem+json");
  });

  test.each(["1Y", "-5", "PT", "soon"])("with wait=%s is refused before anything starts", async (wait) => {
    const { status, body } = await program.call("POST", `${path}?wait=${wait}`, {
      body: { definitionId: "double", input: { n: 1 } },
    });
    expect(status).toBe(400);
    expect(body.errors[0]?.pointer).toBe("/query/wait");
  });

  test("is refused by the latest version only, not by one that was the latest before", async () => {
    const looser = { workflowId: "looser", name: "Looser", steps: [{ stepId: "only", type: "TASK", taskId: "echo" }] };
    await define({ ...looser, version: "1.0.0", inputSchema: { type: "object", required: ["n"] } });
    expect((await program.call("POST", path, { body: { definitionId: "looser", input: {} } })).status).toBe(400);
    await define({ ...looser, version: "1.1.0" });
    await start("looser", {});
  });

  test("takes priorities by name", async () => {
    const id = await start("double", { n: 1 }, { priority: "CRITICAL" });
    expect((await program.call("GET", `${path}/${id}`)).body.priority).toBe(10);
  });

  test("without a key is refused with 401", async () => {
    const { status } = await program.call("POST", path, { body: {}, headers: { authorization: "Bearer wrong" } });
    expect(status).toBe(401);
  });
});

describe("an instance", () => {
  test("is document 002's, with the last attempt of each step", async () => {
    const { body: started } = await program.call("POST", `${path}?wait=PT20S`, {
      body: { definitionId: "double", input: { n: 5 } },
    });
    const { status, body } = await program.call("GET", `${path}/${started.instanceId}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      id: started.instanceId,
      workflowDefinitionId: started.definitionId,
      status: "COMPLETED",
      input: { n: 5 },
      output: 11,
      state: { steps: { first: { status: "COMPLETED", attempt: 1, output: { n: 10 } }, second: { output: 11 } } },
      startedBy: "admin-setting",
      namespace: "default",
    });
    expect(Number.isInteger(body.version)).toBe(true);
  });

  test("that waits says for what and since when", async () => {
    const id = await start("paid", { order: 1 });
    await untilItIs("WAITING_FOR_EVENT", id);
    const { body } = await program.call("GET", `${path}/${id}`);
    expect(body.state.waitingForEvent).toMatchObject({
      eventPattern: "payment.*",
      eventCondition: "event.payload.amount > 10",
    });
    expect(body.currentStepId).toBe("pay");
    expect(body.state.currentStepId).toBe("pay");
  });

  test.each(["", "/history", "/transitions", "/stream"])("that does not exist answers 404 at GET …%s", async (rest) => {
    for (const id of [uuidv7(Date.now()), "nope", "%F0%9F%92%A9"]) {
      expect((await program.call("GET", `${path}/${id}${rest}`)).status).toBe(404);
    }
  });

  test("of another namespace does not exist", async () => {
    const id = await start("double", { n: 1 });
    const elsewhere = { namespace: "elsewhere" };
    expect((await program.call("GET", `${path}/${id}`, elsewhere)).status).toBe(404);
    expect((await program.call("GET", `${path}/${id}/history`, elsewhere)).status).toBe(404);
    const cancel = await program.call("POST", `${path}/${id}/cancel`, { ...elsewhere, body: { reason: "x" } });
    expect(cancel.status).toBe(404);
    const signal = await program.call("POST", `${path}/${id}/signal`, { ...elsewhere, body: { type: "x" } });
    expect(signal.status).toBe(404);
    expect((await program.call("GET", path, elsewhere)).body.items).toEqual([]);
  });
});

describe("a signal", () => {
  test("fulfils the wait whose condition it meets, and no other", async () => {
    const id = await start("paid", {});
    await untilItIs("WAITING_FOR_EVENT", id);
    const small = await program.call("POST", `${path}/${id}/signal`, {
      body: { type: "payment.card", payload: { amount: 1 } },
    });
    expect(small.status).toBe(202);
    expect(small.body.signalId).toBeTypeOf("string");
    await program.call("POST", `${path}/${id}/signal`, { body: { type: "payment.card", payload: { amount: 11 } } });
    await untilItIs("COMPLETED", id);
    expect((await program.call("GET", `${path}/${id}`)).body.output).toEqual({ paid: 11 });
  });

  test("with the same key twice is one signal", async () => {
    const id = await start("paid", {});
    const body = { type: "payment.card", payload: { amount: 1 }, idempotencyKey: "pay-1" };
    const first = await program.call("POST", `${path}/${id}/signal`, { body });
    const again = await program.call("POST", `${path}/${id}/signal`, { body });
    expect([first.status, again.status]).toEqual([202, 202]);
    expect(again.body.signalId).toBe(first.body.signalId);
  });

  test("to an ended instance is refused with 409", async () => {
    const id = await start("double", { n: 1 });
    await untilItIs("COMPLETED", id);
    const { status, body } = await program.call("POST", `${path}/${id}/signal`, { body: { type: "x" } });
    expect(status).toBe(409);
    expect(body.code).toBe("engine.instance_final");
  });
});

describe("a cancel", () => {
  test("tells the running handler, runs the compensation and is recorded", async () => {
    const id = await start("paid", {});
    await untilItIs("WAITING_FOR_EVENT", id);
    const { status } = await program.call("POST", `${path}/${id}/cancel`, { body: { reason: "changed my mind" } });
    expect(status).toBe(200);
    await untilItIs("CANCELLED", id);
    const { body } = await program.call("GET", `${path}/${id}`);
    expect(body.cancelation).toMatchObject({ reason: "changed my mind", requestedBy: "admin-setting", source: "USER" });
    expect(body.compensationState).toMatchObject({ status: "COMPLETED", completed: ["undo"] });
    const again = await program.call("POST", `${path}/${id}/cancel`, { body: { reason: "again" } });
    expect(again.status).toBe(409);
  });

  test("without compensation leaves what was done", async () => {
    const id = await start("paid", {});
    await untilItIs("WAITING_FOR_EVENT", id);
    await program.call("POST", `${path}/${id}/cancel`, { body: { reason: "stop", compensate: false } });
    await untilItIs("CANCELLED", id);
    expect((await program.call("GET", `${path}/${id}`)).body.compensationState).toBeUndefined();
  });

  test("without a reason is refused", async () => {
    const id = await start("paid", {});
    expect((await program.call("POST", `${path}/${id}/cancel`, { body: {} })).status).toBe(400);
  });
});

describe("a list", () => {
  const namespace = "lists";

  beforeAll(async () => {
    const definition = { workflowId: "one", name: "One", steps: [{ stepId: "a", type: "TASK", taskId: "echo" }] };
    await program.call("POST", "/api/v1/workflows/definitions", { namespace, body: definition });
    for (let n = 0; n < 7; n++) {
      const body = { definitionId: "one", input: { n }, correlationId: n % 2 === 0 ? "even" : "odd" };
      await program.call("POST", `${path}?wait=PT20S`, { namespace, body });
    }
  });

  test("is read page by page, newest first, each item once", async () => {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? "" : `&cursor=${cursor}`;
      const { body } = await program.call("GET", `${path}?limit=3${query}`, { namespace });
      seen.push(...body.items.map(({ id }) => id));
      cursor = body.nextCursor;
    } while (cursor !== null);
    expect(seen).toHaveLength(7);
    expect(seen).toEqual([...seen].sort().reverse());
  });

  test("is narrowed by status, definition, correlation and time", async () => {
    const count = async (query: string) =>
      (await program.call("GET", `${path}?${query}`, { namespace })).body.items.length;
    expect(await count("status=COMPLETED")).toBe(7);
    expect(await count("status=FAILED,RUNNING")).toBe(0);
    expect(await count("status=COMPLETED,FAILED&correlationId=odd")).toBe(3);
    expect(await count("definitionId=one")).toBe(7);
    expect(await count("definitionId=two")).toBe(0);
    expect(await count("startedAfter=2999-01-01T00:00:00Z")).toBe(0);
    expect(await count("startedBefore=2999-01-01T00:00:00%2B02:00&startedAfter=1970-01-01T00:00:00Z")).toBe(7);
  });

  test.each([
    ["status=DONE", "/query/status"],
    ["limit=0", "/query/limit"],
    ["limit=501", "/query/limit"],
    ["startedAfter=yesterday", "/query/startedAfter"],
    ["cursor=bm9wZQ", "/query/cursor"],
    ["colour=red", "/query/colour"],
  ])("with %s is refused at %s", async (query, pointer) => {
    const { status, body } = await program.call("GET", `${path}?${query}`);
    expect(status).toBe(400);
    expect(body.errors[0]?.pointer).toBe(pointer);
  });
});

describe("a history", () => {
  test("holds every attempt in order, page by page", async () => {
    const { body: started } = await program.call("POST", `${path}?wait=PT20S`, {
      body: { definitionId: "double", input: { n: 2 } },
    });
    const first = await program.call("GET", `${path}/${started.instanceId}/history?limit=1`);
    expect(first.body.items).toMatchObject([
      { seq: 1, stepId: "first", type: "TASK", attempt: 1, status: "COMPLETED" },
    ]);
    const next = await program.call("GET", `${path}/${started.instanceId}/history?cursor=${first.body.nextCursor}`);
    expect(next.body).toMatchObject({ items: [{ seq: 2, stepId: "second", output: 5 }], nextCursor: null });
    expect(next.body.items[0]?.nodeId).toBe(program.app.engine.nodeId);
    expect(next.body.items[0]?.epoch).toBeGreaterThan(0);
  });

  test("of the status has every change", async () => {
    const id = await start("fails", {});
    await untilItIs("FAILED", id);
    const { body } = await program.call("GET", `${path}/${id}/transitions`);
    expect(body.items.map(({ toState }) => toState)).toEqual(["RUNNING", "FAILED"]);
  });
});

describe("a stream", () => {
  interface Seen {
    event: string | undefined;
    id: string | undefined;
    data: Record<string, unknown>;
  }

  async function* follow(id: string, headers: Record<string, string> = {}): AsyncGenerator<Seen> {
    const response = await fetch(`${program.url}${path}/${id}/stream`, {
      headers: { "x-api-key": testKey, ...headers },
    });
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const events = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    for await (const { event, id: eventId, data } of events) yield { event, id: eventId, data: JSON.parse(data) };
  }

  async function all(events: AsyncGenerator<Seen>): Promise<Seen[]> {
    const seen: Seen[] = [];
    for await (const event of events) seen.push(event);
    return seen;
  }

  test("of an ended instance tells its steps and ends", async () => {
    const id = await start("double", { n: 1 });
    await untilItIs("COMPLETED", id);
    const seen = await all(follow(id));
    expect(seen.map(({ event }) => event)).toEqual(["instance", "step", "step", "end"]);
    expect(seen.filter(({ event }) => event === "step").map(({ id: seq }) => seq)).toEqual(["1", "2"]);
    expect(seen[0]!.data).not.toHaveProperty("input");
    expect(seen.at(-1)!.data).toMatchObject({ status: "COMPLETED", output: 3 });
  });

  test("goes on after the last event that the client has seen", async () => {
    const id = await start("double", { n: 1 });
    await untilItIs("COMPLETED", id);
    const seen = await all(follow(id, { "last-event-id": "1" }));
    expect(seen.filter(({ event }) => event === "step").map(({ id: seq }) => seq)).toEqual(["2"]);
  });

  test("follows a living instance to its end", async () => {
    const id = await start("paid", {});
    const seen: Seen[] = [];
    for await (const event of follow(id)) {
      seen.push(event);
      if (event.data.status === "WAITING_FOR_EVENT") {
        await program.call("POST", `${path}/${id}/signal`, { body: { type: "payment.cash", payload: { amount: 99 } } });
      }
    }
    expect(seen.at(-1)).toMatchObject({ event: "end", data: { status: "COMPLETED", output: { paid: 99 } } });
    const steps = seen.filter(({ event }) => event === "step").map(({ data }) => `${data.stepId} ${data.status}`);
    expect(steps).toContain("pay COMPLETED");
    expect(steps.at(-1)).toBe("done COMPLETED");
  });

  test("tells of an instance that is cancelled while its handler runs", async () => {
    const id = await start("gated", { gate: "stream" });
    await expect.poll(() => gates.has("stream")).toBe(true);
    const events = follow(id);
    await events.next();
    await program.call("POST", `${path}/${id}/cancel`, { body: { reason: "enough" } });
    const seen = await all(events);
    expect(seen.at(-1)).toMatchObject({ event: "end", data: { status: "CANCELLED" } });
  });
});
