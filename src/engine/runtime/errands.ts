/**
 * Errands: steps whose handler only another node has.
 *
 * The owner writes the step as RUNNING with the other node as its runner, and the errand's row in the same flush. The
 * runner takes the row away, runs the handler, and sends the result to the shard's inbox, as after a hand-over. If it
 * dies, or loses the row, the owner notices by its beat or by the step's time, and the step begins again.
 */

import type { TaskRun } from "../machine/facts.ts";
import type { Core, Delivery } from "./core.ts";
import type { Hints } from "./hints.ts";
import { type LogRules, rulesOf } from "./lines.ts";
import type { Resident } from "./resident.ts";
import type { Runner } from "./runner.ts";

const takeLimit = 100;

export interface Errands {
  /** As owner: sends a step to a node that has the handler. */
  send(resident: Resident, what: { task: TaskRun; runner: string }): void;
  /** As runner: looks for errands soon. */
  wake(): void;
  stop(): void;
}

export interface ErrandParts {
  runner(): Runner;
  hints: Hints;
  deliver(what: { shard: number; instanceId: string }, delivery: Delivery): void;
  /** Hands a result to whoever owns the shard. */
  post(what: { shard: number; instanceId: string }, fact: Delivery["fact"]): void;
}

export function createErrands(core: Core, parts: ErrandParts): Errands {
  let taking = false;
  let again = false;
  let stopped = false;

  function send(resident: Resident, { task, runner }: { task: TaskRun; runner: string }): void {
    const { path, stepId, taskId, attempt, input, timeoutMs } = task;
    const { shard, id: instanceId } = resident;
    parts.deliver(
      { shard, instanceId },
      {
        fact: { kind: "released", path, runner },
        errand: JSON.stringify([
          ...[runner, shard, instanceId, path, stepId, taskId, attempt, input, timeoutMs],
          rulesOf(resident),
        ]),
        settled({ ignored, resident: now }) {
          if (ignored !== undefined) return;
          now?.awaited.set(path, { runner, untilAt: core.time.now() + timeoutMs });
          parts.hints.errand(runner);
        },
      },
    );
  }

  function wake(): void {
    again = true;
    if (!taking && !stopped) void take();
  }

  async function take(): Promise<void> {
    taking = true;
    while (again && !stopped && !core.stopping) {
      again = false;
      // The owner gives an errand to another once this node's lease has lapsed. A later beat does not bring it back.
      const deadlineMs = core.deadlineMs();
      try {
        const errands = await core.store.takeErrands({ runner: core.nodeId, limit: takeLimit });
        if (errands.length === takeLimit) again = true;
        // One that was given to this node again is begun once.
        const wanted = new Map(errands.map((errand) => [`${errand.instanceId} ${errand.path}`, errand]));
        for (const { shard, instanceId, id: _, stands, log, ...task } of wanted.values()) {
          if (!stands || core.clock.monotonicMs() >= deadlineMs) continue;
          parts.runner().runErrand({
            owner: { id: instanceId, shard },
            task: { kind: "task", ...task, interrupted: 0 },
            log: rulesIn(log),
            deliver: ({ fact }) => {
              if (fact.kind === "completed" || fact.kind === "failed") parts.post({ shard, instanceId }, fact);
            },
          });
        }
      } catch (error) {
        core.log.warn({ err: error }, "errands could not be taken; they are looked for again");
      }
    }
    taking = false;
  }

  return {
    send,
    wake,
    stop() {
      stopped = true;
    },
  };
}

/** What the owner wrote; a node that is older wrote nothing, and its instances keep what most do. */
function rulesIn(log: object | null): LogRules {
  return log === null ? { namespace: null, level: "info" } : (log as LogRules);
}
