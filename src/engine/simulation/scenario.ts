/** One seed: a world, half a minute or so of disturbed life, then quiet until everything has ended, then the checker. */

import { act, cancelWaiting, react, resumePaused, start } from "./clients.ts";
import type { NetworkFaults } from "./network.ts";
import { changeRouting, publishSome, wake } from "./publishers.ts";
import { createRandom } from "./random.ts";
import { drawWorkflow } from "./workload.ts";
import { rareTasks, World, type WorldOptions } from "./world.ts";

export interface Outcome {
  seed: number;
  faults: string[];
  instances: number;
  flushes: number;
  compared: number;
  /** Published, of those whose publication was answered. */
  published: number;
  /** Events of virtual time. */
  steps: number;
}

export interface ScenarioOptions extends Partial<WorldOptions> {
  seed: number;
  /** Whether anything goes wrong. */
  calm?: boolean;
  /** Workflows of which one instance each is started; absent: many are drawn. */
  workflows?: readonly string[];
  /** Adds to what happens in the world. */
  begin?(world: World): void;
  /** Whether something of it is still to come, when no instance is left. */
  open?(world: World): boolean;
  /** What else is wrong at the end. */
  judge?(world: World): string[];
}

const chaosMs = 20_000;
const longestPauseMs = 8_000;
/** Time enough for every delay, timeout and takeover of the workload. */
const settleMs = 300_000;
/** Time enough for every event and every look back. */
const restMs = 90_000;

export async function runScenario(options: ScenarioOptions): Promise<Outcome> {
  const shape = createRandom(options.seed);
  const world = new World({
    shards: shape.pick([1, 4, 8]),
    residents: shape.pick([2, 5, 10_000, 10_000]),
    changed: (instanceId, world) => react(world, instanceId),
    ...options,
  });
  const { time, random } = world;
  const joining = random.between(1, 3);
  for (let i = 0; i < joining; i++) time.after(random.between(0, 2_000), () => void world.join());
  planClients(world, options.workflows);
  options.begin?.(world);
  if (options.calm !== true) planChaos(world);
  await time.run(time.now + (options.workflows === undefined ? chaosMs : 8_000));

  settle(world);
  const until = time.now + settleMs;
  // Those that were paused wake up, and what they still bring begins.
  await time.run(Math.max(time.now, ...world.nodes.map(({ process }) => process.pausedUntil)) + 5_000);
  cancelParked(world);
  const missed = world.eventful ? await waitForEvents(world) : [];
  await time.run(
    until,
    () =>
      world.broken.length > 0 ||
      (world.unfinished().length === 0 && world.tables.inbox.size === 0 && options.open?.(world) !== true),
  );
  // What was under way when the last one ended comes to its end too.
  await time.run(time.now + 5_000);
  return {
    seed: options.seed,
    faults: [
      ...missed,
      ...(time.restless ? ["the world does not come to rest"] : []),
      ...world.faultsFound({ settled: true }),
      ...(options.judge?.(world) ?? []),
    ],
    instances: world.tables.instances.size,
    flushes: world.flushes,
    compared: world.compared,
    published: world.published.size,
    steps: time.steps,
  };
}

/** When all is calm, no wait has missed what there is for it. Those that still wait are cancelled then. */
async function waitForEvents(world: World): Promise<string[]> {
  const { time } = world;
  const restsAt = time.now + restMs;
  await time.run(restsAt, () => world.broken.length > 0);
  const missed = world.faultsFound({ settled: false, quiet: true });
  const cancel = () => {
    cancelWaiting(world);
    if (world.unfinished().length > 0) time.after(1_000, cancel);
  };
  cancel();
  return missed;
}

function planClients(world: World, workflows: readonly string[] | undefined): void {
  const { time, random } = world;
  if (workflows !== undefined) {
    for (const workflowId of workflows) time.after(random.between(2_200, 3_200), () => start(world, workflowId));
    for (let i = 0; i < workflows.length * 2; i++) time.after(random.between(2_600, 7_000), () => act(world));
    return;
  }
  world.eagerness = random.pick([0, 0, 0.05, 0.2]);
  const starts = random.between(3, 11);
  for (let i = 0; i < starts; i++) time.after(random.between(200, chaosMs - 2_000), () => start(world));
  const publishes = world.eventful ? random.between(10, 60) : 0;
  for (let i = 0; i < publishes; i++) time.after(random.between(200, chaosMs), () => publishSome(world));
  const changes = world.eventful ? random.pick([0, 0, 2, 8]) : 0;
  for (let i = 0; i < changes; i++) time.after(random.between(2_000, chaosMs), () => changeRouting(world));
  const acts = random.between(4, 28);
  for (let i = 0; i < acts; i++) time.after(random.between(2_000, chaosMs), () => act(world));
}

function planChaos(world: World): void {
  const { time, random, faults } = world;
  world.deadlyHandlers = random.chance(0.3);
  const shaky: Partial<NetworkFaults> = {
    lostQuestions: random.pick([0, 0, 0.01, 0.05]),
    lostAnswers: random.pick([0, 0, 0.02, 0.1]),
    lateQuestions: random.pick([0, 0, 0.01, 0.05]),
    halfSent: random.pick([0, 0, 0, 0.02]),
    lostHints: random.pick([0, 0.2, 1]),
    doubledHints: random.pick([0, 0.2]),
    longestMs: random.pick([2, 5, 30]),
  };
  Object.assign(faults, shaky);
  if (random.chance(0.1)) time.after(random.between(2_500, chaosMs), () => world.turnBack(2_000));
  const troubles = random.pick([random.between(0, 8), random.between(10, 40)]);
  for (let i = 0; i < troubles; i++) time.after(random.between(2_500, chaosMs), () => trouble(world));
}

function trouble(world: World): void {
  const { random, time, faults } = world;
  const nodes = world.live();
  const kind = random.next();
  if (kind < 0.1) faults.outageUntil = time.now + random.between(100, 6_000);
  else if (kind < 0.2) world.publish(drawWorkflow(random, world.eventful));
  else if (kind < 0.35 || nodes.length === 0) world.join();
  else if (kind < 0.55) world.kill(random.pick(nodes));
  else if (kind < 0.8) world.pause(random.pick(nodes), random.between(500, longestPauseMs));
  else {
    world.drain(random.pick(nodes));
    if (random.chance(0.7)) world.join();
  }
}

/** Nothing goes wrong any more; there is a node, and every handler is known. */
function settle(world: World): void {
  const { faults, time } = world;
  Object.assign(faults, {
    lostQuestions: 0,
    lostAnswers: 0,
    lateQuestions: 0,
    halfSent: 0,
    lostHints: 0,
    doubledHints: 0,
    outageUntil: 0,
  });
  world.deadlyHandlers = false;
  world.eagerness = 0;
  world.rareHandlers = true;
  if (world.routingPaused) {
    world.routingPaused = false;
    world.tables.routingRevision += 1;
    wake(world);
  }
  world.join();
  time.after(1, () => {
    for (const node of world.nodes) for (const taskId of rareTasks) node.learn(taskId);
  });
  const resume = () => {
    resumePaused(world);
    if (world.unfinished().length > 0) time.after(1_000, resume);
  };
  resume();
}

/** What was set aside because its node died while folding it is ended by an operator. */
function cancelParked(world: World): void {
  const node = world.live()[0];
  for (const { id: instanceId, namespace, parked } of world.tables.instances.values()) {
    if (parked === null) continue;
    world.setAside.add(instanceId);
    node?.engine.messages.cancel({ namespace, instanceId, reason: "parked", requestedBy: "operator" }).catch(() => {
      // Its end shows whether it worked.
    });
  }
}
