import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../../../test/support/database.ts";
import {
  ended,
  linesOf,
  rigNamespace as namespace,
  rigDefinition,
  runToEnd,
  said,
  startRig,
  rigStep as step,
  until,
  rigWorkflow as workflow,
} from "../../../test/support/engine_rig.ts";
import type { Database } from "../../foundation/database/index.ts";
import { TaskError } from "../../tasks/index.ts";
import type { Engine } from "../contract.ts";
import { compile } from "../machine/compile.ts";
import { decide } from "../machine/decide.ts";
import type { Step } from "../machine/definition.ts";
import { initialState } from "../machine/evolve.ts";
import { nothingTold, sayDecision } from "./engine_lines.ts";
import { emptyWork } from "./work.ts";

let db: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ db, drop } = await openTestDatabase());
});
afterAll(() => drop());

describe("what the engine says", () => {
  let engine: Engine;
  const fails = () => {
    throw new TaskError({ code: "BROKEN", category: "BUSINESS", message: "no" });
  };
  const steps: Step[] = [
    step("work", { transitions: { conditions: [{ condition: "output.a.b", nextStep: "work" }], default: "wait" } }),
    {
      stepId: "wait",
      type: "EVENT_WAIT",
      eventPattern: "go",
      eventCondition: "event.payload.n + 1 > 1",
      transitions: { default: "fails" },
    },
    step("fails"),
  ];
  const compensationSteps = [
    { stepId: "undo", compensationFor: "work", type: "TASK" as const, taskId: "fails" },
    {
      stepId: "never",
      compensationFor: "work",
      type: "TASK" as const,
      taskId: "work",
      condition: "originalOutput.x.y",
    },
  ];
  const definitions = [
    workflow("all", steps, { compensationSteps }),
    workflow("all-error", steps, { compensationSteps, executionLog: { level: "error" } }),
    workflow("caught", [step("fails", { onFailure: { default: "work" } }), step("work")]),
    workflow("sleeper", [{ stepId: "wait", type: "EVENT_WAIT", eventPattern: "go" }]),
    workflow("again", [step("fails")], {
      retryPolicy: { maxAttempts: 2, initialInterval: 10, retryableErrors: ["BROKEN"] },
    }),
    workflow("late", [{ stepId: "wait", type: "EVENT_WAIT", eventPattern: "go" }], { timeout: 50 }),
  ];

  beforeAll(async () => {
    engine = await startRig({ db, definitions, tasks: { work: () => ({ a: 1 }), fails } });
  });
  afterAll(() => engine.stop());

  async function runAll(definitionId: string): Promise<string[]> {
    const { instanceId } = await engine.startInstance({ namespace, definitionId, input: {} });
    await engine.pause({ namespace, instanceId, requestedBy: "ann" });
    await engine.resume({ namespace, instanceId, requestedBy: "ann" });
    for (const payload of [{ n: "text" }, { n: 1 }])
      await engine.signal({ namespace, instanceId, type: "go", payload });
    await ended(engine, instanceId);
    return said(await linesOf(engine, instanceId));
  }

  test("tells of conditions that erred, failures, and what people did", async () => {
    const lines = await runAll("all");
    expect(lines.slice(0, 1).concat(lines.slice(1, 3).sort(), lines.slice(3))).toEqual([
      expect.stringMatching(/^engine warn condition 0 of step "work" counts as false/),
      "engine info The instance was paused",
      "engine info The instance was resumed",
      expect.stringMatching(/^engine warn eventCondition of step "wait" counts as false/),
      'engine error Step "fails" failed: BROKEN: no',
      expect.stringMatching(/^engine warn condition of compensation "never" counts as false/),
      "engine error The workflow failed: BROKEN: no",
      "engine info The compensation begins",
      'engine error Compensation "undo" failed: BROKEN: no',
    ]);
  });

  test("is kept from the level on that the definition names", async () => {
    expect(await runAll("all-error")).toEqual([
      'engine error Step "fails" failed: BROKEN: no',
      "engine error The workflow failed: BROKEN: no",
      'engine error Compensation "undo" failed: BROKEN: no',
    ]);
  });

  test("is a warning where a failure is caught", async () => {
    const { id } = await runToEnd(engine, "caught");
    expect(said(await linesOf(engine, id))).toEqual([
      'engine warn Step "fails" failed, and "work" takes over: BROKEN: no',
    ]);
  });

  test("tells that the workflow begins again", async () => {
    const { id } = await runToEnd(engine, "again");
    expect(said(await linesOf(engine, id))).toEqual([
      'engine error Step "fails" failed: BROKEN: no',
      "engine error The workflow failed: BROKEN: no",
      expect.stringMatching(/^engine warn The workflow begins again at /),
      'engine error Step "fails" failed: BROKEN: no',
      "engine error The workflow failed: BROKEN: no",
    ]);
  });

  test("tells of failures that are no step's", async () => {
    const { id } = await runToEnd(engine, "late");
    expect(said(await linesOf(engine, id))).toEqual([
      "engine error The workflow failed: WORKFLOW_TIMEOUT: The workflow did not end within its timeout",
    ]);
  });

  test("tells of an instance that it set aside, and takes its timers back when that is cancelled", async () => {
    const { instanceId } = await engine.startInstance({ namespace, definitionId: "sleeper", input: {} });
    await until(
      () =>
        db.unnamed(
          `update workflow_orchestrator_service.workflow_instances
           set state = jsonb_set(state, '{format}', '9') || '{"deadlineAt": 32503680000000}' where id = $1 and state is not null returning id`,
          [instanceId],
        ),
      (rows) => rows.length === 1,
    );
    await db.unnamed(
      `insert into workflow_orchestrator_service.timers (shard, due_at, instance_id, timer_key)
       select shard, to_timestamp(32503680000), id, '' from workflow_orchestrator_service.workflow_instances where id = $1`,
      [instanceId],
    );
    await expect(engine.signal({ namespace, instanceId, type: "go", payload: {} })).rejects.toThrow();
    const items = await until(
      () => linesOf(engine, instanceId),
      (found) => found.length > 0,
    );
    expect(said(items)).toEqual([
      expect.stringMatching(
        /^engine error The engine could not go on with the instance, which is set aside: .*format 9/,
      ),
    ]);
    expect(await engine.why({ namespace, instanceId })).toMatchObject([{ rule: "PARKED" }]);
    expect(await engine.getInstance({ namespace, instanceId })).toMatchObject({
      status: "WAITING_FOR_EVENT",
      error: { code: "PARKED" },
    });
    await engine.cancel({ namespace, instanceId, reason: "broken", requestedBy: "ann" });
    expect((await ended(engine, instanceId)).status).toBe("CANCELLED");
    const timers = await db.unnamed("select from workflow_orchestrator_service.timers where instance_id = $1", [
      instanceId,
    ]);
    expect(timers).toEqual([]);
  });
});

test("a step whose node died says that it runs again", () => {
  const program = compile(workflow("taken", [step("work")]), { definitionId: rigDefinition(0), namespace });
  const state = initialState(program, { input: {}, startedAt: 1 });
  const context = { now: 2, random: () => 0, instance: {} };
  decide(program, state, { kind: "started" }, context);
  const decision = decide(program, state, { kind: "resumed", takeover: true }, context);
  const work = emptyWork({ shard: 1, instanceId: rigDefinition(1) });
  const resident = { id: rigDefinition(1), shard: 1, namespace, program, state, facts: {} };
  sayDecision({ time: { now: () => 3 }, newId: () => rigDefinition(2) }, work, resident, {
    decision,
    before: nothingTold,
  });
  const [line, ...others] = work.extras!.logs!.map((row) => JSON.parse(row) as unknown[]);
  expect(others).toEqual([]);
  expect(line).toEqual([
    ...[1, rigDefinition(1), rigDefinition(2), namespace, "warn"],
    'The node that ran step "work" is gone; the step runs again',
    ...[{ interrupted: 1 }, "engine", "work", "work", 1, 3, null],
  ]);
});
