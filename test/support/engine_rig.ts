/** An engine on a test database, with definitions and handlers that the test gives it. */

import {
  createEngine,
  type Definition,
  type Engine,
  type EngineOptions,
  type LogFilter,
  type LogItem,
  type Step,
} from "../../src/engine/index.ts";
import type { Database } from "../../src/foundation/database/index.ts";
import { isUuid } from "../../src/foundation/ids.ts";
import { silentLogger } from "../../src/foundation/log.ts";
import type { TaskHandler } from "../../src/tasks/index.ts";

export const rigNamespace = "default";

/** The id of the n-th definition of a rig. */
export const rigDefinition = (n: number): string => `0197e000-0000-7000-8000-${String(n).padStart(12, "0")}`;

export interface RigOptions
  extends Partial<Pick<EngineOptions, "log" | "retentionMs" | "leaseMs" | "drainMs" | "archiveDir">> {
  db: Database;
  /** The last of several versions of a workflow is its latest. */
  definitions: Definition[];
  tasks?: Record<string, TaskHandler>;
}

/** A started engine. Its own housekeeping finds nothing to remove unless the test says for how long things are kept. */
export async function startRig({ db, definitions, tasks = {}, ...options }: RigOptions): Promise<Engine> {
  const find = (ref: string, version?: string) => {
    const index = definitions.findLastIndex(
      (one, n) =>
        (isUuid(ref) ? rigDefinition(n) === ref : one.workflowId === ref) && (version ?? one.version) === one.version,
    );
    if (index === -1) throw new Error(`the rig has no definition ${ref}`);
    return { definitionId: rigDefinition(index), definition: definitions[index]! };
  };
  const engine = createEngine({
    database: db,
    log: silentLogger,
    retentionMs: 3_650 * 86_400_000,
    handlers: { get: (taskId) => tasks[taskId], ids: () => Object.keys(tasks) },
    definitions: {
      async resolve({ ref, version }) {
        const { definitionId, definition } = find(ref, version);
        return { definitionId, workflowId: definition.workflowId };
      },
      load: async (definitionId) => ({ ...find(definitionId).definition, namespace: rigNamespace }),
    },
    ...options,
  });
  await engine.start();
  return engine;
}

/** A TASK whose handler has the step's own name. */
export const rigStep = (stepId: string, more: object = {}): Step =>
  ({ stepId, type: "TASK", taskId: stepId, ...more }) as Step;

export const rigWorkflow = (workflowId: string, steps: Step[], more: Partial<Definition> = {}): Definition => ({
  workflowId,
  name: workflowId,
  version: "1.0.0",
  steps,
  ...more,
});

/** Asks again until the answer is right; a test that waits in vain fails by its time. */
export async function until<T>(ask: () => Promise<T>, isRight: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (isRight(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function linesOf(engine: Engine, instanceId: string, filter: Partial<LogFilter> = {}): Promise<LogItem[]> {
  return await engine.logs({ namespace: rigNamespace, instanceId, limit: 500, ...filter });
}

/** Who said what, in order. */
export const said = (items: readonly LogItem[]): string[] =>
  items.map(({ source, level, message }) => `${source} ${level} ${message}`);

/** Starts an instance and gives it when it has ended. */
export async function runToEnd(engine: Engine, workflowId: string, input: object = {}) {
  const { instanceId } = await engine.startInstance({
    namespace: rigNamespace,
    definitionId: workflowId,
    input: input as never,
  });
  return await ended(engine, instanceId);
}

export async function ended(engine: Engine, instanceId: string) {
  const view = await engine.waitForEnd({ namespace: rigNamespace, instanceId, timeoutMs: 20_000 });
  if (view?.completedAt === undefined) throw new Error(`instance ${instanceId} is ${view?.status} and has not ended`);
  return view;
}
