/**
 * Calls handlers: after the commit that made their step current, never past the node's lease, each with a time limit.
 *
 * Time limits and the "long enough to be shown" of a second are looked after by one sweep over what runs, not by a
 * timer for each step.
 */

import type { Json } from "../machine/definition.ts";
import type { TaskRun } from "../machine/facts.ts";
import { isGathering, maxOutputBytes } from "../machine/joins.ts";
import { inlineLimit } from "../payloads.ts";
import { type ErrorInfo, isThenable, type TaskHandler, toErrorInfo, toJson } from "../task.ts";
import type { Core, Delivery } from "./core.ts";
import { gathererOf } from "./gathering.ts";
import type { LogRules } from "./lines.ts";
import type { Resident } from "./resident.ts";
import { abort, contextOf, keyOf, type Run } from "./run.ts";
import { noHandler, timeUp, tooLarge } from "./run_errors.ts";
import { createUnrecorded } from "./unrecorded.ts";
import { untilAnswered } from "./until_answered.ts";

/** Past this a running step gets a row, so that the console shows it. */
export const shownAfterMs = 1_000;
const sweepMs = 100;
/** What a handler that goes on has said is written every second. */
const sweepsUntilSaved = 10;
/** From so many interruptions on, a step runs with no other of its kind beside it. */
const isolateFrom = 2;

export interface Runner {
  run(resident: Resident, task: TaskRun): void;
  /** Runs a step for the owner of another shard; `deliver` gets its result. `log`: as its owner keeps lines. */
  runErrand(errand: {
    owner: { id: string; shard: number };
    task: TaskRun;
    log: LogRules;
    deliver(delivery: Delivery): void;
  }): void;
  readonly running: number;
  /** Runs of one shard that are under way. */
  runsOf(shard: number): { path: string; resident: Resident }[];
  /** Begins what was held back because the lease was in doubt. */
  retryHeld(): void;
  /** The lane is lost: what was not recorded is of an owner that this node was before. */
  forgetResults(): void;
  /** Resolves when nothing runs, or after `timeoutMs`. */
  settled(timeoutMs: number): Promise<void>;
  /** Cuts off what runs; resolves when what it has said is written. */
  stop(): Promise<void>;
}

export interface RunnerReactions {
  /** Makes the child of a WORKFLOW step. */
  spawn(resident: Resident, task: TaskRun): void;
  /** Another node is asked to run the step. */
  sendErrand(resident: Resident, what: { task: TaskRun; runner: string }): void;
  /** Hands a result to the instance: to its resident, or to whoever owns its shard now. */
  deliver(what: { shard: number; instanceId: string; resident: Resident }, delivery: Delivery): void;
}

export function createRunner(core: Core, reactions: RunnerReactions): Runner {
  const runs = new Set<Run>();
  /** By key: of the runs that have the same one, the last. */
  const underWay = new Map<string, Run>();
  const unrecorded = createUnrecorded();
  let held: { resident: Resident; task: TaskRun }[] = [];
  const suspects: { resident: Resident; task: TaskRun }[] = [];
  let suspectRuns: Run | undefined;
  /** Large results that are being written. */
  let storing = 0;
  let cancelSweep: (() => void) | undefined;
  let stopped = false;
  let sweeps = 0;

  /**
   * Between the decision to call a handler and the call the step may have been cancelled, or its attempt ended. And the
   * shard may have been let go in the very flush that released the call: the next owner begins it.
   */
  function isWanted({ resident, task }: { resident: Resident; task: TaskRun }): boolean {
    const phase = core.shards.get(resident.shard)?.phase;
    if (resident.gone || phase === undefined || phase === "releasing") return false;
    const live = resident.state.live[task.path];
    if (live === undefined || live.attempt !== task.attempt) return false;
    return task.kind === "gather" ? isGathering(live) : live.phase === "running";
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
    if (task.kind === "child") {
      reactions.spawn(resident, task);
      return;
    }
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

  /** The run of this very attempt, unless it was told to stop: then it is of an owner that this node was before. */
  function runOf(key: string, { attempt }: { attempt: number }): Run | undefined {
    const known = underWay.size === 0 ? undefined : underWay.get(key);
    return known?.task.attempt === attempt && known.abort?.signal.aborted !== true ? known : undefined;
  }

  /**
   * What was under way before the memory of the instance was void, or before its shard was ours, is not called again: it
   * goes on for the instance as it was read now.
   */
  function resume(resident: Resident, task: TaskRun, key: string): Run | undefined {
    const known = runOf(key, task);
    if (known === undefined) return undefined;
    const deliverTo = (delivery: Delivery) => deliver(resident, delivery);
    Object.assign(known, { owner: resident, resident, deliver: deliverTo, shown: false });
    resident.running.set(task.path, { abort: (reason) => abort(known, reason) });
    return known;
  }

  function begin(resident: Resident, task: TaskRun): Run | undefined {
    const key = keyOf(resident, task);
    const delivery = unrecorded.take(key, task.attempt);
    if (delivery !== undefined) {
      deliverResult(resident, { key, attempt: task.attempt }, delivery);
      return undefined;
    }
    const resumed = resume(resident, task, key);
    if (resumed !== undefined) return resumed;
    const handler =
      task.kind === "gather"
        ? gathererOf(core, { resident, task, isStopped: () => stopped })
        : core.handlers.get(task.taskId);
    if (handler === undefined) {
      const { path, taskId } = task;
      const nodes = core.handlersElsewhere.get(taskId);
      const runner = nodes?.[Math.floor(core.random() * nodes.length)];
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
    const deliverTo = (delivery: Delivery) => deliver(resident, delivery);
    return call({ key, owner: resident, resident, rules: undefined, task, deliver: deliverTo }, handler);
  }

  /** A result that is not recorded is kept: its step is asked for again when the instance is in memory again. */
  function deliverResult(resident: Resident, of: { key: string; attempt: number }, delivery: Delivery): void {
    delivery.failed = () => unrecorded.keep(of.key, { attempt: of.attempt, delivery });
    deliver(resident, delivery);
  }

  function call(
    what: Pick<Run, "key" | "owner" | "resident" | "rules" | "task" | "deliver">,
    handler: TaskHandler,
  ): Run {
    const { owner, task } = what;
    const started: Run = {
      ...what,
      startedAt: core.time.now(),
      startedMs: core.clock.monotonicMs(),
      listed: false,
      shown: false,
      over: false,
      abort: undefined,
      log: undefined,
    };
    let result: unknown;
    try {
      result = handler(task.input, contextOf(core, started));
    } catch (error) {
      failed(started, error);
      return started;
    }
    if (isThenable(result)) {
      // One that has given its result when it returns was never under way.
      started.listed = true;
      runs.add(started);
      underWay.set(what.key, started);
      owner.running.set(task.path, { abort: (reason) => abort(started, reason) });
      sweepSoon();
      result.then(
        (output) => completed(started, output),
        (error: unknown) => failed(started, error),
      );
    } else {
      completed(started, result);
    }
    return started;
  }

  /** Brings a result, and with it what was said on the way. */
  function bring(started: Run, delivery: Delivery): void {
    const { resident, log, key, task } = started;
    // Of an errand only the result travels; and what was stopped may end when its instance is over.
    const logs = log === undefined || resident === undefined || resident.gone ? [] : log.take();
    void log?.save();
    const whole = logs.length === 0 ? delivery : { ...delivery, logs };
    if (resident === undefined) started.deliver(whole);
    else deliverResult(resident, { key, attempt: task.attempt }, whole);
  }

  function completed(started: Run, output: unknown): void {
    if (!close(started)) return;
    const result = toJson(output);
    if ("error" in result) {
      deliverFailure(started, toErrorInfo(result.error, nowIso()));
      return;
    }
    if (result.json.length > maxOutputBytes / 4 && Buffer.byteLength(result.json) > maxOutputBytes) {
      deliverFailure(started, toErrorInfo(tooLarge(started.task), nowIso()));
      return;
    }
    // The handler may go on changing what it returned; what counts is what it was.
    const value = (typeof output === "object" && output !== null ? JSON.parse(result.json) : (output ?? null)) as Json;
    const { path, attempt } = started.task;
    const fact = { kind: "completed" as const, path, attempt, output: value, ...times(started) };
    // The inbox carries an errand's result whole.
    if (result.json.length <= inlineLimit || started.resident === undefined) {
      bring(started, { fact });
      return;
    }
    storing++;
    void store(started, result.json)
      .then(
        (id) => {
          if (id !== undefined) bring(started, { fact, payload: { value, id } });
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
    return await untilAnswered(
      core,
      () => stopped,
      async () => {
        await core.store.savePayload({ shard, id, instanceId, body });
        return id;
      },
    );
  }

  function failed(started: Run, error: unknown): void {
    if (close(started)) deliverFailure(started, toErrorInfo(error, nowIso()));
  }

  function deliverFailure(started: Run, error: ErrorInfo): void {
    const { path, attempt } = started.task;
    bring(started, { fact: { kind: "failed", path, attempt, error, ...times(started) } });
  }

  function deliver(resident: Resident, delivery: Delivery): void {
    reactions.deliver({ shard: resident.shard, instanceId: resident.id, resident }, delivery);
  }

  /** False when the run had ended before: its time was up, and what comes now is too late. */
  function close(started: Run): boolean {
    if (started.over) return false;
    started.over = true;
    if (started.listed) {
      runs.delete(started);
      if (underWay.get(started.key) === started) underWay.delete(started.key);
      started.owner.running.delete(started.task.path);
    }
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
        deliverFailure(started, timeUp(task, nowIso()));
      } else if (elapsed >= shownAfterMs && !started.shown) {
        started.shown = true;
        started.deliver({ fact: { kind: "running", path: task.path, attempt: task.attempt } });
      }
    }
    if (++sweeps % sweepsUntilSaved === 0) {
      // What a short step says goes with its result.
      for (const { log, startedMs } of runs) if (now - startedMs >= shownAfterMs) void log?.save();
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
    runErrand({ owner, task, log: rules, deliver: answer }) {
      const handler = core.handlers.get(task.taskId);
      if (handler !== undefined) {
        const key = keyOf(owner, task);
        // The step's shard may have come here meanwhile, and the step with it.
        if (runOf(key, task) !== undefined) return;
        const elsewhere = { ...owner, running: new Map() };
        call({ key, owner: elsewhere, resident: undefined, rules, task, deliver: answer }, handler);
        return;
      }
      const { path, attempt } = task;
      const now = core.time.now();
      const error = noHandler(task, { nodeId: core.nodeId, at: nowIso() });
      answer({ fact: { kind: "failed", path, attempt, error, startedAt: now, completedAt: now } });
    },
    runsOf: (shard) =>
      [...runs].flatMap(({ resident, task }) => (resident?.shard === shard ? [{ path: task.path, resident }] : [])),
    retryHeld,
    forgetResults: () => unrecorded.clear(),
    async settled(timeoutMs) {
      const until = core.clock.monotonicMs() + timeoutMs;
      while (runs.size + storing > 0 && core.clock.monotonicMs() < until) {
        await new Promise<void>((resolve) => core.clock.schedule(20, resolve));
      }
    },
    async stop() {
      stopped = true;
      cancelSweep?.();
      held = [];
      const cut = [...runs];
      for (const started of cut) {
        close(started);
        abort(started, "the node stops");
      }
      await Promise.all(cut.map(({ log }) => log?.save()));
    },
  };
}
