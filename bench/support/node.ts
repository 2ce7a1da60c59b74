/** One node of the engine in this process, with the workloads' definitions and handlers. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  createEngine,
  type Definition,
  type Engine,
  type Json,
  type RoutingSource,
  type TaskHandler,
} from "../../src/engine/index.ts";
import {
  type Connection,
  Database,
  type DatabaseOptions,
  type Statement,
} from "../../src/foundation/database/index.ts";
import { AppError } from "../../src/foundation/errors.ts";
import { createLogger } from "../../src/foundation/log.ts";
import * as sql from "./queries.ts";
import { type WrittenCall, writing } from "./replay.ts";
import type { BenchDatabase } from "./server.ts";
import { definitions, handlers, inputOf, namespace, threeSteps } from "./workload.ts";

export interface BenchNode {
  engine: Engine;
  /**
   * Starts so many three-step workflows at once; gives the seconds until the last was accepted and until the end of the
   * last was committed, after asking the database whether all completed.
   */
  runAll(count: number): Promise<{ accepted: number; ended: number }>;
  /** Starts one three-step workflow, and resolves when its result is here. */
  runOne(order: number): Promise<void>;
  /** The same of any workflow; gives its output. */
  run(workflowId: string, input: Json): Promise<Json>;
  stop(): Promise<void>;
}

export interface NodeOptions {
  leaseMs?: number;
  /** Takes the place of the handlers of the three steps. */
  handlers?: Record<string, TaskHandler>;
  /** Hears of everything that is written of instances, before it is sent. */
  writes?(call: WrittenCall): void;
  /** Where events go beside waits. */
  routing?(db: Database): RoutingSource;
}

const resultTimeoutMs = 60_000;
const endPollMs = 1;

/** Starts a node and resolves when it owns every shard that nobody else does. */
export async function startNode(database: Pick<BenchDatabase, "url">, options: NodeOptions = {}): Promise<BenchNode> {
  // The engine is to be heard when something goes wrong, and else not.
  const log = createLogger({ level: "warn" });
  const settings = { url: database.url, applicationName: "millrace bench node", log };
  const { writes } = options;
  const db = writes === undefined ? new Database(settings) : new OverheardDatabase(settings, writes);
  let endings = 0;
  const tasks = options.handlers ?? handlers(() => endings++);
  const engine = createEngine({
    database: db,
    log,
    leaseMs: options.leaseMs,
    handlers: { get: (taskId) => tasks[taskId], ids: () => Object.keys(tasks) },
    ...(options.routing === undefined ? {} : { routing: options.routing(db) }),
    definitions: { resolve: async ({ ref }) => resolved(ref), load: async (definitionId) => loaded(definitionId) },
  });
  await engine.start();

  async function completed(): Promise<number> {
    const [row] = await db.query<{ completed: number }>(sql.countAllCompleted, [namespace]);
    return row!.completed;
  }

  async function run(definitionId: string, input: Json): Promise<Json> {
    const { instanceId } = await startPatiently(engine, { definitionId, input });
    const end = await engine.waitForEnd({ namespace, instanceId, timeoutMs: resultTimeoutMs });
    if (end?.status !== "COMPLETED") throw new Error(`instance ${instanceId} is ${end?.status}`);
    return end.output ?? null;
  }

  return {
    engine,
    async runAll(count) {
      const before = await completed();
      endings = 0;
      const beganAt = performance.now();
      await Promise.all(
        Array.from({ length: count }, (_, order) =>
          startPatiently(engine, { definitionId: threeSteps.workflowId, input: inputOf(order) }),
        ),
      );
      const accepted = (performance.now() - beganAt) / 1000;
      // An instance leaves memory when its end is committed.
      while (endings < count || engine.stats().residents > 0) await sleep(endPollMs);
      const ended = (performance.now() - beganAt) / 1000;
      const found = (await completed()) - before;
      if (found !== count) throw new Error(`${found} of ${count} workflows completed`);
      return { accepted, ended };
    },
    async runOne(order) {
      await run(threeSteps.workflowId, inputOf(order));
    },
    run,
    async stop() {
      await engine.stop();
      await db.close();
    },
  };
}

/** Starts one workflow; where the engine asks to come back later, does. */
async function startPatiently(
  engine: Engine,
  start: { definitionId: string; input: Json },
): Promise<{ instanceId: string }> {
  for (;;) {
    try {
      return await engine.startInstance({ namespace, ...start });
    } catch (error) {
      if (!(error instanceof AppError) || error.kind !== "limited") throw error;
      await sleep(error.retryAfterMs ?? 1_000);
    }
  }
}

/** Tells what is written through it. */
class OverheardDatabase extends Database {
  readonly #writes: (call: WrittenCall) => void;

  constructor(settings: DatabaseOptions, writes: (call: WrittenCall) => void) {
    super(settings);
    this.#writes = writes;
  }

  #hear(statement: Statement, values: readonly unknown[] = []): void {
    if (writing.has(statement)) this.#writes({ statement, values });
  }

  override query<R>(statement: Statement, values?: readonly unknown[]): Promise<R[]> {
    this.#hear(statement, values);
    return super.query(statement, values);
  }

  override execute(statement: Statement, values?: readonly unknown[]): Promise<{ rowCount: number }> {
    this.#hear(statement, values);
    return super.execute(statement, values);
  }

  override async connect(): Promise<Connection> {
    const line = await super.connect();
    const query: Connection["query"] = (statement, values) => {
      this.#hear(statement, values);
      return line.query(statement, values);
    };
    return Object.create(line, { query: { value: query } }) as Connection;
  }
}

const ids = new Map(definitions.map((definition, index) => [definition.workflowId, idOf(index)]));

/** The same in every process, since instances of one are continued by another. */
function idOf(index: number): string {
  return `00000000-0000-7000-8000-${String(index).padStart(12, "0")}`;
}

function resolved(workflowId: string): { definitionId: string; workflowId: string } {
  const definitionId = ids.get(workflowId);
  if (definitionId === undefined) throw new Error(`there is no workflow ${workflowId}`);
  return { definitionId, workflowId };
}

function loaded(definitionId: string): Definition & { namespace: string } {
  const definition = definitions.find(({ workflowId }) => ids.get(workflowId) === definitionId);
  if (definition === undefined) throw new Error(`there is no definition ${definitionId}`);
  return { ...definition, namespace };
}
