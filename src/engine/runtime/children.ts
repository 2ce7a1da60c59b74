/**
 * The children of WORKFLOW steps. After the commit that made the step current, its workflow is resolved; then the child
 * and the row that names it are written in one flush, so there is never one without the other. Children live on their
 * parent's shard.
 */

import type { AppError } from "../../foundation/errors.ts";
import type { ResolvedDefinition } from "../contract.ts";
import { isRefusal } from "../errors.ts";
import type { Json } from "../machine/definition.ts";
import type { TaskRun } from "../machine/facts.ts";
import type { ErrorInfo } from "../task.ts";
import { beginInstance } from "./beginning.ts";
import { pause } from "./clock.ts";
import type { ChildStart, Core, Delivery } from "./core.ts";
import type { Resident } from "./resident.ts";
import { slotOf } from "./slots.ts";
import type { Turn, Turns } from "./turns.ts";
import { addPart, emptyWork, type Work } from "./work.ts";

export interface ChildrenReactions {
  resolve(what: { namespace: string; ref: string; version?: string; fresh?: boolean }): Promise<ResolvedDefinition>;
  /** Throws an AppError for an input that the workflow does not take. */
  check(definitionId: string, input: Json): Promise<void>;
  deliver(resident: Resident, delivery: Delivery): void;
}

export interface Children {
  /** Resolves the workflow of a step and brings the fact that makes its child. */
  spawn(resident: Resident, task: TaskRun): Promise<void>;
  /** Writes the child beside the row that names it; gives its first turn. */
  begin(work: Work, resident: Resident, child: ChildStart): Turn;
  /** The latest version of a workflow is not the one that a child was to begin with: it is resolved anew. */
  outdated(workflowId: string): void;
}

export function createChildren(core: Core, turns: () => Turns, reactions: ChildrenReactions): Children {
  /** Workflows whose latest version was not the one that a child was to begin with: they are resolved anew. */
  const outdated = new Set<string>();

  const isWanted = (resident: Resident, task: TaskRun) => {
    const live = resident.gone ? undefined : resident.state.live[task.path];
    return live?.phase === "running" && live.attempt === task.attempt;
  };

  async function spawn(resident: Resident, task: TaskRun): Promise<void> {
    const startedAt = core.time.now();
    const { path, attempt, input } = task;
    for (let tries = 0; isWanted(resident, task) && !core.stopping; tries++) {
      const asked = resident.program.steps.get(task.stepId)?.child;
      if (asked === undefined) return;
      try {
        const { workflowId: ref, version, detach } = asked;
        const named = version === undefined ? {} : { version };
        const fresh = outdated.delete(ref) || tries > 0;
        const definition = await reactions.resolve({ namespace: resident.namespace, ref, ...named, fresh });
        await reactions.check(definition.definitionId, input);
        const program = await core.programs(definition.definitionId);
        if (!isWanted(resident, task)) return;
        const childId = core.newId(core.time.now(), slotOf(core, resident.shard));
        const child = { childId, definition, program, input, path: detach ? null : path };
        reactions.deliver(resident, { fact: { kind: "spawned", path, attempt, childId }, child });
        return;
      } catch (error) {
        if (isRefusal(error)) {
          const refused = refusal(error, task.stepId);
          reactions.deliver(resident, {
            fact: { kind: "failed", path, attempt, error: refused, startedAt, completedAt: core.time.now() },
          });
          return;
        }
        if (tries === 0)
          core.log.warn({ err: error, instance: resident.id }, "a child cannot begin yet; it is tried again");
        await pause(core.clock, Math.min(50 * 2 ** tries, 2_000));
      }
    }
  }

  function refusal(error: AppError, stepId: string): ErrorInfo {
    const { code, message } = error;
    return {
      code: "CHILD_REFUSED",
      category: "VALIDATION",
      message: `The child of step "${stepId}" was refused: ${message}`,
      details: JSON.parse(JSON.stringify({ code, errors: error.errors, ...error.details })) as Json,
      timestamp: new Date(core.time.now()).toISOString(),
      retriable: false,
    };
  }

  function begin(work: Work, parent: Resident, child: ChildStart): Turn {
    const { childId, definition, program, input, path } = child;
    const part = emptyWork({ shard: parent.shard, instanceId: childId });
    const { facts } = parent;
    const begun = beginInstance(turns(), part, {
      id: childId,
      shard: parent.shard,
      namespace: parent.namespace,
      program,
      startedAt: core.time.now(),
      input,
      inputText: JSON.stringify(input),
      priority: facts.priority as number,
      correlationId: facts.correlationId as string | null,
      startedBy: facts.startedBy as string | null,
      parent: { instanceId: parent.id, path },
      ...(parent.state.hops === undefined ? {} : { hops: parent.state.hops }),
    });
    if (definition.revision !== undefined) work.latest = [parent.namespace, definition.workflowId, definition.revision];
    addPart(work, part);
    return begun;
  }

  return { spawn, begin, outdated: (workflowId) => void outdated.add(workflowId) };
}
