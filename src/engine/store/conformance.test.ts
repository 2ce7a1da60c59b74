import { afterAll, beforeAll } from "vitest";
import { openTestDatabase } from "../../../test/support/database.ts";
import { type Database, type Db, statement } from "../../foundation/database/index.ts";
import { silentLogger } from "../../foundation/log.ts";
import { acceptEvents, readRoutingRevision } from "../queries/events.ts";
import { readStatistics } from "../queries/statistics.ts";
import { acceptStarts } from "../queries/work.ts";
import type { StatisticsRow } from "../statistics.ts";
import type { Peeked } from "./conformance/rig.ts";
import { type StoreUnderTest, storeLaws, storeLifeLaws } from "./conformance.ts";
import type { BirthRow, EventRow } from "./contract.ts";
import { publish } from "./memory/events.ts";
import { eventKeyKey } from "./memory/tables.ts";
import { createMemoryDatabase, createMemoryStore, holdKey } from "./memory.ts";
import { createPostgresStore } from "./postgres.ts";
import { encodeEvent } from "./rows.ts";

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
    firings: async (triggerId) => tables.firings.get(triggerId),
    async holdEventKey(event) {
      const key = eventKeyKey({ ...event, keyShard: event.keyShard! });
      tables.heldKeys.add(key);
      return {
        async end(how) {
          tables.heldKeys.delete(key);
          if (how === "commit") publish(tables, [event], tables.routingRevision);
        },
      };
    },
    async peekEvent(eventId) {
      const of = (replays: boolean) =>
        [...tables.routings.values()].filter((row) => row.eventId === eventId && (row.replayId !== null) === replays);
      return {
        routings: [...of(false), ...of(true)].map(({ decisions }) =>
          decisions.map((decision) => (decision as { target: { kind: string } }).target.kind),
        ),
        deliveries: tables.deliveries.filter((row) => row.eventId === eventId).map((row) => row.subscriptionId),
        openLetters: tables.deadLetters.filter((row) => row.eventId === eventId).length,
      };
    },
    async peekFirings({ triggerId, scheduleId }) {
      const occurrences = [...tables.occurrences.values()].filter((row) => row.scheduleId === scheduleId);
      return { ...tables.firings.get(triggerId)!, occurrences: occurrences.map(({ status }) => status) };
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
    async firings(triggerId) {
      const [row] = await db.query<{ fired: number; lastAt: number }>(readFirings, [triggerId]);
      return row;
    },
    holdKey: (birth) => holdBirth(db, birth),
    holdEventKey: (event) => holdEvent(db, event),
    async peekEvent(eventId) {
      const [peeked] = await db.query<{ routings: string[][]; deliveries: string[]; openLetters: number }>(
        readEventPeek,
        [eventId],
      );
      return peeked!;
    },
    async peekFirings({ triggerId, scheduleId }) {
      const [peeked] = await db.query<{ fired: number; lastAt: number; occurrences: string[] }>(readFiringPeek, [
        triggerId,
        scheduleId,
      ]);
      return peeked!;
    },
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

const readFirings = statement(
  "test.firings",
  `select sum(f.fired)::float8 as fired, (extract(epoch from max(f.last_fired_at)) * 1000)::float8 as "lastAt"
   from workflow_orchestrator_service.trigger_firings f where f.trigger_id = $1`,
);

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

const readEventPeek = statement(
  "test.peek_event",
  `select
     (select json_agg((select json_agg(d->'target'->>'kind') from jsonb_array_elements(r.decisions) d) order by r.replay_id)
      from event_processing_service.event_routings r where r.event_id = $1) as routings,
     array(select d.subscription_id from event_processing_service.event_deliveries d where d.event_id = $1) as deliveries,
     (select count(*) from event_processing_service.dead_letter_queue l
      where l.event_instance_id = $1 and l.status <> 'resolved')::integer as "openLetters"`,
);

const readFiringPeek = statement(
  "test.peek_firings",
  `select f.fired::integer, extract(epoch from f.last_fired_at)::float8 * 1000 as "lastAt",
     array(select o.status from workflow_orchestrator_service.schedule_occurrences o where o.schedule_id = $2) as occurrences
   from workflow_orchestrator_service.trigger_firings f where f.trigger_id = $1`,
);

class RolledBack extends Error {}

type Held = { end(how: "commit" | "rollback"): Promise<void> };

/** Accepts a start in a transaction that stays open until it is told how to end. */
function holdBirth(db: Database, birth: BirthRow): Promise<Held> {
  const { shard, id, namespace, definitionId, workflowId, priority, input, key, keyShard, requestHash } = birth;
  const head = [shard, id, namespace, definitionId, workflowId, priority, null, null, null];
  const row = [...head, input, key, keyShard, requestHash, null, []];
  return hold(db, (tx) => tx.query(acceptStarts, [JSON.stringify([row]), null]));
}

/** The same with an event. */
async function holdEvent(db: Database, event: EventRow): Promise<Held> {
  const [row] = await db.query<{ revision: string }>(readRoutingRevision);
  return await hold(db, (tx) => tx.query(acceptEvents, [`[${encodeEvent(event)}]`, Number(row!.revision)]));
}

async function hold(db: Database, write: (tx: Db) => Promise<unknown>): Promise<Held> {
  const told = Promise.withResolvers<"commit" | "rollback">();
  const accepted = Promise.withResolvers<void>();
  const transaction = db.transaction(async (tx: Db) => {
    await write(tx);
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
