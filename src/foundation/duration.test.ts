import fc from "fast-check";
import { expect, test } from "vitest";
import { formatDuration, MAX_DURATION_MS, parseDuration } from "./duration.ts";

const cases: [number | string, number][] = [
  [0, 0],
  [1500, 1500],
  [0.4, 0],
  ["5000", 5000],
  ["PT0S", 0],
  ["PT5S", 5000],
  ["PT0.5S", 500],
  ["PT0,25S", 250],
  ["PT1H30M", 5_400_000],
  ["PT1.5H", 5_400_000],
  ["P1D", 86_400_000],
  ["P1DT2H", 93_600_000],
  ["P0.5D", 43_200_000],
  ["P2W", 1_209_600_000],
  ["P1W2DT3H4M5.678S", 788_645_678],
  ["PT90M", 5_400_000],
  ["P36525D", MAX_DURATION_MS],
];

test.each(cases)("%s is %i ms", (value, ms) => {
  expect(parseDuration(value)).toBe(ms);
});

const refused: [number | string, RegExp][] = [
  [-1, /not a duration.*"PT5S"/],
  [Number.NaN, /not a duration/],
  [Number.POSITIVE_INFINITY, /not a duration/],
  ["", /not a duration/],
  ["P", /not a duration/],
  ["PT", /not a duration/],
  ["P1DT", /not a duration/],
  ["5s", /"5s" is not a duration; write milliseconds/],
  ["pt5s", /not a duration/],
  ["-PT5S", /not a duration/],
  ["PT5S ", /not a duration/],
  ["PT5S\n", /not a duration/],
  ["PT1M1H", /not a duration/],
  ["1e3", /not a duration/],
  ["P1Y", /years or months.*"P30D"/],
  ["P1M", /years or months/],
  ["P1.5DT1H", /fraction before its last/],
  ["P36526D", /longer than the longest/],
  [MAX_DURATION_MS + 1, /longer than the longest/],
  ["9".repeat(60), /longer than the longest/],
  ["P".repeat(1000), /too long/],
];

test.each(refused)("%s is refused with a message that says what would be right", (value, message) => {
  expect(() => parseDuration(value)).toThrow(RangeError);
  expect(() => parseDuration(value)).toThrow(message);
});

test("what formatDuration writes, parseDuration reads back", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: MAX_DURATION_MS }), (ms) => {
      expect(parseDuration(formatDuration(ms))).toBe(ms);
    }),
  );
});

test("any text either is a duration in range or throws RangeError", () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[PTYMWDHS0-9.,]{0,20}$/));
  fc.assert(
    fc.property(text, (value) => {
      try {
        const ms = parseDuration(value);
        return Number.isSafeInteger(ms) && ms >= 0 && ms <= MAX_DURATION_MS;
      } catch (error) {
        return error instanceof RangeError;
      }
    }),
  );
});

test("formatDuration writes the shortest form and refuses what is no whole number of milliseconds", () => {
  expect(formatDuration(0)).toBe("PT0S");
  expect(formatDuration(1)).toBe("PT0.001S");
  expect(formatDuration(5_400_000)).toBe("PT1H30M");
  expect(formatDuration(93_600_000)).toBe("P1DT2H");
  expect(formatDuration(86_400_000)).toBe("P1D");
  for (const bad of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => formatDuration(bad)).toThrow(RangeError);
});
