import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../../../test/support/database.ts";
import { silentLogger } from "../log.ts";
import type { Db } from "./client.ts";
import { Database } from "./database.ts";
import { isConnectionLost, isDataError, isTransient, sqlStateOf } from "./sqlstate.ts";
import { allStatements, statement } from "./statements.ts";

const types = statement(
  "database_test.types",
  `select $1::uuid as "uuid", $2::timestamptz as "at", $3::jsonb as "json", $4::int8 as "count",
          array[$2::timestamptz, null] as "instants", array[1, 2]::int8[] as "counts", 1.10::numeric as "exact",
          '2026-02-03'::date as "day"`,
);
const insert = statement("database_test.insert", "insert into notes (id, text) values ($1, $2)");
const list = statement("database_test.list", `select id, text from notes where id = any($1::uuid[]) order by text`);
const everything = statement("database_test.everything", "select * from shape");
const terminate = statement("database_test.terminate", "select pg_terminate_backend($1)");
const backend = statement("database_test.backend", `select pg_backend_pid() as "pid"`);
const settings = statement(
  "database_test.settings",
  `select current_setting('transaction_isolation') as "isolation", current_setting('application_name') as "name"`,
);

let db: Database;
let url: string;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ db, url, drop } = await openTestDatabase({ empty: true, poolSize: 3 }));
  await db.unnamed("create table notes (id uuid primary key, text text not null)");
});
afterAll(() => drop());

async function textsOf(ids: string[]): Promise<string[]> {
  return (await db.query<{ text: string }>(list, [ids])).map(({ text }) => text);
}

test("values keep their meaning on the way through the database", async () => {
  const id = randomUUID();
  const rows = await db.query(types, [id, "2026-01-02T03:04:05.678Z", JSON.stringify([{ a: 1.5 }]), 2 ** 40]);
  expect(rows).toEqual([
    {
      uuid: id,
      at: "2026-01-02T03:04:05.678Z",
      json: [{ a: 1.5 }],
      count: 2 ** 40,
      instants: ["2026-01-02T03:04:05.678Z", null],
      counts: [1, 2],
      exact: "1.10",
      day: "2026-02-03",
    },
  ]);
});

test("a statement's name is taken once, and the register knows it", () => {
  expect(() => statement("database_test.types", "select 1")).toThrow(/declared twice/);
  expect(() => statement("select one", "select 1")).toThrow(/must look like/);
  expect(allStatements()).toContain(insert);
});

test("a transaction commits all its statements or none", async () => {
  const [kept, lost] = [randomUUID(), randomUUID()];
  await db.transaction(async (tx) => {
    expect(await tx.execute(insert, [kept, "kept"])).toEqual({ rowCount: 1 });
  });
  const refusal = new Error("changed my mind");
  const attempt = db.transaction(async (tx) => {
    await tx.execute(insert, [lost, "lost"]);
    throw refusal;
  });
  await expect(attempt).rejects.toBe(refusal);
  expect(await textsOf([kept, lost])).toEqual(["kept"]);
});

test("a transaction reads committed data even where the server's default is stricter", async () => {
  const strict = new Database({
    url: `${url}?options=${encodeURIComponent("-c default_transaction_isolation=serializable")}`,
    applicationName: "strict",
    log: silentLogger,
  });
  const inside = await strict.transaction((tx) => tx.query(settings));
  const outside = await strict.query(settings);
  expect([inside, outside]).toEqual([
    [{ isolation: "read committed", name: "strict" }],
    [{ isolation: "serializable", name: "strict" }],
  ]);
  await strict.close();
});

test("a transaction whose failed statement was swallowed does not pretend to have committed", async () => {
  const id = randomUUID();
  const attempt = db.transaction(async (tx) => {
    await tx.execute(insert, [id, "first"]);
    await tx.execute(insert, [id, "twice"]).catch(() => undefined);
  });
  await expect(attempt).rejects.toMatchObject({ code: "database.commit_refused" });
  expect(await textsOf([id])).toEqual([]);
});

test("nothing can be sent to a transaction that is over", async () => {
  let kept: Db | undefined;
  await db.transaction(async (tx) => {
    kept = tx;
  });
  await expect(kept?.execute(insert, [randomUUID(), "late"])).rejects.toThrow(/transaction is over/);
});

test("statements of one transaction may be sent together and each gets its own answer", async () => {
  const ids = Array.from({ length: 20 }, () => randomUUID());
  await db.transaction(async (tx) => {
    await Promise.all(ids.map((id, index) => tx.execute(insert, [id, String(index).padStart(2, "0")])));
    const found = await Promise.all(ids.map((id) => tx.query<{ id: string }>(list, [[id]])));
    expect(found.map(([row]) => row?.id)).toEqual(ids);
  });
});

test("an error carries the SQLSTATE and the statement's name", async () => {
  const id = randomUUID();
  await db.execute(insert, [id, "once"]);
  const error = await db.execute(insert, [id, "again"]).catch((caught: unknown) => caught);
  expect(sqlStateOf(error)).toBe("23505");
  expect(error).toMatchObject({ code: "23505", statement: "database_test.insert" });
  expect([isDataError(error), isTransient(error), isConnectionLost(error)]).toEqual([true, false, false]);
});

test("a character that PostgreSQL cannot store is an error of the data", async () => {
  const error = await db.execute(insert, [randomUUID(), "a\u0000b"]).catch((caught: unknown) => caught);
  expect([sqlStateOf(error), isDataError(error)]).toEqual(["22021", true]);
});

test("a client whose line was cut leaves the pool, and the next statement gets a new one", async () => {
  const error = await db
    .transaction(async (tx) => {
      const [own] = await tx.query<{ pid: number }>(backend);
      await db.query(terminate, [own?.pid]);
      await tx.query(backend);
    })
    .catch((caught: unknown) => caught);
  expect([isConnectionLost(error), isTransient(error)]).toEqual([true, true]);
  for (let index = 0; index < 6; index++) {
    expect(await db.query(backend)).toHaveLength(1);
  }
});

test("a prepared statement survives a change of its table", async () => {
  await db.unnamed("create table shape (a int)");
  await db.unnamed("insert into shape values (1)");
  const connection = await db.connect();
  expect(await connection.query(everything)).toEqual([{ a: 1 }]);
  await db.unnamed("alter table shape add column b int default 2");
  expect(await connection.query(everything)).toEqual([{ a: 1, b: 2 }]);
  await db.unnamed("alter table shape add column c int default 3");
  expect(await connection.query(everything)).toEqual([{ a: 1, b: 2, c: 3 }]);
  await connection.close();
});

test("inside a transaction a stale plan is transient: the next try succeeds", async () => {
  const single = new Database({ url, poolSize: 1, log: silentLogger });
  await db.unnamed("create table if not exists shape (a int)");
  await single.query(everything);
  await db.unnamed("alter table shape add column z int default 9");
  const error = await single.transaction((tx) => tx.query(everything)).catch((caught: unknown) => caught);
  expect(isTransient(error)).toBe(true);
  expect(await single.transaction((tx) => tx.query(everything))).toEqual([expect.objectContaining({ z: 9 })]);
  await single.close();
});

test("a server that is not there is a lost connection", async () => {
  const nowhere = new Database({ url: "postgres://nobody@127.0.0.1:1/none", log: silentLogger });
  const error = await nowhere.query(backend).catch((caught: unknown) => caught);
  expect([isConnectionLost(error), sqlStateOf(error)]).toEqual([true, undefined]);
  await nowhere.close();
});
