/** The joined output of a MAP whose items are many or large: read from the journal after their commit, and put in order. */

import type { Json } from "../machine/definition.ts";
import type { TaskRun } from "../machine/facts.ts";
import { frameOf, placeOf } from "../machine/state.ts";
import type { Store } from "../store/contract.ts";
import type { TaskHandler } from "../task.ts";
import type { Core } from "./core.ts";
import type { Resident } from "./resident.ts";
import { untilAnswered } from "./until_answered.ts";

const endingsPage = 2_000;
type Page = Awaited<ReturnType<Store["endings"]>>;

export interface Gathering {
  resident: Resident;
  task: TaskRun;
  isStopped(): boolean;
}

/** A handler that gives the list: of outputs that are at hand, or of the rows that ended the items. */
export function gathererOf(core: Core, { resident, task, isStopped }: Gathering): TaskHandler {
  const { total, containers, outputs } = task.input as {
    total: number;
    containers: string[];
    outputs: Record<string, Json> | null;
  };

  return async () => {
    const list: Json[] = Array.from({ length: total }, () => null);
    if (outputs !== null) {
      for (const [place, output] of Object.entries(outputs)) list[Number(place)] = output;
      return list;
    }
    const { shard, id: instanceId } = resident;
    for (let afterSeq: number | undefined = 0; afterSeq !== undefined; ) {
      const from: Parameters<Store["endings"]>[0] = { shard, instanceId, afterSeq, limit: endingsPage };
      const page: Page | undefined = await untilAnswered(core, isStopped, () => core.store.endings(from));
      if (page === undefined) throw new Error("the node stops");
      for (const { path, failed, output } of page.rows) {
        const { container, place } = placeOf(frameOf(path));
        if (!failed && containers.includes(container)) list[Number(place)] = output;
      }
      afterSeq = page.next;
    }
    return list;
  };
}
