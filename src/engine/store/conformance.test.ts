import { afterAll, beforeAll } from "vitest";
import { openTestDatabase } from "../../../test/support/database.ts";
import { type Database, type Db, statement } from "../../foundation/database/index.ts";
import { silentLogger } from "../../foundation/log.ts";
import { readStatistics } from "../queries/statistics.ts";
import { acceptStarts } from "../queries/work.ts";
import type { StatisticsRow } from "../statistics.ts";
import type { Peeked } from "./conformance/rig.ts";
import { type StoreUnderTest, storeLaws, storeLifeLaws } from "./conformance.ts";
import type { BirthRow } from "./contract.ts";
import { createMemoryDatabase, createMemoryStore, holdKey } from "./memory.ts";
import { createPostgresStore } from "./postgres.ts";

const staleHead: [string, string, number] = ["default", "superseded", 1];

const memory = createMemory();
const memoryForLives = createMemory();
let postgres: Awaited<ReturnType<typeof createPostgres>>;
let postgresForLives: Awaited<ReturnType<typeof createPostgres>>;

storeLaws("memory", () => memory);
storeLaws("postgres", () => postgres);
storeLifeLaws("memory", () => memoryForLives);
storeLifeLaws("postgres", () => postgresForLives);

beforeAll(async () => {
  postgres = await createPostgres();
  postgresForLives = await createPostgres();
});
afterAll(async () => {
  await postgres.drop();
  await postgresForLives.drop();
});

function createMemory(): StoreUnderTest {
  // Each call of the clock is a little later than the one before, as transactions are.
  let passed = 0;
  const tables = createMemoryDatabase({
    now: () => {
      passed += 0.01;
      return Date.now() + passed;
    },
    isStale: (head) => head.workflowId === "superseded",
  });
  return {
    staleHead,
    connect: () => createMemoryStore(tables),
    async peek(instanceId) {
      const row = [...tables.instances.values()].find(({ id }) => id === instanceId);
      const steps = tables.steps.get(instanceId) ?? [];
      return {
        logs: tables.logs.filter((log) => log.instanceId === instanceId).map(({ message }) => message),
        writers: [...new Set(steps.map(({ nodeId, epoch }) => `${nodeId} ${epoch}`))],
        transitions: tables.transitions
          .filter(({ entityId }) => entityId === instanceId)
          .map(({ from, to, event }) => `${from} > ${to} ${event}`),
        originId: row?.originId ?? null,
        originStepId: row?.originStepId ?? null,
      };
    },
    async tallies(definitionId) {
      const own = [...tables.tallies].map(([key, n]) => [JSON.parse(key) as unknown[], n] as const);
      return Object.fromEntries(
        own
          .filter(([[id]]) => id === definitionId)
          .map(([[, ...what], n]) => [what.map((part) => part ?? "-").join(" "), n]),
      );
    },
    async holdKey({ id: instanceId, definitionId, requestHash, keyShard, namespace, workflowId, key }) {
      const end = holdKey(tables, { keyShard, namespace, workflowId, key: key! });
      return {
        async end(how) {
          end(how === "commit" ? { instanceId, definitionId, requestHash } : undefined);
        },
      };
    },
  };
}

async function createPostgres(): Promise<StoreUnderTest & { drop(): Promise<void> }> {
  const { db, drop } = await openTestDatabase({ poolSize: 8 });
  return {
    staleHead,
    drop,
    connect: () => createPostgresStore({ database: db, log: silentLogger }),
    holdKey: (birth) => hold(db, birth),
    async peek(instanceId) {
      const [peeked] = await db.query<Peeked>(readPeek, [instanceId]);
      return peeked!;
    },
    async tallies(definitionId) {
      const rows = await db.query<StatisticsRow>(readStatistics, [[definitionId]]);
      const named = ({ kind, stepId, code, bucket }: StatisticsRow) =>
        `${kind} ${stepId || "-"} ${code || "-"} ${bucket === -1 ? "-" : bucket}`;
      return Object.fromEntries(rows.map((row) => [named(row), row.n]));
    },
  };
}

const readPeek = statement(
  "test.peek",
  `select
     array(select l.message from workflow_orchestrator_service.execution_logs l where l.instance_id = $1) as logs,
     array(select distinct s.node_id || ' ' || s.epoch from workflow_orchestrator_service.workflow_instance_steps s
       where s.instance_id = $1) as writers,
     array(select coalesce(t.from_state, 'null') || ' > ' || t.to_state || ' ' || t.transition_event from audit.fsm_transitions t
       where t.entity_id = $1 order by t.id) as transitions,
     (select i.origin_instance_id from workflow_orchestrator_service.workflow_instances i where i.id = $1) as "originId",
     (select i.origin_step_id from workflow_orchestrator_service.workflow_instances i where i.id = $1) as "originStepId"`,
);

class RolledBack extends Error {}

/** Accepts a start in a transaction that stays open until it is told how to end. */
async function hold(db: Database, birth: BirthRow): Promise<{ end(how: "commit" | "rollback"): Promise<void> }> {
  const told = Promise.withResolvers<"commit" | "rollback">();
  const accepted = Promise.withResolvers<void>();
  const transaction = db.transaction(async (tx: Db) => {
    const { shard, id, namespace, definitionId, workflowId, priority, input, key, keyShard, requestHash } = birth;
    const row = [
      shard,
      id,
      namespace,
      definitionId,
      workflowId,
      priority,
      null,
      null,
      null,
      input,
      key,
      keyShard,
      requestHash,
      null,
      [],
    ];
    await tx.query(acceptStarts, [JSON.stringify([row]), null]);
    accepted.resolve();
    if ((await told.promise) === "rollback") throw new RolledBack();
  });
  transaction.catch(accepted.reject);
  await accepted.promise;
  return {
    async end(how) {
      told.resolve(how);
      await transaction.catch((error: unknown) => {
        if (!(error instanceof RolledBack)) throw error;
      });
    },
  };
}
