import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../../../test/support/database.ts";
import type { Connection } from "./connection.ts";
import type { Database } from "./database.ts";
import { isConnectionLost } from "./sqlstate.ts";
import { statement } from "./statements.ts";

const notify = statement("connection_test.notify", "select pg_notify($1, $2)");
const terminate = statement("connection_test.terminate", "select pg_terminate_backend($1)");
const wait = statement("connection_test.wait", "select pg_sleep(60)");
const one = statement("connection_test.one", `select 1 as "one"`);

let db: Database;
let drop: () => Promise<void>;

beforeAll(async () => {
  ({ db, drop } = await openTestDatabase({ empty: true }));
});
afterAll(() => drop());

function loss(connection: Connection): Promise<Error> {
  return new Promise((resolve) => connection.onLost(resolve));
}

test("a listener hears every notification on its channels, in order, and no other", async () => {
  const connection = await db.connect();
  const heard: string[] = [];
  const lastHeard = new Promise<void>((resolve) => {
    void connection.listen("Mixed-Case channel", (payload) => {
      heard.push(payload);
      if (payload === "last") {
        resolve();
      }
    });
  });
  await connection.listen("second", (payload) => heard.push(`second ${payload}`));
  await db.query(notify, ["unheard", "x"]);
  await db.query(notify, ["second", "a"]);
  await db.query(notify, ["Mixed-Case channel", "b"]);
  await db.query(notify, ["Mixed-Case channel", "last"]);
  await lastHeard;
  expect(heard).toEqual(["second a", "b", "last"]);
  await connection.close();
});

test("a connection that the server ends tells its owner once, and rejects what was under way", async () => {
  const connection = await db.connect();
  const lost = loss(connection);
  const underWay = connection.query(wait).catch((caught: unknown) => caught);
  await db.query(terminate, [connection.backendPid]);
  expect(isConnectionLost(await underWay)).toBe(true);
  expect(isConnectionLost(await lost)).toBe(true);
  expect(connection.alive).toBe(false);
  const later = await connection.query(one).catch((caught: unknown) => caught);
  expect(isConnectionLost(later)).toBe(true);
  // Who asks too late is told at once.
  expect(await loss(connection)).toBe(await lost);
  await connection.close();
});

test("an idle connection that the server ends tells its owner without being asked", async () => {
  const connection = await db.connect();
  const lost = loss(connection);
  await db.query(terminate, [connection.backendPid]);
  expect(isConnectionLost(await lost)).toBe(true);
});

test("an aborted connection is lost, and its statement's outcome unknown", async () => {
  const connection = await db.connect();
  const lost = loss(connection);
  const underWay = connection.query(wait).catch((caught: unknown) => caught);
  connection.abort();
  expect(isConnectionLost(await underWay)).toBe(true);
  expect(isConnectionLost(await lost)).toBe(true);
  await db.query(terminate, [connection.backendPid]);
});

test("a closed connection is not a lost one", async () => {
  const connection = await db.connect();
  let told = false;
  connection.onLost(() => {
    told = true;
  });
  expect(await connection.query(one)).toEqual([{ one: 1 }]);
  await connection.close();
  await connection.close();
  expect([connection.alive, told]).toEqual([false, false]);
  expect(isConnectionLost(await connection.query(one).catch((caught: unknown) => caught))).toBe(true);
});
