/** Courses of events that worlds of chance came upon, told step by step. */

import { expect, test } from "vitest";
import type { StartRequest } from "../contract.ts";
import { StoreError } from "../store/contract.ts";
import { TaskError } from "../task.ts";
import { faceOf } from "./clients.ts";
import { definitionIdOf } from "./workload.ts";
import { rareTasks, World, type WorldOptions } from "./world.ts";

/** A world of one node that is up, without chance where it can be. */
async function calmWorld(options: Partial<WorldOptions> = {}): Promise<World> {
  const world = new World({ seed: 1, shards: 1, ...options });
  world.rareHandlers = true;
  world.join();
  await world.time.run(world.time.now + 1_000);
  return world;
}

function start(world: World, workflowId: string, more: Partial<StartRequest> = {}): Promise<string> {
  const request = { namespace: "default", definitionId: workflowId, input: { n: 1 }, ...more };
  return world.nodes[0]!.engine.starts.start(request).then(({ instanceId }) => {
    world.accepted.add(instanceId);
    return instanceId;
  });
}

/** Lets time pass until an answer is there. */
async function during<T>(world: World, answer: Promise<T>): Promise<T> {
  let there = false;
  const seen = () => {
    there = true;
  };
  answer.then(seen, seen);
  await world.time.run(world.time.now + 60_000, () => there);
  return await answer;
}

async function untilEnded(world: World): Promise<void> {
  await world.time.run(world.time.now + 60_000, () => world.unfinished().length === 0);
  await world.time.run(world.time.now + 1_000);
  expect(world.faultsFound({ settled: true })).toEqual([]);
}

const rowOf = (world: World, workflowId: string) =>
  [...world.tables.instances.values()].findLast((row) => row.workflowId === workflowId)!;

test("a child whose version was published meanwhile begins with the new one", async () => {
  const world = await calmWorld();
  void start(world, "sleepy");
  await world.time.run(world.time.now + 100);
  world.publish("sleepy");
  void start(world, "stopped");
  await untilEnded(world);
  expect(rowOf(world, "sleepy")).toMatchObject({ definitionId: definitionIdOf("sleepy", 2) });
});

test("an instance that cannot be read again at once is read again later", async () => {
  // The store goes away with the answer that the version of the child is outdated.
  const killAt: WorldOptions["killAt"] = (point, _flushes, { latest }) => {
    if (point === "applied" && latest?.includes("sleepy") === true && published)
      world.faults.outageUntil = world.time.now + 2_000;
    return false;
  };
  let published = false;
  const world = await calmWorld({ killAt });
  void start(world, "sleepy");
  await world.time.run(world.time.now + 100);
  world.publish("sleepy");
  published = true;
  void start(world, "stopped");
  await untilEnded(world);
  expect(rowOf(world, "sleepy")).toMatchObject({ definitionId: definitionIdOf("sleepy", 2) });
});

test("a restart in the last of several runs carries over what that run did, and undoes no more than that", async () => {
  const world = await calmWorld();
  const node = world.nodes[0]!;
  let failures = 2;
  const fail = () => {
    throw new TaskError({ code: "E", category: "TRANSIENT", message: "it broke" });
  };
  node.handle("work", () => ({}));
  node.handle("flaky", () => (failures-- > 0 ? fail() : {}));
  const instanceId = await during(world, start(world, "again"));
  await untilEnded(world);
  expect(rowOf(world, "again")).toMatchObject({ status: "COMPLETED", output: "1" });
  failures = 1;
  const request = { namespace: "default", instanceId, requestedBy: "someone", fromStepId: "b" };
  const made = await during(world, node.engine.restart(request));
  await untilEnded(world);
  const own = world.tables.steps.get(made.instanceId)!.filter(({ epoch }) => epoch > 0);
  // Two runs had been undone before; of the third, which the restart goes on with, one step is.
  expect(own.map(({ entry }) => entry.path)).toEqual(
    expect.arrayContaining(["b#3", "b#3/x/x", "~/undo#3", "a#4", "b#4"]),
  );
  expect(own.filter(({ entry }) => entry.path.startsWith("~/"))).toHaveLength(1);
  expect(rowOf(world, "again")).toMatchObject({ id: made.instanceId, status: "COMPLETED", output: "1" });
});

test("what runs in other branches goes on while the instance is read again, and is not called anew", async () => {
  const world = await calmWorld();
  void start(world, "sleepy");
  await world.time.run(world.time.now + 100);
  world.publish("sleepy");
  // A branch of it begins a child of the outdated version.
  const instanceId = await during(world, start(world, "any"));
  await untilEnded(world);
  const calls = world.calls.filter((call) => call.instanceId === instanceId && call.path === "any/1/s");
  expect(calls).toHaveLength(1);
});

test("an instance is tried again that has failed in the store, and its owner has not heard of it yet", async () => {
  let asked: Promise<unknown> | undefined;
  const killAt: WorldOptions["killAt"] = (point, _flushes, { transitions }) => {
    if (transitions?.includes('"FAILED"') !== true || asked !== undefined) return false;
    if (point === "leaving") {
      // The answer is lost: the flush is sent again after a while.
      world.faults.lostAnswers = 1;
      world.time.after(0, () => {
        world.faults.lostAnswers = 0;
      });
      return false;
    }
    const { id: instanceId, namespace } = rowOf(world, "chain");
    asked = faceOf(world.nodes[0]!.engine).retry({ namespace, instanceId, requestedBy: "someone" });
    return false;
  };
  const world = await calmWorld({ killAt });
  world.faults.longestMs = 1;
  let failures = 1;
  world.nodes[0]!.handle("work", () => {
    if (failures-- > 0) throw new TaskError({ code: "E", category: "BUSINESS", message: "it broke" });
    return {};
  });
  void start(world, "chain");
  await world.time.run(world.time.now + 60_000, () => asked !== undefined);
  await during(world, asked!);
  await untilEnded(world);
  expect(rowOf(world, "chain")).toMatchObject({ status: "COMPLETED", error: null });
});

test("a handler that comes late is found for a step of a branch, whether the instance is in memory or not", async () => {
  for (const sleeps of [false, true]) {
    const world = await calmWorld();
    const node = world.nodes[0]!;
    for (const taskId of rareTasks) node.handlers.delete(taskId);
    node.handle("work", () => ({}));
    node.handle("slow", () => ({}), sleeps ? 20 : 8_000);
    const instanceId = await during(world, start(world, "halves"));
    await world.time.run(world.time.now + (sleeps ? 30_000 : 400));
    expect(node.engine.core.residents.has(instanceId)).toBe(!sleeps);
    // One of two that are awaited.
    node.learn("scarce");
    await world.time.run(world.time.now + 5_000);
    const ended = world.tables.steps.get(instanceId)!.filter(({ entry }) => entry.status === "COMPLETED");
    expect(ended.map(({ entry }) => entry.path)).toContain("fan/scarce/y");
    node.learn("rare");
    await untilEnded(world);
  }
});

test("a permit is not left with an instance that was cancelled while the home of its limit could not read", async () => {
  const world = await calmWorld();
  const { engine } = world.nodes[0]!;
  const read = engine.core.store.permits;
  let reads = 0;
  Object.assign(engine.core.store, {
    permits(what: Parameters<typeof read>[0]) {
      if (reads++ > 0) return read(what);
      return new Promise((_, reject) =>
        world.time.after(8_000, () => reject(new StoreError("connection lost", { fault: "transient" }))),
      );
    },
  });
  const instanceId = await during(world, start(world, "single"));
  await world.time.run(world.time.now + 7_000);
  const request = { namespace: "default", instanceId, reason: "r", requestedBy: "someone" };
  await during(world, engine.messages.cancel(request));
  // The next one does not wait for a minute either.
  void start(world, "single");
  await world.time.run(world.time.now + 10_000);
  expect([...world.tables.permits.values()].map((row) => row.instanceId)).not.toContain(instanceId);
  await untilEnded(world);
});

test("a result that comes while the store is away reaches the owner to whom the shard was handed over", async () => {
  const world = await calmWorld({ shards: 8 });
  const first = world.nodes[0]!;
  first.handle("work", () => ({}), 6_000);
  const began = world.time.now;
  for (let i = 0; i < 16; i++) void start(world, "chain");
  await world.time.run(began + 500);
  const calls = world.calls.length;
  world.join();
  await world.time.run(began + 5_900);
  // Some of the steps that run are of shards that are the other node's by now.
  expect(first.engine.core.shards.size).toBeLessThan(8);
  world.faults.outageUntil = began + 7_500;
  await untilEnded(world);
  expect(world.calls.filter(({ path, attempt }) => path === "a" && attempt === 1)).toHaveLength(calls);
});
