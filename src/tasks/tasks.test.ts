import { describe, expect, test } from "vitest";
import { createBuiltinTasks, createTaskRegistry, type TaskContext, TaskError, type TaskHandler } from "./index.ts";

function contextOf(lines: unknown[] = []): TaskContext {
  const write = (level: string) => (message: string) => void lines.push([level, message]);
  return {
    signal: new AbortController().signal,
    idempotencyKey: "key-1",
    attempt: 1,
    instanceId: "i",
    stepId: "s",
    log: { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") },
  };
}

async function run(taskId: string, input: unknown, ctx = contextOf()): Promise<unknown> {
  const tasks = createBuiltinTasks({ allowPrivateAddresses: false });
  try {
    return await tasks.handlers[taskId]!(input, ctx);
  } finally {
    await tasks.close();
  }
}

async function failureOf(taskId: string, input: unknown): Promise<TaskError> {
  const thrown = await run(taskId, input).then(
    (output) => new Error(`gave ${JSON.stringify(output)}`),
    (error: unknown) => error,
  );
  if (thrown instanceof TaskError) return thrown;
  throw thrown;
}

describe("registry", () => {
  const handler: TaskHandler = () => 1;

  test("gives the handler of a task and none for a task it does not know", () => {
    const registry = createTaskRegistry({ b: handler });
    registry.register("a", handler);
    expect(registry.get("b")).toBe(handler);
    expect(registry.get("toString")).toBe(undefined);
    expect(registry.ids()).toEqual(["a", "b"]);
  });

  test("refuses a second handler for a task, so a built-in cannot be replaced unnoticed", async () => {
    const tasks = createBuiltinTasks({ allowPrivateAddresses: false });
    const registry = createTaskRegistry(tasks.handlers);
    expect(registry.ids()).toEqual(["event.publish", "fail", "http.request", "log", "transform"]);
    expect(() => registry.register("log", handler)).toThrow(expect.objectContaining({ code: "tasks.handler_exists" }));
    await tasks.close();
  });

  test("refuses ids that no definition can name and handlers that are none", () => {
    for (const id of ["", "a b", "ä", "x".repeat(256)]) {
      expect(() => createTaskRegistry({ [id]: handler })).toThrow(
        expect.objectContaining({ code: "tasks.task_id_invalid" }),
      );
    }
    const untyped: Record<string, TaskHandler> = JSON.parse('{"a": 5}');
    expect(() => createTaskRegistry(untyped)).toThrow(expect.objectContaining({ code: "tasks.handler_invalid" }));
  });
});

test("transform refuses an expression that was computed, for data must not become code", async () => {
  const failure = await failureOf("transform", { expression: "1 + 1" });
  expect(failure).toMatchObject({ code: "INPUT_INVALID", category: "VALIDATION" });
});

describe("log", () => {
  test("writes one line at the level asked for, and gives null", async () => {
    const lines: unknown[] = [];
    expect(await run("log", { message: "hi" }, contextOf(lines))).toBe(null);
    await run("log", { message: { n: 1 }, level: "warn" }, contextOf(lines));
    expect(lines).toEqual([
      ["info", "hi"],
      ["warn", '{"n":1}'],
    ]);
  });
});

describe("fail", () => {
  test("fails with what it is told, as BUSINESS unless told otherwise", async () => {
    expect(await failureOf("fail", { code: "NO_STOCK", message: "none left" })).toMatchObject({
      code: "NO_STOCK",
      category: "BUSINESS",
      message: "none left",
    });
    expect(await failureOf("fail", { code: "X", message: "m", category: "TRANSIENT" })).toMatchObject({
      category: "TRANSIENT",
    });
  });
});

test.each([
  ["log", {}, '"message" is missing'],
  ["log", { message: "x", level: "loud" }, '"level" is "loud"; one of debug, info, warn, error is expected'],
  ["log", [], "the input is a list"],
  ["fail", {}, '"code" is missing'],
  ["fail", { code: "X" }, '"message" is missing'],
  ["fail", { code: "a b", message: "x" }, '"code" holds other signs'],
  ["fail", { code: "X", message: "m", category: "BAD" }, '"category" is "BAD"; one of TRANSIENT'],
  ["http.request", "https://example.com", "the input is a string"],
  ["http.request", { url: "/path" }, "no absolute URL"],
  ["http.request", { url: "ftp://example.com" }, '"url" begins with ftp:'],
  ["http.request", { url: "file:///etc/passwd" }, '"url" begins with file:'],
  ["http.request", { url: "https://user:pw@example.com" }, "user name or password"],
  ["http.request", { url: "https://example.com", method: "CONNECT" }, '"method" is "CONNECT"'],
  ["http.request", { url: "https://example.com", body: 1 }, "GET carries none"],
  ["http.request", { url: "https://example.com", timeout: "1 hour" }, '"timeout": "1 hour" is not a duration'],
  ["http.request", { url: "https://example.com", timeout: 0 }, "between 1 ms and 24 hours"],
  ["http.request", { url: "https://example.com", headers: [] }, '"headers" is a list'],
  ["http.request", { url: "https://example.com", headers: { "a b": "x" } }, 'the name "a b"'],
  ["http.request", { url: "https://example.com", headers: { a: "x\r\nHost: y" } }, "cannot carry"],
  ["http.request", { url: "https://example.com", headers: { Host: "x" } }, "is set by the program"],
  ["http.request", { url: "https://example.com", headers: { a: "1", A: "2" } }, "there twice"],
  ["http.request", { url: "https://example.com", headers: { a: {} } }, "the header a is an object"],
])("%s refuses the input %j with words that help, and is not tried again", async (taskId, input, words) => {
  const failure = await failureOf(taskId, input);
  expect(failure).toMatchObject({ code: "INPUT_INVALID", category: "VALIDATION" });
  expect(failure.message).toContain(words);
});
