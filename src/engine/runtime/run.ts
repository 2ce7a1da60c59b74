/** One call of a handler. */

import type { TaskRun } from "../machine/facts.ts";
import { type TaskContext, TaskError } from "../task.ts";
import type { Core, Delivery } from "./core.ts";
import { createRunLog, type LogRules, type RunLog, rulesOf } from "./lines.ts";
import type { Resident } from "./resident.ts";

/** Whose step a run is: an instance of ours, or of a node that asked us to run it. */
type Owner = Pick<Resident, "id" | "shard" | "running">;

export interface Run {
  /** Instance and path: the same over attempts, and for every node. */
  key: string;
  owner: Owner;
  /** Absent for an errand. */
  resident: Resident | undefined;
  /** Of an errand. */
  rules: LogRules | undefined;
  task: TaskRun;
  deliver(delivery: Delivery): void;
  startedAt: number;
  startedMs: number;
  /** It is among those that are under way. */
  listed: boolean;
  shown: boolean;
  over: boolean;
  abort: AbortController | undefined;
  /** Made when the handler asks for it. */
  log: RunLog | undefined;
}

/** What handlers are given as their idempotency key. */
export const keyOf = (owner: { id: string }, { path }: { path: string }) => `${owner.id}:${path}`;

/** What a handler is given beside its input. */
export function contextOf(core: Core, started: Run): TaskContext {
  const { task, owner } = started;
  return {
    get signal() {
      started.abort ??= new AbortController();
      return started.abort.signal;
    },
    idempotencyKey: started.key,
    attempt: task.attempt,
    instanceId: owner.id,
    stepId: task.stepId,
    get log() {
      started.log ??= createRunLog(core, {
        owner,
        task,
        rules: () => (started.resident === undefined ? started.rules! : rulesOf(started.resident)),
        isOver: () => started.over,
      });
      return started.log.log;
    },
  };
}

/** Tells a handler to stop. */
export function abort(started: Run, reason: string): void {
  started.abort ??= new AbortController();
  started.abort.abort(new TaskError({ code: "ABORTED", message: `The step was stopped: ${reason}` }));
}
