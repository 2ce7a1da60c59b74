import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AppError } from "../errors.ts";
import { callerMay } from "./caller.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { apiKeyMatches, apiKeyOf, hashApiKey } from "./keys.ts";
import { traceparentOf } from "./request.ts";
import { textFaults } from "./text.ts";

describe("cursors", () => {
  test("a cursor gives back what it was made of", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string({ maxLength: 40 }), fc.integer(), fc.constant(null)), { maxLength: 5 }),
        (value) => {
          if (textFaults(value, "").length > 0) return;
          const cursor = encodeCursor(value);
          expect(cursor).toMatch(/^[\w-]+$/);
          expect(decodeCursor(cursor)).toEqual(value);
        },
      ),
    );
  });

  test("anything else is a value or http.cursor_invalid at /query/cursor", () => {
    const bad = ["", "!", "a b", "e30=", "A".repeat(5_000), Buffer.from("{").toString("base64url"), encodeCursor("\0")];
    for (const text of bad) {
      expect(() => decodeCursor(text)).toThrow(
        expect.objectContaining({
          code: "http.cursor_invalid",
          errors: [expect.objectContaining({ pointer: "/query/cursor" })],
        }),
      );
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          decodeCursor(text);
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
        }
      }),
    );
  });
});

describe("keys", () => {
  test("a key matches the hash of itself and of no other", () => {
    const keyHash = hashApiKey("secret");
    expect(keyHash).toBe("2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b");
    expect(apiKeyMatches({ key: "secret", keyHash })).toBe(true);
    for (const key of ["", "Secret", "secret ", keyHash]) expect(apiKeyMatches({ key, keyHash })).toBe(false);
    expect(apiKeyMatches({ key: "secret", keyHash: "short" })).toBe(false);
  });

  test("a key is read from Authorization or X-API-Key", () => {
    expect(apiKeyOf({ authorization: "Bearer abc" })).toBe("abc");
    expect(apiKeyOf({ authorization: "bearer abc " })).toBe("abc");
    expect(apiKeyOf({ "x-api-key": "abc" })).toBe("abc");
    expect(apiKeyOf({ authorization: "Basic abc", "x-api-key": "def" })).toBe("def");
    for (const headers of [{}, { authorization: "Bearer" }, { authorization: "Bearer a b" }, { "x-api-key": "" }]) {
      expect(apiKeyOf(headers)).toBeUndefined();
    }
  });
});

test("a permission is held by itself, by its resource's star and by the star", () => {
  const may = (held: string[], permission: string) => callerMay({ id: "a", permissions: new Set(held) }, permission);
  expect(may(["workflows:read"], "workflows:read")).toBe(true);
  expect(may(["workflows:*"], "workflows:read")).toBe(true);
  expect(may(["*"], "workflows:read")).toBe(true);
  expect(may(["workflows:write", "workflow:*", "tasks:*"], "workflows:read")).toBe(false);
});

test("a trace context is kept when it is well-formed and ignored when it is not", () => {
  const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  expect(traceparentOf({ traceparent: good })).toBe(good);
  for (const bad of [
    "",
    "x",
    good.toUpperCase(),
    `ff${good.slice(2)}`,
    good.replace(/4b\w+36/, "0".repeat(32)),
    `${good}-`,
  ]) {
    expect(traceparentOf({ traceparent: bad })).toBeUndefined();
  }
});

test("faults of texts are found wherever they are, in names too", () => {
  const value = { ok: "é💩", a: ["\0", { "b/~": "\ud800" }], "c\0": 1, [JSON.parse('"\\udc00"')]: 2 };
  expect(textFaults(value, "/x").map(({ pointer }) => pointer)).toEqual([
    "/x/a/0",
    "/x/a/1/b~1~0",
    "/x/c\0",
    "/x/\udc00",
  ]);
});
