import { afterAll, beforeAll } from "vitest";
import { openTestDatabase } from "../../../test/support/database.ts";
import type { Db } from "../../foundation/database/index.ts";
import { silentLogger } from "../../foundation/log.ts";
import { acceptStarts } from "../queries/work.ts";
import { type StoreUnderTest, storeLaws } from "./conformance.ts";
import type { BirthRow } from "./contract.ts";
import { createMemoryDatabase, createMemoryStore, holdKey } from "./memory.ts";
import { createPostgresStore } from "./postgres.ts";

const staleHead: [string, string, number] = ["default", "superseded", 1];

storeLaws("memory", () => memory);
storeLaws("postgres", () => postgres);

const memory = ((): StoreUnderTest => {
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
    async holdKey({ id: instanceId, definitionId, requestHash, keyShard, namespace, workflowId, key }) {
      const end = holdKey(tables, { keyShard, namespace, workflowId, key: key! });
      return {
        async end(how) {
          end(how === "commit" ? { instanceId, definitionId, requestHash } : undefined);
        },
      };
    },
  };
})();

let database: Awaited<ReturnType<typeof openTestDatabase>>;
let postgres: StoreUnderTest;

beforeAll(async () => {
  database = await openTestDatabase({ poolSize: 8 });
  postgres = {
    staleHead,
    connect: () => createPostgresStore({ database: database.db, log: silentLogger }),
    holdKey: (birth) => hold(birth),
  };
});
afterAll(() => database.drop());

class RolledBack extends Error {}

/** Accepts a start in a transaction that stays open until it is told how to end. */
async function hold(birth: BirthRow): Promise<{ end(how: "commit" | "rollback"): Promise<void> }> {
  const told = Promise.withResolvers<"commit" | "rollback">();
  const accepted = Promise.withResolvers<void>();
  const transaction = database.db.transaction(async (tx: Db) => {
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
