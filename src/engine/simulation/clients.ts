/** The clients of the simulated world: what they start, and what they do at random to whatever they find. */

import { AppError } from "../../foundation/errors.ts";
import type { LifeRequest, StartRequest } from "../contract.ts";
import { lifeOf } from "../life.ts";
import { isFinal } from "../machine/state.ts";
import type { EngineNode } from "../runtime/node.ts";
import type { InstanceRow } from "../store/memory/tables.ts";
import { drawInput, drawWorkflow, isEventful, programOf } from "./workload.ts";
import type { World } from "./world.ts";

/** Nothing was promised, or the instance has ended: what becomes of it, the rows show. */
const whatever = () => {};

/** What may stand in the way of a retry, a pause or a resumption; anything else is a fault. */
const goodReasons =
  /the instance is |is paused$|is not paused|has not begun|is ending|compensation has run|not fail at a step|There is no step|in this version|only one that failed|only an instance that has not ended/;

export function start(world: World, workflowId = drawWorkflow(world.random, world.eventful)): void {
  const { random } = world;
  const input = drawInput(random, workflowId);
  const request: StartRequest = {
    // Programs, and so the ways in which their waits are found, are of one namespace.
    namespace: isEventful(workflowId) ? "default" : random.pick(["default", "other"]),
    definitionId: workflowId,
    input,
    ...(isEventful(workflowId) ? { correlationId: `order ${input.n}` } : {}),
    ...(random.chance(0.4) ? { idempotencyKey: `key ${random.between(0, 5)}` } : {}),
    ...(random.chance(0.2) ? { priority: random.between(1, 10) } : {}),
  };
  // The same request at two nodes is one instance when it has a key.
  for (const node of random.chance(0.2) ? world.live().slice(0, 2) : world.live().slice(-1)) {
    node.engine.starts.start(request).then(({ instanceId }) => void world.accepted.add(instanceId), whatever);
  }
}

/** One client does one thing to one instance, by whatever node. */
export function act(world: World): void {
  const { random } = world;
  const known = [...world.tables.instances.values()];
  if (known.length === 0) return;
  const under = known.filter((row) => !isFinal(row.status));
  const failed = known.filter((row) => row.status === "FAILED");
  const kind = random.next();
  if (kind < 0.12 && failed.length > 0) actOn(world, random.pick(failed), 0);
  else actOn(world, random.pick(random.chance(0.8) && under.length > 0 ? under : known), kind);
}

/** A client has followed an instance, and does something as soon as it has changed. */
export function react(world: World, instanceId: string): void {
  const row = [...world.tables.instances.values()].find(({ id }) => id === instanceId);
  if (row === undefined) return;
  actOn(world, row, row.status === "FAILED" && world.random.chance(0.7) ? 0 : world.random.next());
}

/** `kind`, from 0 to 1, says what. */
function actOn(world: World, row: InstanceRow, kind: number): void {
  const { random } = world;
  const nodes = world.live();
  if (nodes.length === 0) return;
  const { engine } = random.pick(nodes);
  const life = faceOf(engine);
  const { id: instanceId, namespace, workflowId, definitionId } = row;
  const request: LifeRequest = { namespace, instanceId, requestedBy: "client" };
  const steps = [...programOf(definitionId).steps.keys()];
  const ran = world.tables.steps.get(instanceId)?.filter(({ entry }) => !entry.path.includes("/")) ?? [];
  /** A step that may be restarted from, for the most part. */
  const anyStep = () => (ran.length > 0 && random.chance(0.85) ? random.pick(ran).entry.stepId : random.pick(steps));
  const another = () => {
    if (random.chance(0.5)) world.publish(workflowId);
    return world.anyVersion(workflowId);
  };
  const pause = async () => {
    await life.pause(request);
    world.time.after(random.between(200, 6_000), () => {
      const [node] = world.live();
      if (node !== undefined && random.chance(0.8)) faceOf(node.engine).resume(request).catch(whatever);
    });
  };
  const restart = async () => {
    const outputs = random.chance(0.2) ? { outputs: { [anyStep()]: { n: 100 } } } : {};
    const { instanceId: made } = await life.restart({
      ...request,
      ...outputs,
      fromStepId: anyStep(),
      ...(random.chance(0.3) ? { input: drawInput(random, workflowId) } : {}),
      ...(random.chance(0.3) ? { definitionId: another() } : {}),
    });
    world.accepted.add(made);
  };
  const signal = () =>
    engine.messages.signal({
      namespace,
      instanceId,
      type: random.pick(["go", "go", "go", "stop", "halt.now"]),
      payload: { n: random.between(0, 9) },
      ...(random.chance(0.3) ? { idempotencyKey: `s${random.between(0, 2)}` } : {}),
    });
  const cancel = () =>
    engine.messages.cancel({ namespace, instanceId, reason: "r", requestedBy: "c", compensate: random.chance(0.7) });
  const acts: [until: number, act: () => Promise<unknown>][] = [
    [0.12, () => life.retry(request)],
    [0.4, signal],
    [0.5, cancel],
    [0.62, pause],
    [0.67, () => life.resume(request)],
    [0.75, () => life.skip({ ...request, stepId: random.pick(steps) })],
    [0.8, () => life.setPriority({ ...request, priority: random.between(1, 10) })],
    [0.88, () => life.migrate({ ...request, definitionId: another() })],
    [1, restart],
  ];
  const [, chosen] = acts.find(([until]) => kind < until)!;
  chosen().catch((error: unknown) => {
    if (!(error instanceof AppError)) world.broken.push(`refused without a reason: ${String(error)}`);
    else if (/^engine.cannot_(retry|pause|resume)$/.test(error.code) && !goodReasons.test(error.message))
      world.broken.push(`refused without good reason: ${error.message}`);
  });
}

/** What people ask of a node. Nothing in the world is old enough for retention to matter. */
export function faceOf(engine: EngineNode): ReturnType<typeof lifeOf> {
  return lifeOf(engine, { retentionMs: 30 * 86_400_000 });
}

/** Who waits for what never comes is not waited for. */
export function cancelWaiting(world: World): void {
  const [node] = world.live();
  for (const { instanceId, status } of world.tables.waits.values()) {
    const row = [...world.tables.instances.values()].find(({ id }) => id === instanceId);
    if (status !== "active" || node === undefined || row === undefined || isFinal(row.status)) continue;
    const request = { namespace: row.namespace, instanceId, reason: "over", requestedBy: "operator" };
    node.engine.messages.cancel({ ...request, compensate: true }).catch(whatever);
  }
}

/** What is still paused goes on. */
export function resumePaused(world: World): void {
  const [node] = world.live();
  if (node === undefined) return;
  for (const { id: instanceId, namespace, status } of world.tables.instances.values()) {
    if (status === "PAUSED")
      faceOf(node.engine).resume({ namespace, instanceId, requestedBy: "operator" }).catch(whatever);
  }
}
