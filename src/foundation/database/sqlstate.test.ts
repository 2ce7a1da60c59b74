import { expect, test } from "vitest";
import { isConnectionLost, isDataError, isTransient, sqlStateOf } from "./sqlstate.ts";

function coded(code: string, more: Record<string, string> = {}): Error {
  return Object.assign(new Error("some words"), { code, ...more });
}

const nothing = { lost: false, transient: false, data: false };
const lost = { lost: true, transient: true, data: false };
const transient = { lost: false, transient: true, data: false };
const data = { lost: false, transient: false, data: true };

test.each([
  ["a character that text cannot hold", coded("22021"), data],
  ["a unique violation", coded("23505"), data],
  ["a row that is too large", coded("54000"), data],
  ["a deadlock", coded("40P01"), transient],
  ["too many connections", coded("53300"), transient],
  ["a lock that was not to be had in time", coded("55P03"), transient],
  ["a statement that was cancelled", coded("57014"), transient],
  ["a plan that a migration made stale", coded("0A000", { routine: "RevalidateCachedQuery" }), transient],
  ["a feature that is not there", coded("0A000", { routine: "transformSomething" }), nothing],
  ["a protocol failure", coded("08006"), lost],
  ["a server that shuts down", coded("57P01"), lost],
  ["a server that starts up", coded("57P03"), lost],
  ["a refused connection", coded("ECONNREFUSED"), lost],
  ["a broken pipe", coded("EPIPE"), lost],
  ["a line that ended", new Error("Connection terminated unexpectedly"), lost],
  ["a full pool", new Error("timeout exceeded when trying to connect"), lost],
  ["a wrong password", coded("28P01"), nothing],
  ["a missing table", coded("42P01"), nothing],
  ["any other error", new Error("Connection is nice"), nothing],
  ["something that is no error", "40P01", nothing],
  ["nothing", undefined, nothing],
])("%s is told apart", (_, error, expected) => {
  const told = { lost: isConnectionLost(error), transient: isTransient(error), data: isDataError(error) };
  expect(told).toEqual(expected);
});

test("only the server's codes are SQLSTATEs", () => {
  expect(
    [coded("23505"), coded("EPIPE"), coded("ENOENT"), coded("database.x"), new Error("x"), null].map(sqlStateOf),
  ).toEqual(["23505", undefined, undefined, undefined, undefined, undefined]);
});
