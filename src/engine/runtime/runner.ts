/**
 * Calls handlers: after the commit that made their step current, never past the node's lease, each with a time limit.
 *
 * Time limits and the "long enough to be shown" of a second are looked after by one sweep over what runs, not by a
 * timer for each step.
 */

import type { Json } from "../machine/definition.ts";
import type { TaskRun } from "../machine/facts.ts";
import { inlineLimit } from "../payloads.ts";
import { StoreError } from "../store/contract.ts";
import {
  type ErrorInfo,
  type TaskContext,
  TaskError,
  type TaskHandler,
  taskLog,
  toErrorInfo,
  toJson,
} from "../task.ts";
import { pause } from "./clock.ts";
import type { Core, Delivery } from "./core.ts";
import type { Resident } from "./resident.ts";

/** Past this a running step gets a row, so that the console shows it. */
export const shownAfterMs = 1_000;
const sweepMs = 100;
/** From so many interruptions on, a step runs with no other of its kind beside it. */
const isolateFrom = 2;

/** Whose step a run is: an instance of ours, or of a node that asked us to run it. */
type Owner = Pick<Resident, "id" | "shard" | "running">;

interface Run {
  owner: Owner;
  /** Absent for an errand. */
  resident: Resident | undefined;
  task: TaskRun;
  deliver(delivery: Delivery): void;
  startedAt: number;
  startedMs: number;
  shown: boolean;
  over: boolean;
  abort: AbortController | undefined;
}

export interface Runner {
  run(resident: Resident, task: TaskRun): void;
  /** Runs a step for the owner of another shard; `deliver` gets its result. */
  runErrand(errand: { owner: { id: string; shard: number }; task: TaskRun; deliver(delivery: Delivery): void }): void;
  readonly running: number;
  /** Runs of one shard that are under way. */
  runsOf(shard: number): { path: string; resident: Resident }[];
  /** Begins what was held back because the lease was in doubt. */
  retryHeld(): void;
  /** Resolves when nothing runs, or after `timeoutMs`. */
  settled(timeoutMs: number): Promise<void>;
  stop(): void;
}

export interface RunnerReactions {
  /** Another node is asked to run the step. */
  sendErrand(resident: Resident, what: { task: TaskRun; runner: string }): void;
  /** Hands a result to the instance: to its resident, or to whoever owns its shard now. */
  deliver(what: { shard: number; instanceId: string; resident: Resident }, delivery: Delivery): void;
}

export function createRunner(core: Core, reactions: RunnerReactions): Runner {
  const runs = new Set<Run>();
  let held: { resident: Resident; task: TaskRun }[] = [];
  const suspects: { resident: Resident; task: TaskRun }[] = [];
  let suspectRuns: Run | undefined;
  /** Large results that are being written. */
  let storing = 0;
  let cancelSweep: (() => void) | undefined;
  let stopped = false;

  /**
   * Between the decision to call a handler and the call the step may have been cancelled, or its attempt ended. And the
   * shard may have been let go in the very flush that released the call: the next owner begins it.
   */
  function isWanted({ resident, task }: { resident: Resident; task: TaskRun }): boolean {
    const phase = core.shards.get(resident.shard)?.phase;
    if (resident.gone || phase === undefined || phase === "releasing") return false;
    const live = resident.state.live[task.path];
    return live?.phase === "running" && live.attempt === task.attempt;
  }

  function run(resident: Resident, task: TaskRun): void {
    if (!isWanted({ resident, task })) return;
    if (core.clock.monotonicMs() >= core.deadlineMs() || overfull()) {
      // Another node may own the shard by now, or results have no room: nothing begins until that is over.
      held.push({ resident, task });
      sweepSoon();
      return;
    }
    if (core.stopping) return;
    // Steps whose node died twice run one at a time, so that the guilty one is known by its next death.
    const suspect = task.interrupted >= isolateFrom;
    if (suspect && suspectRuns !== undefined) {
      suspects.push({ resident, task });
      return;
    }
    const started = begin(resident, task);
    // One that ended at once, or had no handler, holds nobody up.
    if (suspect && started !== undefined && !started.over) suspectRuns = started;
  }

  /** The wait may have been long, so whatever holds for a step that is to begin is asked again. */
  function nextSuspect(): void {
    while (suspectRuns === undefined) {
      const next = suspects.shift();
      if (next === undefined) return;
      run(next.resident, next.task);
    }
  }

  function overfull(): boolean {
    return core.lane.queuedBytes > core.limits.queuedBytes;
  }

  function begin(resident: Resident, task: TaskRun): Run | undefined {
    const handler = core.handlers.get(task.taskId);
    if (handler === undefined) {
      const { path, taskId } = task;
      const runner = pick(core.handlersElsewhere.get(taskId));
      if (runner !== undefined) {
        reactions.sendErrand(resident, { task, runner });
        return undefined;
      }
      deliver(resident, {
        fact: { kind: "unassigned", path },
        // One that was registered meanwhile did not find the row.
        settled: () => {
          if (core.handlers.get(taskId) !== undefined) deliver(resident, { fact: { kind: "assigned", path } });
        },
      });
      return undefined;
    }
    return call({ owner: resident, resident, task, deliver: (delivery) => deliver(resident, delivery) }, handler);
  }

  function pick(nodes: string[] | undefined): string | undefined {
    return nodes?.[Math.floor(core.random() * nodes.length)];
  }

  function call(what: Pick<Run, "owner" | "resident" | "task" | "deliver">, handler: TaskHandler): Run {
    const { owner, task } = what;
    const started: Run = {
      ...what,
      startedAt: core.time.now(),
      startedMs: core.clock.monotonicMs(),
      shown: false,
      over: false,
      abort: undefined,
    };
    runs.add(started);
    owner.running.set(task.path, { abort: (reason) => abort(started, reason) });
    sweepSoon();
    let result: unknown;
    try {
      result = handler(task.input, contextOf(started));
    } catch (error) {
      failed(started, error);
      return started;
    }
    if (isThenable(result)) {
      result.then(
        (output) => completed(started, output),
        (error: unknown) => failed(started, error),
      );
    } else {
      completed(started, result);
    }
    return started;
  }

  function contextOf(started: Run): TaskContext {
    const { task, owner } = started;
    let log: TaskContext["log"] | undefined;
    return {
      get signal() {
        started.abort ??= new AbortController();
        return started.abort.signal;
      },
      idempotencyKey: `${owner.id}:${task.path}`,
      attempt: task.attempt,
      instanceId: owner.id,
      stepId: task.stepId,
      get log() {
        log ??= taskLog(core.log, { instanceId: owner.id, stepId: task.stepId, attempt: task.attempt });
        return log;
      },
    };
  }

  function abort(started: Run, reason: string): void {
    started.abort ??= new AbortController();
    started.abort.abort(new TaskError({ code: "ABORTED", message: `The step was stopped: ${reason}` }));
  }

  function completed(started: Run, output: unknown): void {
    if (!close(started)) return;
    const result = toJson(output);
    if ("error" in result) {
      deliverFailure(started, toErrorInfo(result.error, nowIso()));
      return;
    }
    // The handler may go on changing what it returned; what counts is what it was.
    const value = (typeof output === "object" && output !== null ? JSON.parse(result.json) : (output ?? null)) as Json;
    const { path, attempt } = started.task;
    const fact = { kind: "completed" as const, path, attempt, output: value, ...times(started) };
    // The inbox carries an errand's result whole.
    if (result.json.length <= inlineLimit || started.resident === undefined) {
      started.deliver({ fact });
      return;
    }
    storing++;
    void store(started, result.json)
      .then(
        (id) => {
          if (id !== undefined) started.deliver({ fact, payload: { value, id } });
        },
        (error: unknown) =>
          deliverFailure(started, {
            ...toErrorInfo(error, nowIso()),
            code: "UNSTORABLE",
            category: "SYSTEM",
            retriable: true,
          }),
      )
      .finally(() => {
        storing--;
      });
  }

  /**
   * A large output is written beside the lane before its row refers to it, and like a flush until the store has it: the
   * step has succeeded, whether the store is there or not. Undefined when the node stopped before; the step runs again.
   */
  async function store(started: Run, body: string): Promise<string | undefined> {
    const { shard, id: instanceId } = started.owner;
    const id = core.newId(core.time.now());
    for (let tries = 0; !stopped; tries++) {
      try {
        await core.store.savePayload({ shard, id, instanceId, body });
        return id;
      } catch (error) {
        if (!(error instanceof StoreError) || error.fault === "data" || error.fault === "defect") throw error;
        await pause(core.clock, Math.min(50 * 2 ** tries, 1_000));
      }
    }
    return undefined;
  }

  function failed(started: Run, error: unknown): void {
    if (close(started)) deliverFailure(started, toErrorInfo(error, nowIso()));
  }

  function deliverFailure(started: Run, error: ErrorInfo): void {
    const { path, attempt } = started.task;
    started.deliver({ fact: { kind: "failed", path, attempt, error, ...times(started) } });
  }

  function deliver(resident: Resident, delivery: Delivery): void {
    reactions.deliver({ shard: resident.shard, instanceId: resident.id, resident }, delivery);
  }

  /** False when the run had ended before: its time was up, and what comes now is too late. */
  function close(started: Run): boolean {
    if (started.over) return false;
    started.over = true;
    runs.delete(started);
    started.owner.running.delete(started.task.path);
    if (suspectRuns === started) {
      suspectRuns = undefined;
      core.clock.soon(nextSuspect);
    }
    return true;
  }

  function times(started: Run): { startedAt: number; completedAt: number } {
    const tookMs = core.clock.monotonicMs() - started.startedMs;
    return { startedAt: started.startedAt, completedAt: started.startedAt + Math.round(tookMs) };
  }

  function nowIso(): string {
    return new Date(core.time.now()).toISOString();
  }

  function sweepSoon(): void {
    if (cancelSweep !== undefined || stopped) return;
    cancelSweep = core.clock.schedule(sweepMs, () => {
      cancelSweep = undefined;
      sweep();
      if (runs.size > 0 || held.length > 0) sweepSoon();
    });
  }

  function sweep(): void {
    const now = core.clock.monotonicMs();
    for (const started of runs) {
      const elapsed = now - started.startedMs;
      const { task } = started;
      if (elapsed >= task.timeoutMs) {
        if (!close(started)) continue;
        abort(started, "its time is up");
        const message = `Step "${task.stepId}" did not end within ${task.timeoutMs} ms`;
        deliverFailure(started, {
          code: "TIMEOUT",
          category: "TIMEOUT",
          message,
          retriable: true,
          timestamp: nowIso(),
        });
      } else if (elapsed >= shownAfterMs && !started.shown) {
        started.shown = true;
        started.deliver({ fact: { kind: "running", path: task.path, attempt: task.attempt } });
      }
    }
    retryHeld();
  }

  function retryHeld(): void {
    if (held.length === 0) return;
    const waiting = held;
    held = [];
    for (const { resident, task } of waiting) run(resident, task);
  }

  return {
    run,
    get running() {
      return runs.size;
    },
    runErrand({ owner, task, deliver: answer }) {
      const handler = core.handlers.get(task.taskId);
      if (handler !== undefined) {
        call({ owner: { ...owner, running: new Map() }, resident: undefined, task, deliver: answer }, handler);
        return;
      }
      const { path, attempt } = task;
      const now = core.time.now();
      const message = `Node ${core.nodeId} has no handler for task "${task.taskId}" any more`;
      const error = {
        code: "NO_HANDLER",
        category: "TRANSIENT" as const,
        message,
        retriable: true,
        timestamp: nowIso(),
      };
      answer({ fact: { kind: "failed", path, attempt, error, startedAt: now, completedAt: now } });
    },
    runsOf: (shard) =>
      [...runs].flatMap(({ resident, task }) => (resident?.shard === shard ? [{ path: task.path, resident }] : [])),
    retryHeld,
    async settled(timeoutMs) {
      const until = core.clock.monotonicMs() + timeoutMs;
      while (runs.size + storing > 0 && core.clock.monotonicMs() < until) {
        await new Promise<void>((resolve) => core.clock.schedule(20, resolve));
      }
    },
    stop() {
      stopped = true;
      cancelSweep?.();
      held = [];
      for (const started of [...runs]) {
        close(started);
        abort(started, "the node stops");
      }
    },
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
