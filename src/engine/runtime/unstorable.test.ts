import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../../../test/support/database.ts";
import {
  ended,
  rigNamespace as namespace,
  rigStep,
  rigWorkflow,
  startRig,
  until,
} from "../../../test/support/engine_rig.ts";
import type { Engine, Step } from "../index.ts";

const nul = { text: "'a\\u0000b'" };
const delay: Step = { stepId: "pause", type: "DELAY", delay: 20, outputMapping: nul };
const wait: Step = {
  stepId: "wait",
  type: "EVENT_WAIT",
  eventPattern: "go",
  eventPayloadMapping: nul,
  eventTimeout: { duration: 60_000 },
};

let database: Awaited<ReturnType<typeof openTestDatabase>>;
let engine: Engine;

beforeAll(async () => {
  database = await openTestDatabase();
  engine = await startRig({
    db: database.db,
    definitions: [rigWorkflow("delayed", [delay]), rigWorkflow("told", [wait]), rigWorkflow("fine", [rigStep("work")])],
    tasks: { work: () => "done" },
  });
});
afterAll(async () => {
  await engine.stop();
  await database.drop();
});

const start = async (definitionId: string) => (await engine.startInstance({ namespace, definitionId, input: {} })).instanceId; // biome-ignore format: one line
const rulesOf = async (instanceId: string) => (await engine.why({ namespace, instanceId }))?.map(({ rule }) => rule);

test("an instance that makes of a timer what cannot be stored is set aside, and the others go on", async () => {
  const [delayed, fine] = await Promise.all([start("delayed"), start("fine")]);
  await until(
    () => rulesOf(delayed),
    (rules) => rules?.[0] === "PARKED",
  );
  expect(await ended(engine, fine)).toMatchObject({ status: "COMPLETED" });
});

test("who signals what leads to such a value is told so, and the instance waits on", async () => {
  const told = await start("told");
  await until(
    () => rulesOf(told),
    (rules) => rules?.[0] === "EVENT",
  );
  await expect(engine.signal({ namespace, instanceId: told, type: "go", payload: 1 })).rejects.toThrow(/stor/);
  expect(await rulesOf(told)).toEqual(["EVENT"]);
});
