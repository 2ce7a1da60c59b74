/** What people ask of an instance beside signals and cancellations, as the engine's face gives it. */

import { shardOf } from "../foundation/ids.ts";
import type { Engine, LifeRequest, MigrateAnswer, MigrateRequest } from "./contract.ts";
import { engineErrors, storeRefusal } from "./errors.ts";
import { thaw } from "./fold.ts";
import { retryProblem } from "./machine/life.ts";
import { migrationProblems } from "./machine/migration.ts";
import type { Program } from "./machine/program.ts";
import type { EngineNode } from "./runtime/node.ts";

type Life = Pick<Engine, "pause" | "resume" | "retry" | "skip" | "setPriority" | "restart" | "migrate">;

const dayMs = 86_400_000;

/** `retentionMs`: how long instances are kept after their end where their definition does not say. */
export function lifeOf(node: EngineNode, { retentionMs }: { retentionMs: number }): Life {
  const { core, messages } = node;

  /**
   * What is about to be removed is not tried again: its rows may go while it begins. A day before that, or a tenth of the
   * retention where that is less, a retry is refused; whoever removes relies on it.
   */
  function expiryProblem(program: Program, endedAt: number): string | undefined {
    const keptMs = program.retentionMs ?? retentionMs;
    const expiresAt = endedAt + keptMs;
    if (core.time.now() <= expiresAt - Math.min(dayMs, keptMs / 10)) return undefined;
    return `it is kept until ${new Date(expiresAt).toISOString()}, which is too near for another try; restart it instead`;
  }

  /** The state as rows have it now, for a question that the owner will answer again. */
  async function stored({ namespace, instanceId }: LifeRequest) {
    const ids = [{ shard: shardOf(instanceId, core.shardCount), id: instanceId }];
    const [found] = await core.store.instances(ids).catch((error: unknown) => {
      throw storeRefusal(error);
    });
    if (found === undefined || found.namespace !== namespace) {
      throw engineErrors.instance_not_found(`There is no instance "${instanceId}" in namespace "${namespace}"`);
    }
    const program = await core.programs(found.definitionId);
    return { found, program, state: thaw(program, found) };
  }

  async function migrate(request: MigrateRequest): Promise<MigrateAnswer> {
    const { definitionId, dryRun, instanceId } = request;
    const { found, program, state } = await stored(request);
    const to = await core.programs(definitionId);
    const problems = migrationProblems({ from: program, to, state });
    if (dryRun === true) return { instanceId, status: found.status, problems };
    if (problems.length > 0) {
      const errors = problems.map(({ stepId, message, expected }) => ({
        pointer: stepId === undefined ? "" : `/steps/${stepId}`,
        message,
        expected,
      }));
      const detail = problems.length === 1 ? problems[0]!.message : `${problems.length} things are in the way`;
      throw engineErrors.cannot_migrate(`Instance "${instanceId}" cannot go on with version ${to.version}: ${detail}`, {
        errors,
      });
    }
    const answer = await messages.ask(request, { kind: "migrate", definitionId }, (m) =>
      engineErrors.cannot_migrate(m),
    );
    return { ...answer, problems: [] };
  }

  return {
    pause: (request) => messages.ask(request, { kind: "pause" }, (m) => engineErrors.cannot_pause(m)),
    resume: (request) => messages.ask(request, { kind: "resume" }, (m) => engineErrors.cannot_resume(m)),
    async retry(request) {
      const { found, program, state } = await stored(request);
      const problem = retryProblem(state) ?? expiryProblem(program, state.completedAt ?? core.time.now());
      if (problem !== undefined) throw engineErrors.cannot_retry(`Instance "${found.id}": ${problem}`);
      return await messages.ask(request, { kind: "retry" }, (m) => engineErrors.cannot_retry(m));
    },
    async skip({ stepId, ...request }) {
      const { found, program } = await stored(request);
      if (!program.steps.has(stepId)) {
        const message = `Version ${program.version} of "${found.workflowId}" has no step "${stepId}"`;
        throw engineErrors.cannot_skip(message, {
          errors: [
            { pointer: "/stepId", message, expected: `one of ${[...program.steps.keys()].slice(0, 10).join(", ")}` },
          ],
        });
      }
      return await messages.ask(request, { kind: "skip", stepId }, (m) => engineErrors.cannot_skip(m));
    },
    setPriority: ({ priority, ...request }) =>
      messages.ask(request, { kind: "priority", priority }, (m) => engineErrors.instance_final(m)),
    restart: (request) => node.restart(request),
    migrate,
  };
}
