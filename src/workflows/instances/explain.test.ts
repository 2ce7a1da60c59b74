import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EventSourceParserStream } from "eventsource-parser/stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, testKey } from "../../../test/support/app.ts";
import {
  definitionsPath,
  type InstanceCalls,
  instanceCalls,
  instancesPath as path,
} from "../../../test/support/instances.ts";
import { whyRules } from "../../engine/index.ts";
import { uuidv7 } from "../../foundation/ids.ts";
import { TaskError } from "../../tasks/index.ts";

let program: TestApp;
let calls: InstanceCalls;
/** Lets the handler `hold` end. */
let release: (() => void) | undefined;

beforeAll(async () => {
  program = await startTestApp({
    tasks: {
      tell(input, { log }) {
        const { name } = input as { name: string };
        log.debug(`Looking at ${name}`);
        log.info(`Found ${name}`, { name });
        log.warn(`${name} is late`);
        return name;
      },
      async hold(_, { log }) {
        log.info("Held something up");
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      },
      async after(_, { log }) {
        while (release === undefined) await new Promise(setImmediate);
        log.info("Held up nobody");
      },
      refuse() {
        throw new TaskError({ code: "NO_WAY", category: "BUSINESS", message: "No way" });
      },
    },
  });
  calls = instanceCalls(program);
  await calls.define({
    workflowId: "telling",
    name: "Telling",
    executionLog: { level: "debug" },
    steps: [
      { stepId: "first", type: "TASK", taskId: "tell", input: { name: "one" }, transitions: { default: "wait" } },
      { stepId: "wait", type: "EVENT_WAIT", eventPattern: "go", transitions: { default: "second" } },
      { stepId: "second", type: "TASK", taskId: "tell", input: { name: "two" } },
    ],
  });
});
afterAll(() => program.stop());

async function waiting(): Promise<string> {
  const id = await calls.start("telling");
  await calls.untilItIs("WAITING_FOR_EVENT", id);
  return id;
}

async function completed(): Promise<string> {
  const id = await waiting();
  await calls.post(id, "signal", { type: "go" });
  await calls.untilItIs("COMPLETED", id);
  return id;
}

/** Messages of a page of the log. */
async function messages(id: string, query = ""): Promise<unknown[]> {
  const { status, body } = await program.call("GET", `${path}/${id}/logs${query}`);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.items.map(({ message }) => message);
}

const all = ["Looking at one", "Found one", "one is late", "Looking at two", "Found two", "two is late"];

/** An instance whose handlers' six lines can be read; lines may be written a moment after the step. */
async function logged(): Promise<string> {
  const id = await completed();
  await expect.poll(() => messages(id).then((found) => all.filter((one) => found.includes(one)))).toEqual(all);
  return id;
}

describe("why", () => {
  test("names the step, the rule and since when; an ended instance has nothing to say", async () => {
    const id = await waiting();
    const { status, body } = await program.call("GET", `${path}/${id}/why`);
    expect(status).toBe(200);
    expect(body.items).toMatchObject([{ stepId: "wait", rule: "EVENT", since: expect.any(String) }]);
    expect(body.items[0]!.detail).toBeTypeOf("string");
    await calls.post(id, "signal", { type: "go" });
    await calls.untilItIs("COMPLETED", id);
    expect((await program.call("GET", `${path}/${id}/why`)).body).toEqual({ items: [] });
  });

  test("a paused instance says so", async () => {
    const id = await waiting();
    await calls.post(id, "pause");
    await calls.untilItIs("PAUSED", id);
    const { body } = await program.call("GET", `${path}/${id}/why`);
    expect(body.items.map(({ rule }) => rule)).toContain("PAUSED");
  });

  test("GLOSSARY has every rule, and no other", () => {
    const page = readFileSync(join(import.meta.dirname, "..", "..", "..", "GLOSSARY.md"), "utf8");
    const [, section] = page.split("## Rules of `why`");
    const listed = [...section!.split("\n## ")[0]!.matchAll(/^\| `([A-Z_]+)` +\|/gm)].map(([, rule]) => rule);
    expect(listed).toEqual([...whyRules]);
  });
});

describe("a log", () => {
  test("has what handlers write, with level, source, step and attempt", async () => {
    const id = await logged();
    const { body } = await program.call("GET", `${path}/${id}/logs?stepId=first`);
    expect(body.items.find(({ message }) => message === "Found one")).toMatchObject({
      level: "info",
      source: "task",
      stepId: "first",
      attempt: 1,
      details: { name: "one" },
      at: expect.any(String),
    });
  });

  test("is narrowed by level, step and text", async () => {
    const id = await logged();
    expect(await messages(id, "?level=warn")).toEqual(["one is late", "two is late"]);
    expect(await messages(id, "?level=error")).toEqual([]);
    const ofSecond = await messages(id, "?stepId=second&level=info");
    expect(ofSecond.filter((one) => all.includes(String(one)))).toEqual(["Found two", "two is late"]);
    expect(await messages(id, "?search=FOUND")).toEqual(["Found one", "Found two"]);
    expect(await messages(id, "?search=%25")).toEqual([]);
  });

  test("is read page by page, oldest first, each line once", async () => {
    const id = await logged();
    const seen: unknown[] = [];
    let cursor: string | null = null;
    do {
      const more: string = cursor === null ? "" : `&cursor=${cursor}`;
      const { body } = await program.call("GET", `${path}/${id}/logs?limit=2${more}`);
      expect(body.items.length).toBeLessThanOrEqual(2);
      seen.push(...body.items.map(({ message }) => message));
      cursor = body.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(await messages(id));
    expect(seen.filter((message) => all.includes(String(message)))).toEqual(all);
  });

  test.each([
    ["level=loud", "/query/level"],
    ["limit=0", "/query/limit"],
    ["cursor=bm9wZQ", "/query/cursor"],
    ["search=", "/query/search"],
  ])("with %s is refused at %s", async (query, pointer) => {
    const { status, body } = await program.call("GET", `${path}/${await waiting()}/logs?${query}`);
    expect([status, body.errors[0]?.pointer]).toEqual([400, pointer]);
  });

  test("is followed to the instance's end, and resumed after the last line seen", async () => {
    const id = await waiting();
    const seen: Seen[] = [];
    for await (const event of follow(id)) {
      seen.push(event);
      if (event.data.message === "one is late") await calls.post(id, "signal", { type: "go" });
    }
    const lines = seen.filter(({ event }) => event === "log").map(({ data }) => data.message);
    expect(lines.filter((message) => all.includes(String(message)))).toEqual(all);
    expect(seen.at(-1)).toMatchObject({ event: "end", data: { instanceId: id, status: "COMPLETED" } });

    const third = seen.find(({ data }) => data.message === "one is late")!;
    const rest: Seen[] = [];
    for await (const event of follow(id, { headers: { "last-event-id": third.id! } })) rest.push(event);
    expect(rest.map(({ data }) => data.message ?? data.status)).toEqual(
      seen.slice(seen.indexOf(third) + 1).map(({ data }) => data.message ?? data.status),
    );
    const warnings: Seen[] = [];
    for await (const event of follow(id, { query: "?level=warn" })) warnings.push(event);
    expect(warnings.map(({ data }) => data.message)).toEqual(["one is late", "two is late", undefined]);
  });

  test("a line of a step that runs long comes when it is written, though younger ones came before", async () => {
    const branch = (branchId: string, taskId: string) => {
      return { branchId, steps: [{ stepId: branchId, type: "TASK", taskId, input: { name: branchId } }] };
    };
    await calls.define({
      workflowId: "side-by-side",
      name: "Side by side",
      steps: [{ stepId: "both", type: "PARALLEL", branches: [branch("slow", "hold"), branch("quick", "after")] }],
    });
    const id = await calls.start("side-by-side");
    const seen: unknown[] = [];
    for await (const { data } of follow(id)) {
      if (String(data.message).startsWith("Held")) seen.push(data.message);
      if (data.message === "Held up nobody") release?.();
    }
    expect(seen).toEqual(["Held up nobody", "Held something up"]);
    expect(await messages(id, "?search=Held")).toEqual(["Held something up", "Held up nobody"]);
  });

  interface Seen {
    event: string | undefined;
    id: string | undefined;
    data: Record<string, unknown>;
  }

  async function* follow(
    id: string,
    { query = "", headers = {} }: { query?: string; headers?: Record<string, string> } = {},
  ): AsyncGenerator<Seen> {
    const url = `${program.url}${path}/${id}/logs/stream${query}`;
    const response = await fetch(url, { headers: { "x-api-key": testKey, ...headers } });
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const events = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    for await (const { event, id: eventId, data } of events) yield { event, id: eventId, data: JSON.parse(data) };
  }
});

test.each(["why", "logs", "logs/stream"])("%s of an instance that does not exist answers 404", async (what) => {
  for (const id of [uuidv7(Date.now()), "nope"]) {
    const { status, body } = await program.call("GET", `${path}/${id}/${what}`);
    expect([status, body.code]).toEqual([404, "engine.instance_not_found"]);
  }
  const elsewhere = await program.call("GET", `${path}/${await waiting()}/${what}`, { namespace: "elsewhere" });
  expect(elsewhere.status).toBe(404);
});

describe("statistics", () => {
  const step = { stepId: "only", type: "TASK", taskId: "tell", input: { name: "${input.name}" } };
  let first: string;

  beforeAll(async () => {
    first = await calls.define({ workflowId: "counted", name: "Counted", version: "1.0.0", steps: [step] });
    const refusing = [{ ...step, taskId: "refuse" }];
    await calls.define({ workflowId: "counted", name: "Counted", version: "2.0.0", steps: refusing });
    for (const version of ["1.0.0", "1.0.0", "2.0.0"]) {
      const id = await calls.start("counted", { name: "x" }, { version });
      await calls.untilItIs(version === "1.0.0" ? "COMPLETED" : "FAILED", id);
    }
  });

  async function statistics(reference: string): Promise<Record<string, unknown>> {
    const { status, body } = await program.call("GET", `${definitionsPath}/${reference}`);
    expect(status, JSON.stringify(body)).toBe(200);
    return body;
  }

  test("of a workflow count all versions together", async () => {
    await expect
      .poll(() => statistics("counted/statistics"))
      .toMatchObject({ workflowId: "counted", started: 3, completed: 2, failed: 1, cancelled: 0, open: 0 });
    const { failures, duration, since, definitionId } = await statistics("counted/statistics");
    expect(failures).toEqual([{ stepId: "only", code: "NO_WAY", count: 1 }]);
    expect(duration).toEqual({ p50: expect.any(Number), p95: expect.any(Number), p99: expect.any(Number) });
    expect(since).toBeTypeOf("string");
    expect(definitionId).toBeUndefined();
  });

  test("of a version count that one, by its number or its id", async () => {
    const expected = { definitionId: first, version: "1.0.0", started: 2, completed: 2, failed: 0, failures: [] };
    await expect.poll(() => statistics("counted/statistics?version=1.0.0")).toMatchObject(expected);
    expect(await statistics(`${first}/statistics`)).toMatchObject(expected);
  });

  test("of a workflow that never ran are zero", async () => {
    await calls.define({ workflowId: "idle", name: "Idle", steps: [step] });
    expect(await statistics("idle/statistics")).toMatchObject({ started: 0, open: 0, duration: null, since: null });
  });

  test.each(["nothing-like-it/statistics", "counted/statistics?version=9.9.9"])(
    "of %s answer 404",
    async (reference) => {
      const { status, body } = await program.call("GET", `${definitionsPath}/${reference}`);
      expect([status, body.code]).toEqual([404, "workflows.definition_not_found"]);
    },
  );
});
