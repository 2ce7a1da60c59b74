import { expect, test } from "vitest";
import { readRetryAfter } from "../../foundation/outbound/index.ts";
import { TaskError } from "../contract.ts";
import { connectionFailure } from "./failure.ts";

test.each([
  ["ENOTFOUND", "DNS_FAILED", "TRANSIENT"],
  ["EAI_AGAIN", "DNS_FAILED", "TRANSIENT"],
  ["ECONNREFUSED", "CONNECTION_REFUSED", "TRANSIENT"],
  ["ETIMEDOUT", "CONNECT_TIMEOUT", "TIMEOUT"],
  ["EHOSTUNREACH", "HOST_UNREACHABLE", "TRANSIENT"],
  ["ECONNRESET", "CONNECTION_LOST", "TRANSIENT"],
  ["CERT_HAS_EXPIRED", "TLS_ERROR", "PERMANENT"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "TLS_ERROR", "PERMANENT"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "TLS_ERROR", "PERMANENT"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "TLS_ERROR", "PERMANENT"],
  ["ESOMETHING", "REQUEST_FAILED", "TRANSIENT"],
])("%s becomes %s, %s, also as the cause of another error", (systemCode, code, category) => {
  const error = Object.assign(new Error("why"), { code: systemCode });
  for (const thrown of [error, new TypeError("outer", { cause: error })]) {
    expect(connectionFailure(thrown, "GET https://a.example")).toMatchObject({ code, category });
  }
});

test("several addresses that all fail count as the failure that Node names", () => {
  const each = [1, 2].map(() => Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" }));
  const all = Object.assign(new AggregateError(each), { code: "ECONNREFUSED" });
  expect(connectionFailure(all, "GET https://a.example")).toMatchObject({ code: "CONNECTION_REFUSED" });
});

test("a TaskError stays what it is", () => {
  const error = new TaskError({ code: "X", message: "x" });
  expect(connectionFailure(error, "GET https://a.example")).toBe(error);
});

test.each([
  [undefined, undefined],
  ["", undefined],
  ["-1", undefined],
  ["1.5x", undefined],
  ["0", 0],
  ["120", 120_000],
  [["3", "4"], 3_000],
  ["Thu, 01 Jan 1970 00:01:00 GMT", 59_000],
  ["Mon, 01 Jan 2035 00:00:00 GMT", 86_400_000],
  ["Thu, 01 Jan 1969 00:00:00 GMT", 0],
])("Retry-After %j one second after the epoch is %j ms", (value, expected) => {
  expect(readRetryAfter(value, 1_000)).toBe(expected);
});
