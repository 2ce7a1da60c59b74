/** The whole engine in the oracle's world: tasks and children that answer as it says, on PostgreSQL and in real time. */

import { setTimeout as sleep } from "node:timers/promises";
import type { App } from "../../src/app.ts";
import { type Definition, type Json, TaskError, type TaskHandler } from "../../src/engine/index.ts";
import { AppError } from "../../src/foundation/errors.ts";
import { faceOf } from "../../src/millrace.ts";
import type { History, Row } from "./history.ts";
import type { Oracle, Told } from "./oracle.ts";

const namespace = "default";

export interface Live {
  /** The handlers that the app is started with. */
  tasks: Record<string, TaskHandler>;
  /** Needs the app that was started with them. */
  run(app: App, world: { definition: Definition; input: Json; oracle: Oracle }): Promise<History>;
}

/** What children run: their one task ends as the oracle says of the parent's step. */
export const childDefinition = {
  workflowId: "child",
  name: "A child",
  steps: [{ stepId: "be", type: "TASK", taskId: "child", timeout: 60_000, retryPolicy: { maxAttempts: 1 } }],
};

export function createLive(): Live {
  /** Handlers may be called before the answer to the start tells the id. */
  const oracles = new Map<string, { oracle: Promise<Oracle>; tell(oracle: Oracle): void }>();
  let running: App | undefined;

  function oracleOf(instanceId: string) {
    let known = oracles.get(instanceId);
    if (known === undefined) {
      const { promise, resolve } = Promise.withResolvers<Oracle>();
      known = { oracle: promise, tell: resolve };
      oracles.set(instanceId, known);
    }
    return known;
  }

  async function answer(told: Told): Promise<Json> {
    await sleep(told.afterMs);
    if ("output" in told) return told.output;
    throw new TaskError({ ...told.error, message: "as the oracle said" });
  }

  const work: TaskHandler = async (_input, ctx) => {
    const oracle = await oracleOf(ctx.instanceId).oracle;
    return await answer(oracle.task(ctx.idempotencyKey.slice(ctx.instanceId.length + 1), ctx.attempt));
  };

  const child: TaskHandler = async (_input, ctx) => {
    const { db, engine } = running!;
    const [me] = await db.unnamed<{ parent: string; path: string; attempt: number }>(`
      select me.parent_instance_id as parent, me.parent_path as path, count(*)::int as attempt
      from workflow_orchestrator_service.workflow_instances me
      join workflow_orchestrator_service.workflow_instances one
        on one.parent_instance_id = me.parent_instance_id and one.parent_path = me.parent_path and one.id <= me.id
      where me.id = '${ctx.instanceId}' group by 1, 2`);
    const told = (await oracleOf(me!.parent).oracle).child(me!.path, me!.attempt);
    if ("output" in told || told.error.code !== "CHILD_CANCELLED") return await answer(told);
    await engine.cancel({ namespace, instanceId: ctx.instanceId, reason: "as the oracle said", requestedBy: "test" });
    return null;
  };

  return {
    tasks: { work, undo: work, child },
    async run(app, { definition, input, oracle }) {
      running = app;
      const face = faceOf(() => app, { namespace });
      await face.define(definition);
      const { instanceId } = await face.startInstance({ definitionId: definition.workflowId, input });
      oracleOf(instanceId).tell(oracle);
      /** One that has ended takes no signal and no cancellation. */
      const ignored = (error: unknown) => {
        if (!(error instanceof AppError && error.kind === "conflict")) throw error;
      };
      const signals = (async () => {
        for (const { afterMs, type, payload } of oracle.signals) {
          await sleep(afterMs);
          await face.signal(instanceId, { type, payload }).catch(ignored);
        }
      })();
      const { afterMs, compensate, isWanted } = oracle.cancel;
      const cancelled = (async () => {
        if (!isWanted) return;
        await sleep(afterMs);
        await face.cancel(instanceId, { reason: "as the oracle said", compensate }).catch(ignored);
      })();
      const ended = await face.waitForEnd(instanceId, { timeoutMs: 30_000 });
      await Promise.all([signals, cancelled]);
      if (ended?.completedAt === undefined) {
        const why = await app.engine.why({ namespace, instanceId });
        throw new Error(`${JSON.stringify(definition)} did not end: ${JSON.stringify([ended, why])}`);
      }
      const history = await app.engine.history({ namespace, instanceId, afterSeq: 0, limit: 1_000 });
      return {
        status: ended.status as History["status"],
        ...(ended.status === "FAILED" ? { code: ended.error!.code } : {}),
        ...(ended.status === "COMPLETED" ? { output: ended.output ?? null } : {}),
        variables: ended.state.variables,
        rows: history.flatMap(rowOf),
        atMs: 0,
      };
    },
  };
}

function rowOf(item: Awaited<ReturnType<App["engine"]["history"]>>[number]): Row[] {
  const { path, attempt, status, input, output, error } = item;
  if (status !== "COMPLETED" && status !== "FAILED" && status !== "CANCELLED") return [];
  return [
    {
      path,
      attempt,
      status,
      ...(input === undefined || item.type === "MAP" ? {} : { input }),
      ...(status === "FAILED" ? { code: (error as { code: string }).code } : {}),
      ...(status === "COMPLETED" ? { output: output ?? null } : {}),
      atMs: 0,
    },
  ];
}
