import { expect, test } from "vitest";
import { parseInt8, parseTimestamptz } from "./values.ts";

test("an instant is ISO 8601 in UTC with milliseconds, cut and not rounded", () => {
  expect(parseTimestamptz("2026-01-02 03:04:05.678999+00")).toBe("2026-01-02T03:04:05.678Z");
  expect(parseTimestamptz("2026-01-02 03:04:05+00")).toBe("2026-01-02T03:04:05.000Z");
  expect(parseTimestamptz("2026-01-02 03:04:05.6+00")).toBe("2026-01-02T03:04:05.600Z");
});

test("an instant of a session in another zone is the same instant", () => {
  expect(parseTimestamptz("2026-01-02 08:34:05.678+05:30")).toBe("2026-01-02T03:04:05.678Z");
  expect(parseTimestamptz("2026-01-01 19:04:05-08")).toBe("2026-01-02T03:04:05.000Z");
  expect(parseTimestamptz("12026-01-02 03:04:05+00")).toBe("+012026-01-02T03:04:05.000Z");
});

test("an instant that ISO 8601 cannot write stays as the server wrote it", () => {
  expect(parseTimestamptz("infinity")).toBe("infinity");
  expect(parseTimestamptz("0044-03-15 00:00:00+00 BC")).toBe("0044-03-15 00:00:00+00 BC");
});

test("an integer that a number cannot hold exactly is refused", () => {
  expect(parseInt8("9007199254740991")).toBe(Number.MAX_SAFE_INTEGER);
  expect(() => parseInt8("9007199254740993")).toThrow(/cast it to text/);
});
