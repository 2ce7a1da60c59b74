/** The clients of the simulated world that publish events. */

import { AppError } from "../../foundation/errors.ts";
import type { EventInput } from "../contract_events.ts";
import { eventNames } from "./event_shapes.ts";
import type { World } from "./world.ts";

/** One client publishes once: one event or several, new or with an id that was used before; or some in turn. */
export function publishSome(world: World): void {
  const { random } = world;
  if (random.chance(0.3)) {
    void publishInTurn(world, `k${random.between(0, 2)}`, random.between(2, 5));
    return;
  }
  const events = Array.from({ length: random.pick([1, 1, 1, 2, 4]) }, () => drawEvent(world));
  // The same twice is one event, if it has an id.
  for (const _ of random.chance(0.2) ? [1, 2] : [1]) void send(world, events);
}

export function drawEvent({ random }: World, more: Partial<EventInput> = {}): EventInput {
  return {
    namespace: random.chance(0.95) ? "default" : "other",
    pattern: random.pick(eventNames),
    payload: { order: random.between(0, 9), n: random.between(0, 9) },
    ...(random.chance(0.3) ? { eventId: `e${random.between(0, 20)}`, sourceKey: random.pick(["a", "b"]) } : {}),
    ...(random.chance(0.2) ? { partitionKey: `k${random.between(0, 2)}` } : {}),
    ...more,
  };
}

/** Each is published when the one before has been accepted, by whatever node. */
async function publishInTurn(world: World, partitionKey: string, count: number): Promise<void> {
  let first: string | undefined;
  const pattern = world.random.pick(["ticks.a", "orders.paid", "things.red.made"]);
  for (let n = 0; n < count; n++) {
    const ids = await send(world, [drawEvent(world, { namespace: "default", pattern, partitionKey })]);
    const second = ids?.[0];
    if (second === undefined) return;
    if (first !== undefined) world.inTurn.push({ first, second });
    first = second;
  }
}

/** The ids of those that are new; undefined where it is not known what became of them. */
async function send(world: World, events: EventInput[]): Promise<string[] | undefined> {
  const nodes = world.live();
  if (nodes.length === 0) return undefined;
  try {
    const answers = await world.random.pick(nodes).engine.publish(events);
    for (const { id } of answers) world.published.add(id);
    return answers.filter(({ status }) => status === "accepted").map(({ id }) => id);
  } catch (error) {
    if (!(error instanceof AppError)) world.broken.push(`not published without a reason: ${String(error)}`);
    return undefined;
  }
}

/** Somebody changes where events go. */
export function changeRouting(world: World): void {
  const { random, tables } = world;
  if (random.chance(0.2)) {
    world.routingPaused = !world.routingPaused;
    if (world.routingPaused)
      world.time.after(random.between(200, 6_000), () => {
        if (!world.routingPaused) return;
        world.routingPaused = false;
        tables.routingRevision += 1;
        wake(world);
      });
  } else {
    const target = random.pick(world.targets.filter(({ steady }) => !steady));
    target.enabled = !target.enabled;
  }
  tables.routingRevision += 1;
  wake(world);
}

/** The word may be lost. */
export function wake(world: World): void {
  if (world.random.chance(0.3)) return;
  for (const { engine } of world.live()) engine.wakeRouters();
}
