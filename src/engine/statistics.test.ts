import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { openCountingProxy } from "../../test/support/counting_proxy.ts";
import { openTestDatabase } from "../../test/support/database.ts";
import { ended, rigNamespace as namespace, rigDefinition, runToEnd, startRig } from "../../test/support/engine_rig.ts";
import { openExplainer } from "../../test/support/plans.ts";
import { Database } from "../foundation/database/index.ts";
import { shardOf, uuidv7 } from "../foundation/ids.ts";
import { silentLogger } from "../foundation/log.ts";
import { TaskError, type TaskHandler } from "../tasks/index.ts";
import type { DefinitionStatistics, Engine } from "./contract.ts";
import type { Definition, Step } from "./machine/definition.ts";
import { foldRareFailures, moveTallies, readStatistics } from "./queries/statistics.ts";
import { bucketOf } from "./runtime/tallies.ts";

let db: Database;
let url: string;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ db, url, drop } = await openTestDatabase());
});
afterAll(() => drop());

const fails = (stepId: string, more: object = {}): Step => ({ stepId, type: "TASK", taskId: "fails", ...more }) as Step;
const works = (stepId: string, more: object = {}): Step => ({ stepId, type: "TASK", taskId: "works", ...more }) as Step;

let healed = false;
const tasks: Record<string, TaskHandler> = {
  works: () => 1,
  fails: (input) => {
    const { code = "BROKEN" } = (input ?? {}) as { code?: string };
    throw new TaskError({ code, category: "BUSINESS", message: "no" });
  },
  heals: () => {
    if (!healed) throw new TaskError({ code: "ILL", category: "BUSINESS", message: "not yet" });
    return 1;
  },
};

const workflow = (workflowId: string, steps: Step[], more: Partial<Definition> = {}): Definition => ({
  workflowId,
  name: workflowId,
  version: "1.0.0",
  steps,
  ...more,
});

const nobody = {
  started: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
  open: 0,
  duration: null,
  failures: [],
  since: null,
};

/** The sums, and the counts that are told, must not depend on when tallies are moved. */
async function statisticsOf(engine: Engine, ...definitions: number[]): Promise<DefinitionStatistics> {
  const ask = () => engine.statistics({ definitionIds: definitions.map(rigDefinition) });
  const before = await ask();
  await db.query(moveTallies);
  const after = await ask();
  expect(after).toEqual(before);
  return after;
}

test("500 instances are counted with their durations and failures, though nobody ever looks at them", async () => {
  const definitions = [
    workflow("many", [
      { stepId: "pause", type: "DELAY", delay: "input.ms", transitions: { default: "choose" } },
      {
        stepId: "choose",
        type: "DECISION",
        transitions: { conditions: [{ condition: "input.n % 10 == 0", nextStep: "bad" }], default: "good" },
      },
      works("good"),
      fails("bad", { input: { code: "CODE_${input.n % 20}" } }),
    ]),
  ];
  const proxy = await openCountingProxy(url);
  const proxied = new Database({ url: proxy.url, log: silentLogger });
  const engine = await startRig({ db: proxied, definitions, tasks });
  onTestFinished(async () => {
    await engine.stop();
    await proxied.close();
    await proxy.close();
  });
  const ids = await Promise.all(
    Array.from({ length: 500 }, async (_, n) => {
      const { instanceId } = await engine.startInstance({
        namespace,
        definitionId: "many",
        input: { n, ms: 1 + ((n * 37) % 400) },
      });
      return instanceId;
    }),
  );
  // While they run, four nodes move what was counted.
  let running = true;
  const moving = Promise.all(
    Array.from({ length: 4 }, async () => {
      while (running) await db.query(moveTallies);
    }),
  );
  for (const id of ids) await ended(engine, id);
  running = false;
  await moving;

  proxy.take();
  const statistics = await engine.statistics({ definitionIds: [rigDefinition(0)] });
  expect(Object.fromEntries(proxy.take())).toMatchObject({ "engine.read_statistics": 1 });
  expect(statistics).toMatchObject({ started: 500, completed: 450, failed: 50, cancelled: 0, open: 0 });
  expect(statistics.failures).toEqual([
    { stepId: "bad", code: "CODE_0", count: 25 },
    { stepId: "bad", code: "CODE_10", count: 25 },
  ]);
  expect(Date.parse(statistics.since!)).toBeLessThanOrEqual(Date.now() + 60_000);

  // The rows know better, but have to be read for it.
  const rows = await db.unnamed<{ ms: number }>(
    `select round(extract(epoch from completed_at) * 1000) - round(extract(epoch from started_at) * 1000) as ms
     from workflow_orchestrator_service.workflow_instances where workflow_definition_id = $1`,
    [rigDefinition(0)],
  );
  const tookMs = rows.map(({ ms }) => Number(ms)).sort((a, b) => a - b);
  expect(tookMs).toHaveLength(500);
  for (const [name, share] of [
    ["p50", 0.5],
    ["p95", 0.95],
    ["p99", 0.99],
  ] as const) {
    const exact = tookMs[Math.ceil(share * 500) - 1]!;
    expect(bucketOf(statistics.duration![name]), `${name}: ${statistics.duration![name]} for ${exact} ms`).toBe(
      bucketOf(exact),
    );
  }
  expect(await statisticsOf(engine, 0)).toEqual(statistics);
});

test("neither reading nor moving looks at anything but sums and tallies", async () => {
  const explainer = await openExplainer(url);
  for (const { text, values } of [
    { text: readStatistics.text, values: [[rigDefinition(0)]] },
    { text: moveTallies.text, values: [] },
  ]) {
    const { nodes } = await explainer.explain({ text, values, generic: true });
    const read = new Set(nodes.flatMap(({ relation }) => relation ?? []));
    expect([...read].filter((name) => !/^definition_(statistics|tallies)$/.test(name))).toEqual([]);
  }
  await explainer.close();
});

describe("counts stay right", () => {
  let engine: Engine;
  const wait: Step = { stepId: "wait", type: "EVENT_WAIT", eventPattern: "go" };
  const definitions = [
    workflow("heals", [{ stepId: "heals", type: "TASK", taskId: "heals", transitions: { default: "wait" } }, wait]),
    workflow("moves", [wait]),
    workflow("moves", [wait, works("more")], { version: "2.0.0" }),
    workflow("sleeps", [wait]),
    workflow("limited", [wait], { concurrency: [{ limit: 1 }] }),
  ];
  const [heals, moves, moved, sleeps, limited] = [0, 1, 2, 3, 4] as const;

  beforeAll(async () => {
    await db.unnamed(
      "truncate workflow_orchestrator_service.definition_tallies, workflow_orchestrator_service.definition_statistics",
    );
    engine = await startRig({ db, definitions, tasks });
  });
  afterAll(() => engine.stop());
  beforeEach(() => {
    healed = false;
  });

  const start = async (definitionId: string, version = "1.0.0") =>
    (await engine.startInstance({ namespace, definitionId, version, input: {} })).instanceId;
  const go = (instanceId: string) => engine.signal({ namespace, instanceId, type: "go", payload: {} });

  test("when an instance that failed is tried again: its end is taken back, and ends once in the end", async () => {
    const { id: instanceId } = await runToEnd(engine, "heals");
    const failures = [{ stepId: "heals", code: "ILL", count: 1 }];
    expect(await statisticsOf(engine, heals)).toMatchObject({ started: 1, failed: 1, open: 0, failures });
    const by = { namespace, instanceId, requestedBy: "ann" };
    await engine.retry(by);
    await ended(engine, instanceId);
    failures[0]!.count = 2;
    expect(await statisticsOf(engine, heals)).toMatchObject({ started: 1, failed: 1, open: 0, failures });

    healed = true;
    await engine.retry(by);
    const open = await statisticsOf(engine, heals);
    expect(open).toMatchObject({ started: 1, completed: 0, failed: 0, open: 1, duration: null, failures });
    await go(instanceId);
    const { startedAt, completedAt } = await ended(engine, instanceId);
    const over = await statisticsOf(engine, heals);
    expect(over).toMatchObject({ started: 1, completed: 1, failed: 0, open: 0, failures });
    expect(bucketOf(over.duration!.p99)).toBe(bucketOf(Date.parse(completedAt!) - Date.parse(startedAt)));
  });

  test("when an instance goes on with another version: it is open there, and ends there", async () => {
    const instanceId = await start("moves");
    await engine.migrate({ namespace, instanceId, definitionId: rigDefinition(moved), requestedBy: "ann" });
    expect(await statisticsOf(engine, moves)).toMatchObject({ started: 1, open: 0 });
    expect(await statisticsOf(engine, moved)).toMatchObject({ started: 0, open: 1 });
    await go(instanceId);
    await ended(engine, instanceId);
    expect(await statisticsOf(engine, moves)).toMatchObject({ started: 1, completed: 0, open: 0 });
    expect(await statisticsOf(engine, moved)).toMatchObject({ started: 0, completed: 1, open: 0 });
    expect(await statisticsOf(engine, moves, moved)).toMatchObject({ started: 1, completed: 1, open: 0 });
  });

  test("when an instance is cancelled before it began, or while it waits for a permit", async () => {
    const id = uuidv7(Date.now());
    await db.unnamed(
      `insert into workflow_orchestrator_service.workflow_instances
         (shard, id, namespace, workflow_definition_id, workflow_id, status, ready, input)
       values ($1, $2, $3, $4, 'sleeps', 'CREATED', false, '{}')`,
      [shardOf(id, 64), id, namespace, rigDefinition(sleeps)],
    );
    const reason = { reason: "no", requestedBy: "ann" };
    await engine.cancel({ namespace, instanceId: id, ...reason });
    await ended(engine, id);
    expect(await statisticsOf(engine, sleeps)).toMatchObject({ started: 1, cancelled: 1, open: 0 });

    const first = await start("limited");
    const second = await start("limited");
    expect(await statisticsOf(engine, limited)).toMatchObject({ started: 2, open: 2 });
    await engine.cancel({ namespace, instanceId: second, ...reason });
    await engine.cancel({ namespace, instanceId: first, ...reason });
    for (const one of [first, second]) await ended(engine, one);
    expect(await statisticsOf(engine, limited)).toMatchObject({ started: 2, cancelled: 2, open: 0 });
  });

  test("when an instance that was set aside is cancelled", async () => {
    const before = await statisticsOf(engine, sleeps);
    const instanceId = await start("sleeps");
    const table = "workflow_orchestrator_service.workflow_instances";
    const until = async (text: string) => {
      for (let found = 0; found === 0; ) found = (await db.unnamed(text, [instanceId])).length;
    };
    await until(`update ${table} set state = '{"format": 9}' where id = $1 and state is not null returning id`);
    await expect(go(instanceId)).rejects.toThrow();
    await until(`select from ${table} where id = $1 and parked is not null`);
    await engine.cancel({ namespace, instanceId, reason: "broken", requestedBy: "ann" });
    await ended(engine, instanceId);
    const { started, cancelled } = before;
    expect(await statisticsOf(engine, sleeps)).toMatchObject({
      started: started + 1,
      cancelled: cancelled + 1,
      open: 0,
    });
  });

  test("of a definition that nobody has started there is nothing", async () => {
    expect(await engine.statistics({ definitionIds: [rigDefinition(77)] })).toEqual(nobody);
  });
});

test("rare codes of failures are told together, and no failure is lost", async () => {
  const counts = Array.from({ length: 30 }, (_, n) => ({ step: `s${n % 3}`, code: `C${n}`, n: n + 1 }));
  const tally = async (one: { step: string; code: string; n: number }) => {
    const values = [rigDefinition(99), one.step, one.code, one.n];
    await db.unnamed(
      `insert into workflow_orchestrator_service.definition_tallies (definition_id, kind, step_id, code, n, tallied_at)
       values ($1, 'failure', $2, $3, $4, now())`,
      values,
    );
  };
  const told = async () =>
    (await db.query<{ stepId: string; code: string; n: number }>(readStatistics, [[rigDefinition(99)]]))
      .map(({ stepId, code, n }) => ({ step: stepId, code, n }))
      .sort((a, b) => (a.code === b.code ? a.step.localeCompare(b.step) : b.n - a.n));
  for (const one of counts) await tally(one);
  for (let twice = 0; twice < 2; twice++) {
    await db.query(moveTallies);
    await db.execute(foldRareFailures, [27]);
    await db.execute(foldRareFailures, [27]);
    if (twice === 0) await tally({ step: "s0", code: "RARE", n: 1 });
  }
  const found = await told();
  expect(found.filter(({ code }) => code === "OTHER")).toEqual([
    { step: "s0", code: "OTHER", n: 1 + 1 },
    { step: "s1", code: "OTHER", n: 2 },
    { step: "s2", code: "OTHER", n: 3 },
  ]);
  expect(found.filter(({ code }) => code !== "OTHER")).toEqual(counts.slice(3).reverse());
});

describe("a failure names", () => {
  let engine: Engine;
  const branch = (branchId: string, ...steps: Step[]) => ({ branchId, steps });
  const undo = {
    compensationSteps: [{ stepId: "undo", compensationFor: "first", type: "TASK" as const, taskId: "works" }],
  };
  const cases: { law: string; definition: Definition; failures: { stepId: string; code: string; count: number }[] }[] =
    [];
  const names = (
    law: string,
    failure: { stepId: string; code: string; count?: number },
    steps: Step[],
    more: Partial<Definition> = {},
  ) =>
    cases.push({
      law,
      definition: workflow(`case-${cases.length}`, steps, more),
      failures: [{ count: 1, ...failure }],
    });
  const broken = (stepId: string) => ({ stepId, code: "BROKEN" });

  names("the step", broken("a"), [fails("a")]);
  names("the step in a branch", broken("inner"), [
    { stepId: "fan", type: "PARALLEL", branches: [branch("x", works("w")), branch("y", fails("inner"))] },
  ]);
  names("the step in a branch in an item", broken("inner"), [
    {
      stepId: "each",
      type: "MAP",
      items: [1],
      steps: [{ stepId: "fan", type: "PARALLEL", branches: [branch("y", fails("inner"))] }],
    },
  ]);
  names("the step of an item that has nowhere to go", { stepId: "lost", code: "NO_TRANSITION" }, [
    {
      stepId: "each",
      type: "MAP",
      items: [1],
      steps: [works("lost", { transitions: { conditions: [{ condition: "false", nextStep: "w" }] } }), works("w")],
    },
  ]);
  names("the PARALLEL whose join cannot be met", { stepId: "fan", code: "JOIN_NOT_MET" }, [
    { stepId: "fan", type: "PARALLEL", join: 1, branches: [branch("x", fails("p")), branch("y", fails("q"))] },
  ]);
  names("the MAP in which more failed than may", { stepId: "each", code: "TOLERANCE_EXCEEDED" }, [
    { stepId: "each", type: "MAP", items: [1, 2, 3], toleratedFailures: 1, steps: [fails("p")] },
  ]);
  names("the TERMINATE step", { stepId: "stop", code: "TERMINATED" }, [
    {
      stepId: "fan",
      type: "PARALLEL",
      branches: [branch("x", { stepId: "stop", type: "TERMINATE", status: "FAILED" })],
    },
  ]);
  names(
    "the step, though its compensation ran for long after",
    broken("a"),
    [works("first", { transitions: { default: "a" } }), fails("a")],
    undo,
  );
  names("the step that failed last, though another failed and was caught", { stepId: "b", code: "OTHER" }, [
    fails("a", { onFailure: { default: "b" } }),
    fails("b", { input: { code: "OTHER" } }),
  ]);
  names("the step of every run of a workflow that is tried again", { ...broken("a"), count: 3 }, [fails("a")], {
    retryPolicy: { maxAttempts: 3, initialInterval: 1, retryableErrors: ["BROKEN"] },
  });
  names(
    "no step where it is the workflow's time",
    { stepId: "", code: "WORKFLOW_TIMEOUT" },
    [{ stepId: "wait", type: "EVENT_WAIT", eventPattern: "x" }],
    { timeout: 20 },
  );
  names("no step where the output does not fit", { stepId: "", code: "OUTPUT_INVALID" }, [works("a")], {
    outputSchema: { type: "string" },
  });

  beforeAll(async () => {
    await db.unnamed(
      "truncate workflow_orchestrator_service.definition_tallies, workflow_orchestrator_service.definition_statistics",
    );
    engine = await startRig({ db, definitions: cases.map(({ definition }) => definition), tasks });
  });
  afterAll(() => engine.stop());

  test.each(cases)("$law", async ({ definition, failures }) => {
    const view = await runToEnd(engine, definition.workflowId);
    expect(view.status).toBe("FAILED");
    const number = cases.findIndex((one) => one.definition === definition);
    expect(await statisticsOf(engine, number)).toMatchObject({ started: 1, failed: 1, open: 0, failures });
  });
});
