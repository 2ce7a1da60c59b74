import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openCountingProxy } from "../../test/support/counting_proxy.ts";
import { openTestDatabase } from "../../test/support/database.ts";
import {
  ended,
  linesOf,
  rigNamespace as namespace,
  runToEnd,
  said,
  startRig,
  rigStep as step,
  until,
  rigWorkflow as workflow,
} from "../../test/support/engine_rig.ts";
import { Database } from "../foundation/database/index.ts";
import { silentLogger } from "../foundation/log.ts";
import { TaskError, type TaskHandler } from "../tasks/index.ts";
import type { Engine, LogItem } from "./contract.ts";
import type { Step } from "./machine/definition.ts";
import { saveLogs } from "./queries/work.ts";

let db: Database;
let url: string;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ db, url, drop } = await openTestDatabase());
});
afterAll(() => drop());

describe("what handlers say", () => {
  let engine: Engine;
  const gate = Promise.withResolvers<void>();
  const tasks: Record<string, TaskHandler> = {
    talk: (input, { log }) => {
      for (const level of ["debug", "info", "warn", "error"] as const) log[level](`a ${level} line`, { seen: input });
      return 1;
    },
    slow: async (_input, { log }) => {
      log.info("early");
      await gate.promise;
      log.info("late");
    },
    shaky: (_input, { log, attempt }) => {
      log.info(`attempt ${attempt}`);
      if (attempt < 3) throw new TaskError({ code: "SHAKY", category: "TRANSIENT", message: "not yet" });
      return attempt;
    },
    stubborn: (_input, { log, signal }) =>
      new Promise((resolve) => {
        log.info("begun");
        signal.addEventListener("abort", () => {
          log.warn("told to stop");
          resolve(null);
        });
      }),
    chatty: (_input, { log }) => {
      for (let n = 0; n < 1_200; n++) log.info(`line ${String(n).padStart(4, "0")}`);
    },
    afterwards: (_input, { log }) => {
      setTimeout(() => log.info("after the result"), 50);
    },
    awkward: (_input, { log }) => {
      log.info("half \ud800 and nul \u0000", { nul: "\u0000", big: "x".repeat(100_000), when: new Date(0) });
    },
  };
  const levels = ["debug", "info", "error"] as const;
  const definitions = [
    workflow("talk", [step("talk", { input: "input.order" })]),
    ...levels.map((level) => workflow(`talk-${level}`, [step("talk")], { executionLog: { level } })),
    workflow("slow", [step("slow")]),
    workflow("shaky", [step("shaky", { retryPolicy: { initialInterval: 10, maxAttempts: 3 } })]),
    workflow("stubborn", [step("stubborn")]),
    workflow("chatty", [step("chatty")]),
    workflow("afterwards", [step("afterwards"), { stepId: "rest", type: "DELAY", delay: 10 }]),
    workflow("awkward", [step("awkward")]),
    workflow("each", [
      {
        stepId: "each",
        type: "MAP",
        items: "input.items",
        steps: [step("talk", { input: "item", executionLog: undefined })],
      },
    ]),
    workflow(
      "tagged",
      [
        step("talk", { outputMapping: { total: "output * 7" }, transitions: { default: "again" } }),
        { ...step("again"), taskId: "talk" } as Step,
      ],
      {
        executionLog: {
          level: "error",
          metadata: [
            "input.customerId",
            "correlationId",
            "variables.total",
            "input.nothing",
            "input.long",
            "steps.talk.output",
            "__proto__",
          ],
        },
      },
    ),
  ];

  beforeAll(async () => {
    engine = await startRig({ db, definitions, tasks });
  });
  afterAll(() => engine.stop());

  test("is kept with its step, attempt and details, in the order in which it was said", async () => {
    const { id } = await runToEnd(engine, "talk", { order: { sku: "A-1" } });
    const items = await linesOf(engine, id);
    expect(said(items)).toEqual(["task info a info line", "task warn a warn line", "task error a error line"]);
    expect(items[0]).toMatchObject({ stepId: "talk", path: "talk", attempt: 1, details: { seen: { sku: "A-1" } } });
    expect(Math.abs(Date.parse(items[0]!.at) - Date.now())).toBeLessThan(60_000);
    expect(await engine.logs({ namespace: "another", instanceId: id, limit: 10 })).toEqual([]);
  });

  test.each([
    ["debug", 4],
    ["info", 3],
    ["error", 1],
  ])("is kept from the level %s on that the definition names", async (level, kept) => {
    const { id } = await runToEnd(engine, `talk-${level}`);
    const items = await linesOf(engine, id);
    expect(items).toHaveLength(kept);
    expect(items.at(-1)!.level).toBe("error");
  });

  test("can be read while the handler still runs, once it has for a second", async () => {
    const { instanceId } = await engine.startInstance({ namespace, definitionId: "slow", input: {} });
    const early = await until(
      () => linesOf(engine, instanceId),
      (items) => items.length > 0,
    );
    expect(said(early)).toEqual(["task info early"]);
    expect((await engine.getInstance({ namespace, instanceId }))!.status).toBe("RUNNING");
    gate.resolve();
    await ended(engine, instanceId);
    expect(said(await linesOf(engine, instanceId))).toEqual(["task info early", "task info late"]);
  });

  test("is kept of attempts that fail, beside what the engine says of them", async () => {
    const { id } = await runToEnd(engine, "shaky");
    const items = await linesOf(engine, id);
    expect(items.filter(({ source }) => source === "task").map(({ attempt, message }) => [attempt, message])).toEqual([
      [1, "attempt 1"],
      [2, "attempt 2"],
      [3, "attempt 3"],
    ]);
    const engines = items.filter(({ source }) => source === "engine");
    expect(engines.map(({ level, attempt, stepId }) => [level, attempt, stepId])).toEqual([
      ["warn", 1, "shaky"],
      ["warn", 2, "shaky"],
    ]);
    expect(engines[0]!.message).toMatch(/^Attempt 1 of step "shaky" failed, the next is at .*: SHAKY: not yet$/);
  });

  test("is kept of a handler that is told to stop, though its instance has ended", async () => {
    const { instanceId } = await engine.startInstance({ namespace, definitionId: "stubborn", input: {} });
    await until(
      () => engine.why({ namespace, instanceId }),
      (items) => items?.[0]?.rule === "RUNNING",
    );
    await engine.cancel({ namespace, instanceId, reason: "enough", requestedBy: "ann" });
    const items = await until(
      () => linesOf(engine, instanceId),
      (found) => found.length === 3,
    );
    expect(said(items).sort()).toEqual([
      "engine info Cancelled by ann: enough",
      "task info begun",
      "task warn told to stop",
    ]);
  });

  test("is kept when it is a lot, and page by page by a cursor", async () => {
    const { id } = await runToEnd(engine, "chatty");
    const all: LogItem[] = [];
    const find = async () => {
      all.length = 0;
      for (let after: string | undefined; ; ) {
        const page = await linesOf(engine, id, { limit: 500, ...(after === undefined ? {} : { after }) });
        all.push(...page);
        if (page.length < 500) return all.length;
        after = page.at(-1)!.id;
      }
    };
    await until(find, (count) => count === 1_200);
    expect(all.map(({ message }) => message)).toEqual(
      Array.from({ length: 1_200 }, (_, n) => `line ${String(n).padStart(4, "0")}`),
    );
  });

  test("is kept when it is said after the result", async () => {
    const { id } = await runToEnd(engine, "afterwards");
    const items = await until(
      () => linesOf(engine, id),
      (found) => found.length > 0,
    );
    expect(said(items)).toEqual(["task info after the result"]);
  });

  test("is kept as far as it can be stored", async () => {
    const { id } = await runToEnd(engine, "awkward");
    const [line] = await linesOf(engine, id);
    expect(line!.message).toBe("half \ufffd and nul \ufffd");
    expect(JSON.stringify(line!.details)).toContain("omitted");
  });

  test("is found by step, level and text", async () => {
    const { id } = await runToEnd(engine, "each", { items: [1, 2] });
    expect(await linesOf(engine, id, { level: "warn" })).toHaveLength(4);
    expect(await linesOf(engine, id, { stepId: "talk" })).toHaveLength(6);
    expect(await linesOf(engine, id, { stepId: "each" })).toHaveLength(0);
    expect(await linesOf(engine, id, { search: "A WARN" })).toHaveLength(2);
    expect(await linesOf(engine, id, { search: "%" })).toHaveLength(0);
    const paths = new Set((await linesOf(engine, id)).map(({ path }) => path));
    expect([...paths].sort()).toEqual(["each/0/talk", "each/1/talk"]);
  });

  test("carries the fields that the definition names, as they are when it is said", async () => {
    const { instanceId } = await engine.startInstance({
      namespace,
      definitionId: "tagged",
      correlationId: "order-9",
      input: { customerId: 12, long: "x".repeat(2_000) },
    });
    await ended(engine, instanceId);
    const items = await linesOf(engine, instanceId);
    const first = { "input.customerId": 12, correlationId: "order-9" };
    expect(items.map(({ stepId, details }) => [stepId, (details as { metadata: object }).metadata])).toEqual([
      ["talk", first],
      ["again", { ...first, "variables.total": 7, "steps.talk.output": 1 }],
    ]);
  });

  test("counts once when its write was sent twice", async () => {
    const { id } = await runToEnd(engine, "talk", { order: 1 });
    const [line] = await linesOf(engine, id);
    const shard = Number(
      (
        await db.unnamed<{ shard: number }>(
          "select shard from workflow_orchestrator_service.workflow_instances where id = $1",
          [id],
        )
      )[0]!.shard,
    );
    const row = [shard, id, line!.id, null, "info", "again", null, "task", null, null, null, Date.now(), null];
    await db.execute(saveLogs, [JSON.stringify([row])]);
    expect(await linesOf(engine, id)).toHaveLength(3);
  });
});

test("what a short step says costs no statement, and one that goes its way has no lines of the engine", async () => {
  const proxy = await openCountingProxy(url);
  const proxied = new Database({ url: proxy.url, log: silentLogger });
  const engine = await startRig({
    db: proxied,
    definitions: [workflow("short", [step("short")])],
    tasks: { short: (_input, { log }) => log.info("said") },
  });
  onTestFinished(async () => {
    await engine.stop();
    await proxied.close();
    await proxy.close();
  });
  proxy.take();
  const ended = await Promise.all(Array.from({ length: 50 }, () => runToEnd(engine, "short")));
  expect(proxy.take().get("engine.save_logs")).toBeUndefined();
  for (const { id } of ended) expect(said(await linesOf(engine, id))).toEqual(["task info said"]);
});

test("lines are there with their result or not at all, when the node loses what it has not written", async () => {
  let runs = 0;
  const engine = await startRig({
    db,
    definitions: [workflow("cut", [step("cut")])],
    tasks: {
      cut: async (_input, { log }) => {
        log.info(`run ${++runs}`);
        // Its lane is closed as by a node that takes over; the flush with the result is void.
        if (runs === 1) await db.unnamed("update cluster.lanes set closed_at = now() where closed_at is null");
        return runs;
      },
    },
  });
  onTestFinished(() => engine.stop());
  const view = await runToEnd(engine, "cut");
  expect(view.output).toBe(2);
  expect(said(await linesOf(engine, view.id))).toEqual(["task info run 2"]);
});

test("a step that runs on another node says what its definition keeps", async () => {
  const definitions = [
    workflow("away", [step("away")], { executionLog: { level: "error", metadata: ["input.customerId"] } }),
  ];
  const owner = await startRig({ db, definitions });
  const runner = await startRig({
    db,
    definitions,
    tasks: {
      away: (_input, { log }) => {
        log.info("not kept");
        log.error("kept");
      },
    },
  });
  onTestFinished(async () => {
    await runner.stop();
    await owner.stop();
  });
  const ids = await Promise.all(
    Array.from({ length: 8 }, async (_, customerId) => {
      const { instanceId } = await owner.startInstance({ namespace, definitionId: "away", input: { customerId } });
      return instanceId;
    }),
  );
  for (const [customerId, id] of ids.entries()) {
    await ended(owner, id);
    const items = await until(
      () => linesOf(owner, id),
      (found) => found.length > 0,
    );
    expect(items).toMatchObject([{ message: "kept", details: { metadata: { "input.customerId": customerId } } }]);
  }
});
