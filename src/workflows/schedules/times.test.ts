/**
 * Times over changes of clocks. What is expected was computed by hand from the offsets that the tz database gives, which
 * each group names; nothing here was taken from an implementation.
 */
import { describe, expect, test } from "vitest";
import { lastTimeOf, nextTimeOf, type TimesSpec, timesAfter } from "./times.ts";

interface Group {
  zone: string;
  /** The zone's rule, where the clocks change in the cases. */
  rule: string;
  cases: [what: string, cron: string, after: string, expected: string[]][];
}

const groups: Group[] = [
  {
    zone: "Europe/Berlin",
    rule: "CET +1, CEST +2; forward at 01:00Z of 29 March 2026 (02:00 becomes 03:00), back at 01:00Z of 25 October (03:00 becomes 02:00)",
    cases: [
      // 02:30 CET is 01:30Z; on the 29th it is in the gap, whose end, 03:00 CEST, is 01:00Z; 02:30 CEST is 00:30Z.
      [
        "daily in the gap",
        "30 2 * * *",
        "2026-03-28T00:00Z",
        ["2026-03-28T01:30Z", "2026-03-29T01:00Z", "2026-03-30T00:30Z"],
      ],
      // 02:30 comes twice on the 25th, as CEST (00:30Z) and as CET (01:30Z): the first counts.
      [
        "daily in the overlap",
        "30 2 * * *",
        "2026-10-24T00:00Z",
        ["2026-10-24T00:30Z", "2026-10-25T00:30Z", "2026-10-26T01:30Z"],
      ],
      // The whole hours of UTC are whole hours here before and after.
      [
        "hourly over the gap",
        "0 * * * *",
        "2026-03-28T23:30Z",
        ["2026-03-29T00:00Z", "2026-03-29T01:00Z", "2026-03-29T02:00Z"],
      ],
      [
        "hourly over the overlap",
        "0 * * * *",
        "2026-10-24T23:30Z",
        ["2026-10-25T00:00Z", "2026-10-25T01:00Z", "2026-10-25T02:00Z"],
      ],
      [
        "quarters over the gap",
        "*/15 * * * *",
        "2026-03-29T00:30Z",
        ["2026-03-29T00:45Z", "2026-03-29T01:00Z", "2026-03-29T01:15Z"],
      ],
      // 02:30, 02:45 CEST, then 02:00, 02:15 CET.
      [
        "quarters over the overlap",
        "*/15 * * * *",
        "2026-10-25T00:15Z",
        ["2026-10-25T00:30Z", "2026-10-25T00:45Z", "2026-10-25T01:00Z", "2026-10-25T01:15Z"],
      ],
      // Every quarter from 02:00 on is an interval: all of them are in the gap of the 29th, and left out.
      [
        "quarters of the hour that is left out",
        "*/15 2 * * *",
        "2026-03-28T01:30Z",
        ["2026-03-28T01:45Z", "2026-03-30T00:00Z"],
      ],
      [
        "weekly, on the Sunday of the change",
        "30 2 * * 0",
        "2026-03-20T00:00Z",
        ["2026-03-22T01:30Z", "2026-03-29T01:00Z", "2026-04-05T00:30Z"],
      ],
      // Midnight of 28 February CET, 31 March CEST, 30 April CEST.
      [
        "last day of the month",
        "0 0 L * *",
        "2026-02-01T00:00Z",
        ["2026-02-27T23:00Z", "2026-03-30T22:00Z", "2026-04-29T22:00Z"],
      ],
      ["leap day", "0 12 29 2 *", "2026-01-01T00:00Z", ["2028-02-29T11:00Z", "2032-02-29T11:00Z"]],
    ],
  },
  {
    zone: "America/New_York",
    rule: "EST −5, EDT −4; forward at 07:00Z of 8 March 2026 (02:00 becomes 03:00), back at 06:00Z of 1 November (02:00 becomes 01:00)",
    cases: [
      // 02:30 EST is 07:30Z; the gap ends at 03:00 EDT, 07:00Z; 02:30 EDT is 06:30Z.
      [
        "daily in the gap",
        "30 2 * * *",
        "2026-03-07T00:00Z",
        ["2026-03-07T07:30Z", "2026-03-08T07:00Z", "2026-03-09T06:30Z"],
      ],
      // 01:30 EDT is 05:30Z, 01:30 EST 06:30Z.
      [
        "daily in the overlap",
        "30 1 * * *",
        "2026-10-31T00:00Z",
        ["2026-10-31T05:30Z", "2026-11-01T05:30Z", "2026-11-02T06:30Z"],
      ],
      [
        "half hours of the hour that comes twice",
        "*/30 1 * * *",
        "2026-11-01T00:00Z",
        ["2026-11-01T05:00Z", "2026-11-01T05:30Z", "2026-11-01T06:00Z", "2026-11-01T06:30Z"],
      ],
      // 02:00 moves to 03:00, where the other one is: one instant, one time.
      [
        "two fixed hours that fall together",
        "0 2,3 * * *",
        "2026-03-08T00:00Z",
        ["2026-03-08T07:00Z", "2026-03-09T06:00Z", "2026-03-09T07:00Z"],
      ],
      ["working days", "0 9 * * MON-FRI", "2026-03-06T15:00Z", ["2026-03-09T13:00Z", "2026-03-10T13:00Z"]],
    ],
  },
  {
    zone: "Australia/Lord_Howe",
    rule: "+10:30, in summer +11; forward by 30 minutes at 15:30Z of 3 October 2026 (02:00 becomes 02:30), back at 15:00Z of 4 April (02:00 becomes 01:30)",
    cases: [
      // 02:15 is 15:45Z the day before; the gap ends at 02:30 +11, 15:30Z; 02:15 +11 is 15:15Z.
      [
        "daily in the gap",
        "15 2 * * *",
        "2026-10-02T00:00Z",
        ["2026-10-02T15:45Z", "2026-10-03T15:30Z", "2026-10-04T15:15Z"],
      ],
      // 01:45 +11 is 14:45Z, 01:45 +10:30 15:15Z.
      [
        "daily in the overlap",
        "45 1 * * *",
        "2026-04-03T00:00Z",
        ["2026-04-03T14:45Z", "2026-04-04T14:45Z", "2026-04-05T15:15Z"],
      ],
      // 01:00 +10:30 is 14:30Z; there is no 02:00; 03:00 +11 is 16:00Z.
      [
        "hourly over the gap",
        "0 * * * *",
        "2026-10-03T14:00Z",
        ["2026-10-03T14:30Z", "2026-10-03T16:00Z", "2026-10-03T17:00Z"],
      ],
    ],
  },
  {
    zone: "America/Sao_Paulo",
    rule: "−3, without summer time since 2019; in 2018 forward to −2 at 03:00Z of 4 November (00:00 becomes 01:00)",
    cases: [
      [
        "daily, where there was a change once",
        "0 0 * * *",
        "2026-10-31T00:00Z",
        ["2026-10-31T03:00Z", "2026-11-01T03:00Z", "2026-11-02T03:00Z"],
      ],
      // The gap is at midnight and ends at 01:00 −2, 03:00Z.
      [
        "daily in a gap at midnight",
        "0 0 * * *",
        "2018-11-03T00:00Z",
        ["2018-11-03T03:00Z", "2018-11-04T03:00Z", "2018-11-05T02:00Z"],
      ],
    ],
  },
  {
    zone: "Africa/Casablanca",
    rule: "+1, in Ramadan +0: back at 02:00Z of 15 February 2026 (03:00 becomes 02:00), forward at 02:00Z of 22 March (02:00 becomes 03:00)",
    cases: [
      [
        "daily in the overlap",
        "30 2 * * *",
        "2026-02-14T00:00Z",
        ["2026-02-14T01:30Z", "2026-02-15T01:30Z", "2026-02-16T02:30Z"],
      ],
      [
        "daily in the gap",
        "30 2 * * *",
        "2026-03-21T00:00Z",
        ["2026-03-21T02:30Z", "2026-03-22T02:00Z", "2026-03-23T01:30Z"],
      ],
    ],
  },
  {
    zone: "Asia/Kathmandu",
    rule: "+5:45, always",
    cases: [
      ["daily", "0 6 * * *", "2026-03-28T00:00Z", ["2026-03-28T00:15Z", "2026-03-29T00:15Z"]],
      // Whole hours of +5:45 are at the quarter past of UTC.
      ["hourly", "0 * * * *", "2026-03-28T00:00Z", ["2026-03-28T00:15Z", "2026-03-28T01:15Z"]],
    ],
  },
  {
    zone: "Pacific/Apia",
    rule: "+13, without summer time since 2021",
    cases: [
      [
        "daily, where there was a change once",
        "0 12 * * *",
        "2026-09-26T00:00Z",
        ["2026-09-26T23:00Z", "2026-09-27T23:00Z"],
      ],
    ],
  },
  {
    zone: "Antarctica/Troll",
    rule: "+0, in summer +2; forward by two hours at 01:00Z of 29 March 2026 (01:00 becomes 03:00)",
    cases: [
      [
        "daily in a gap of two hours",
        "30 1 * * *",
        "2026-03-28T00:00Z",
        ["2026-03-28T01:30Z", "2026-03-29T01:00Z", "2026-03-29T23:30Z"],
      ],
    ],
  },
  {
    zone: "America/Santiago",
    rule: "−4, in summer −3; forward at 04:00Z of 6 September 2026 (00:00 becomes 01:00)",
    cases: [
      [
        "daily in a gap at midnight",
        "0 0 * * *",
        "2026-09-05T00:00Z",
        ["2026-09-05T04:00Z", "2026-09-06T04:00Z", "2026-09-07T03:00Z"],
      ],
    ],
  },
  {
    zone: "Pacific/Auckland",
    rule: "+12, in summer +13; forward at 14:00Z of 26 September 2026 (02:00 becomes 03:00)",
    cases: [
      [
        "daily in the gap",
        "30 2 * * *",
        "2026-09-25T00:00Z",
        ["2026-09-25T14:30Z", "2026-09-26T14:00Z", "2026-09-27T13:30Z"],
      ],
    ],
  },
  {
    zone: "UTC",
    rule: "+0, always",
    cases: [
      ["with seconds", "30 59 23 31 12 *", "2026-01-01T00:00Z", ["2026-12-31T23:59:30Z", "2027-12-31T23:59:30Z"]],
      ["the second Friday", "0 0 * * FRI#2", "2026-01-01T00:00Z", ["2026-01-09T00:00Z", "2026-02-13T00:00Z"]],
      // Either of the two days, as cron has it.
      ["day of month or weekday", "0 0 13 * FRI", "2026-02-07T00:00Z", ["2026-02-13T00:00Z", "2026-02-20T00:00Z"]],
    ],
  },
];

const spec = (given: Partial<TimesSpec>): TimesSpec => ({ kind: "cron", timezone: "UTC", anchorAt: 0, ...given });
const iso = (times: readonly number[]) => times.map((time) => new Date(time).toISOString());
const full = (instants: readonly string[]) => instants.map((instant) => new Date(instant).toISOString());

describe.each(groups)("in $zone ($rule)", ({ zone, cases }) => {
  test.each(cases)("%s: %s", (_, cronExpression, after, expected) => {
    const next = nextTimeOf(spec({ cronExpression, timezone: zone }));
    expect(iso(timesAfter(next, Date.parse(after), expected.length))).toEqual(full(expected));
  });
});

describe("intervals", () => {
  const anchorAt = Date.parse("2026-03-29T00:00Z");

  test("have times at their anchor and at its multiples, whatever the clocks do", () => {
    const next = nextTimeOf(spec({ kind: "interval", intervalMs: 5_400_000, anchorAt, timezone: "Europe/Berlin" }));
    expect(iso(timesAfter(next, anchorAt - 1, 3))).toEqual(
      full(["2026-03-29T00:00Z", "2026-03-29T01:30Z", "2026-03-29T03:00Z"]),
    );
    expect(iso(timesAfter(next, anchorAt, 1))).toEqual(full(["2026-03-29T01:30Z"]));
    expect(next(anchorAt - 1e9)).toBe(anchorAt);
  });

  test("keep to start and end, and both may be a time", () => {
    const given = spec({
      kind: "interval",
      intervalMs: 1_000,
      anchorAt,
      startAt: anchorAt + 2_000,
      endAt: anchorAt + 4_000,
    });
    expect(timesAfter(nextTimeOf(given), 0, 10).map((time) => time - anchorAt)).toEqual([2_000, 3_000, 4_000]);
    expect(lastTimeOf(given)).toBe(anchorAt + 4_000);
  });
});

test("the last time of a cron expression is the last one up to the end", () => {
  const at = (endAt: string, startAt?: string) => {
    const start = startAt === undefined ? {} : { startAt: Date.parse(startAt) };
    return lastTimeOf(spec({ cronExpression: "0 12 * * *", endAt: Date.parse(endAt), ...start }));
  };
  expect(at("2026-05-04T12:00Z")).toBe(Date.parse("2026-05-04T12:00Z"));
  expect(at("2026-05-04T11:59:59Z")).toBe(Date.parse("2026-05-03T12:00Z"));
  expect(at("2026-05-04T11:00Z", "2026-05-04T00:00Z")).toBeUndefined();
  expect(lastTimeOf(spec({ cronExpression: "0 12 * * *" }))).toBeUndefined();
});

test("what never comes has no next time, and what is over has none either", () => {
  expect(nextTimeOf(spec({ cronExpression: "0 0 31 2 *" }))(0)).toBeUndefined();
  const once = nextTimeOf(spec({ kind: "once", executeAt: 5_000 }));
  expect([once(4_999), once(5_000)]).toEqual([5_000, undefined]);
});
