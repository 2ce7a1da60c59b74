/** Children and their parents on one node, on virtual time and in memory: what is one flush, and who stays in memory. */

import { expect, onTestFinished, test } from "vitest";
import { uuidv7 } from "../../foundation/ids.ts";
import { silentLogger } from "../../foundation/log.ts";
import { compile } from "../machine/compile.ts";
import type { Definition, Json } from "../machine/definition.ts";
import { Process, VirtualTime } from "../simulation/time.ts";
import type { FlushBatch, Store } from "../store/contract.ts";
import { createMemoryDatabase, createMemoryStore } from "../store/memory.ts";
import type { TaskHandler } from "../task.ts";
import { inlineBeat } from "./beat.ts";
import { createNode, type EngineNode } from "./node.ts";

const startAt = Date.UTC(2027, 0, 15, 8);
const leaseMs = 3_000;

interface Rig {
  node: EngineNode;
  /** Everything that was flushed since the last call. */
  flushed(): FlushBatch[];
  start(workflowId: string, input?: Json): Promise<string>;
  /** Lets time go by until nothing is under way. */
  settle(ms?: number): Promise<void>;
  row(id: string): { status: string; ready: boolean; output: Json; state: unknown; error: { code: string } | null };
  /** Ids of the children of an instance. */
  childrenOf(id: string): string[];
}

/** What of a definition matters here. */
interface Workflow {
  steps: object[];
}

const steps = (stepId: string, more: object = {}) => [{ stepId, type: "TASK", taskId: "work", ...more }];

async function rig(workflows: Record<string, Workflow>, handlers: Record<string, TaskHandler> = {}): Promise<Rig> {
  const time = new VirtualTime(startAt);
  const process = new Process(time, startAt);
  const tables = createMemoryDatabase({ shards: 4, now: () => time.now, isStale: () => false });
  const store = createMemoryStore(tables);
  let batches: FlushBatch[] = [];
  const overheard: Store = {
    ...store,
    async flush(batch) {
      // As over a network: it takes a moment.
      await new Promise<void>((resolve) => void process.after(1, resolve));
      const answer = await store.flush(batch);
      batches.push(batch);
      return answer;
    },
  };
  const ids = new Map(Object.keys(workflows).map((workflowId) => [workflowId, uuidv7(startAt)]));
  const tasks = new Map(Object.entries({ work: (input: unknown) => input ?? null, ...handlers }));
  const nodeId = uuidv7(startAt);
  const node = createNode({
    nodeId,
    name: "node",
    version: "0",
    roles: ["engine"],
    endpoints: {},
    leaseMs,
    drainMs: 1_000,
    store: overheard,
    clock: process.clock,
    log: silentLogger,
    random: () => 0.5,
    newId: uuidv7,
    handlers: { get: (taskId) => tasks.get(taskId) as TaskHandler | undefined, ids: () => [...tasks.keys()] },
    beat: (unregistered) => inlineBeat({ nodeId, leaseMs, store, clock: process.clock, unregistered }),
    observer: { changed: () => {}, ended: () => {} },
    resolve: async ({ ref }) => ({ definitionId: ids.get(ref)!, workflowId: ref }),
    program: async (definitionId) => {
      const [workflowId] = [...ids].find(([, id]) => id === definitionId)!;
      const definition = { workflowId, name: workflowId, version: "1.0.0", ...workflows[workflowId]! };
      return compile(definition as Definition, { definitionId, namespace: "default" });
    },
  });
  const settle = (ms = 1_000) => time.run(time.now + ms);
  const within = async <T>(promise: Promise<T>): Promise<T> => {
    let over = false;
    void promise
      .finally(() => {
        over = true;
      })
      .catch(() => {});
    await time.run(time.now + 60_000, () => over);
    return await promise;
  };
  await within(node.start());
  await settle();
  onTestFinished(() => process.kill());
  return {
    node,
    flushed: () => batches.splice(0),
    async start(workflowId, input = {}) {
      batches = [];
      const answer = await within(node.starts.start({ namespace: "default", definitionId: workflowId, input }));
      return answer.instanceId;
    },
    settle,
    row(id) {
      const row = [...tables.instances.values()].find((one) => one.id === id)!;
      const json = (text: string | null) => (text === null ? null : JSON.parse(text));
      return { ...row, output: json(row.output), state: json(row.state), error: json(row.error) };
    },
    childrenOf: (id) => [...tables.instances.values()].filter((row) => row.parentId === id).map((row) => row.id),
  };
}

const rowsIn = (batches: FlushBatch[], kind: string): number =>
  batches.reduce((sum, { extras }) => sum + (JSON.parse(extras ?? "{}")[kind]?.length ?? 0), 0);

const each = (workflowId: string, more: object = {}) => ({
  steps: [
    {
      stepId: "each",
      type: "MAP",
      items: "input.items",
      steps: [{ stepId: "child", type: "WORKFLOW", workflowId, input: "item" }],
      ...more,
    },
  ],
});

test("what a child's end leads to in a parent in memory is in the flush of that end", async () => {
  const { node, start, settle, row, flushed } = await rig({ parent: each("child"), child: { steps: steps("one") } });
  const id = await start("parent", { items: [1, 2, 3, 4, 5] });
  await settle();
  expect(row(id)).toMatchObject({ status: "COMPLETED", output: [1, 2, 3, 4, 5] });
  const batches = flushed();
  // The start; the children's starts; the children's ends with the parent's.
  expect(batches).toHaveLength(3);
  expect(rowsIn(batches, "inboxPosted")).toBe(0);
  expect(node.core.residents.size).toBe(0);
  expect(node.core.childrenHere.size).toBe(0);
});

test("the ends of a whole family are one flush", async () => {
  const child = (workflowId: string) => ({ steps: [{ stepId: "s", type: "WORKFLOW", workflowId }] });
  const { start, settle, row, flushed, childrenOf } = await rig({
    grandparent: child("parent"),
    parent: child("child"),
    child: { steps: steps("one") },
  });
  const id = await start("grandparent", { n: 1 });
  await settle();
  expect(row(id).status).toBe("COMPLETED");
  expect(row(childrenOf(id)[0]!).status).toBe("COMPLETED");
  expect(flushed()).toHaveLength(4);
});

test("a child that ends as it begins ends its parent's step in the same flush", async () => {
  const quick = { steps: [{ stepId: "t", type: "TASK", taskId: "transform", input: { expression: "input.n + 1" } }] };
  const { start, settle, row, flushed } = await rig({
    parent: { steps: [{ stepId: "s", type: "WORKFLOW", workflowId: "quick", input: { n: "${input.n}" } }] },
    quick,
  });
  const id = await start("parent", { n: 1 });
  await settle();
  expect(row(id)).toMatchObject({ status: "COMPLETED", output: 2 });
  expect(flushed()).toHaveLength(2);
});

const waiting = { steps: [{ stepId: "wait", type: "EVENT_WAIT", eventPattern: "go" }] };

test("a parent leaves memory with its last child, and hears of its end by a row", async () => {
  const { node, start, settle, row, flushed, childrenOf } = await rig(
    {
      parent: each("mixed"),
      mixed: { steps: [...steps("one", { taskId: "slow", transitions: { default: "wait" } }), ...waiting.steps] },
    },
    { slow: (input) => new Promise((resolve) => setImmediate(() => resolve(input))) },
  );
  const id = await start("parent", { items: [1, 2] });
  await settle(100);
  expect(node.core.residents.size).toBe(0);
  expect(row(id)).toMatchObject({ status: "RUNNING", ready: false });
  expect(row(id).state).not.toBeNull();

  flushed();
  for (const child of childrenOf(id)) {
    const sent = node.messages.signal({ namespace: "default", instanceId: child, type: "go", payload: 7 });
    await settle(5_000);
    await sent;
  }
  expect(row(id)).toMatchObject({ status: "COMPLETED", output: [7, 7] });
  const batches = flushed();
  expect(rowsIn(batches, "inboxPosted")).toBe(2);
  expect(rowsIn(batches, "inboxConsumed")).toBe(2);
  expect(node.core.residents.size).toBe(0);
  expect(node.core.childrenHere.size).toBe(0);
});

test("an instance that gets many facts at once is written asleep once", async () => {
  const fan = {
    stepId: "fan",
    type: "PARALLEL",
    branches: ["a", "b", "c", "d"].map((branchId) => ({
      branchId,
      steps: [{ ...waiting.steps[0], stepId: `wait-${branchId}` }],
    })),
  };
  const { node, start, settle, row, flushed } = await rig({ fan: { steps: [fan] } });
  const id = await start("fan");
  await settle();
  expect(node.core.residents.size).toBe(0);
  flushed();
  const sent = [1, 2, 3].map((n) =>
    node.messages.signal({ namespace: "default", instanceId: id, type: "go", payload: n }),
  );
  await settle();
  await Promise.all(sent);
  const states = flushed()
    .flatMap(({ changes }) => JSON.parse(changes ?? "[]") as Json[][])
    .filter((change) => change[7] !== null);
  expect(states).toHaveLength(1);
  expect(row(id)).toMatchObject({ status: "WAITING_FOR_EVENT", ready: false });
  expect(node.core.residents.size).toBe(0);
});

test("a parent's value that cannot be stored fails its step, and the children's ends stand", async () => {
  const { start, settle, row, childrenOf } = await rig({
    parent: {
      steps: [
        {
          stepId: "s",
          type: "WORKFLOW",
          workflowId: "child",
          outputMapping: { text: "'a\\u0000b'" },
          onFailure: { default: "caught" },
        },
        { stepId: "caught", type: "TASK", taskId: "transform", input: { expression: "error.code" } },
      ],
    },
    child: { steps: steps("one") },
  });
  const id = await start("parent", 3);
  await settle(5_000);
  expect(row(childrenOf(id)[0]!)).toMatchObject({ status: "COMPLETED", output: 3 });
  expect(row(id)).toMatchObject({ status: "COMPLETED", output: "UNSTORABLE" });
});

test("of children that end together one that cannot be stored fails, and the others complete", async () => {
  const poison = "input == 3 ? 'a\\u0000b' : 'fine'";
  const { start, settle, row } = await rig({
    parent: each("child", { toleratedFailures: 1 }),
    child: {
      steps: [
        ...steps("one", { transitions: { default: "t" } }),
        { stepId: "t", type: "TASK", taskId: "transform", input: { expression: poison } },
      ],
    },
  });
  const id = await start("parent", { items: [1, 2, 3, 4, 5, 6] });
  await settle(5_000);
  expect(row(id)).toMatchObject({ status: "COMPLETED", output: ["fine", "fine", null, "fine", "fine", "fine"] });
});

test("a child whose input cannot be stored fails its step", async () => {
  const { start, settle, row } = await rig({
    parent: { steps: [{ stepId: "s", type: "WORKFLOW", workflowId: "child", input: { text: "${'a\\u0000b'}" } }] },
    child: { steps: steps("one") },
  });
  const id = await start("parent");
  await settle(5_000);
  expect(row(id)).toMatchObject({ status: "FAILED", error: { code: "UNSTORABLE" } });
});
