/** Steps that wait for a handler are told when there is one, here or on another node. */

import type { Core, Delivery } from "./core.ts";
import { type Resident, severalTasks, unassignedSteps } from "./resident.ts";

/** Steps waiting for a handler that are looked up at once. */
const awaitingLimit = 500;

export interface Seeking {
  /** Shards or handlers are new: waiting steps are looked up with the next tick. */
  lookAgain(): void;
  tick(): Promise<void>;
}

export function createSeeking(
  core: Core,
  reactions: {
    deliver(what: { shard: number; instanceId: string }, delivery: Delivery): void;
    apply(resident: Resident, delivery: Delivery): void;
  },
): Seeking {
  /** Shards or handlers are new, or the last look did not find all. */
  let wanted = false;
  let elsewhere = "";
  const lookAgain = () => {
    wanted = true;
  };

  async function tick(): Promise<void> {
    // Other nodes came with handlers that steps here may wait for.
    const now = [...core.handlersElsewhere.keys()].sort().join("\0");
    if (now !== elsewhere) wanted = true;
    elsewhere = now;
    if (wanted) await look();
  }

  async function look(): Promise<void> {
    const shards = [...core.shards.values()].filter((owned) => owned.phase === "open").map((owned) => owned.shard);
    // A handler that is registered while the answer is under way asks for another look.
    wanted = false;
    // Those in memory first: what leaves it meanwhile is in the store by the time that is asked.
    for (const resident of [...core.residents.values()])
      if (core.shards.get(resident.shard)?.phase === "open") assignAll({ resident });
    const taskIds = [...core.handlers.ids(), ...core.handlersElsewhere.keys(), severalTasks];
    const found = await core.store.awaitingTasks({ shards, taskIds, limit: awaitingLimit }).catch((error: unknown) => {
      lookAgain();
      throw error;
    });
    if (found.length === awaitingLimit) lookAgain();
    for (const { shard, id } of found) {
      const delivery: Delivery = { fact: { kind: "continued" }, settled: assignAll, failed: lookAgain };
      reactions.deliver({ shard, instanceId: id }, delivery);
    }
  }

  function assignAll({ resident }: { resident: Resident | undefined }): void {
    if (resident === undefined || resident.gone) return;
    for (const { path, taskId } of unassignedSteps(resident)) {
      if (core.handlers.get(taskId) === undefined && !core.handlersElsewhere.has(taskId)) continue;
      reactions.apply(resident, { fact: { kind: "assigned", path } });
    }
  }

  return { lookAgain, tick };
}
