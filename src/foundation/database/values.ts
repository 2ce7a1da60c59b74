/**
 * How PostgreSQL values become JavaScript values, for every connection of the program.
 *
 * | type                 | value                                                              |
 * |----------------------|--------------------------------------------------------------------|
 * | int8, int8[]         | number; a value beyond 2^53 is an error, never a wrong number       |
 * | timestamptz, …[]     | text, ISO 8601 in UTC with milliseconds: `2026-01-02T03:04:05.678Z` |
 * | json, jsonb          | the parsed value                                                   |
 * | uuid, numeric, date, timestamp, interval | text as PostgreSQL writes it                   |
 * | the rest             | as `pg` gives it (int4, float8 → number, bool → boolean, bytea → Buffer) |
 */
import pg from "pg";

type Parser = (text: string) => unknown;

const oids = { int8: 20, date: 1082, timestamp: 1114, timestamptz: 1184, interval: 1186 } as const;
const arrayOids = {
  int8: 1016,
  timestamp: 1115,
  date: 1182,
  timestamptz: 1185,
  interval: 1187,
  numeric: 1231,
} as const;
/** `text[]`: its parser splits an array's text into the texts of its elements. */
const textArrayOid: number = 1009;

export function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(
      `The int8 value ${text} cannot be held exactly in a number; cast it to text in the statement.`,
    );
  }
  return value;
}

const inUtc = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00$/;
const withOffset = /^(\d{4,6}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,6})?)([+-]\d\d)(?::?(\d\d))?$/;

/**
 * Turns PostgreSQL's text into ISO 8601 with milliseconds; microseconds are cut off, never rounded up, so an instant
 * read back is not later than the one stored. `infinity`, `-infinity` and years before Christ stay as they are.
 */
export function parseTimestamptz(text: string): string {
  const utc = inUtc.exec(text);
  if (utc) {
    return `${utc[1]}T${utc[2]}.${(utc[3] ?? "").padEnd(3, "0").slice(0, 3)}Z`;
  }
  const local = withOffset.exec(text);
  if (!local) {
    return text;
  }
  const year = local[1]?.indexOf("-") === 4 ? local[1] : `+${local[1]?.padStart(12, "0")}`;
  const instant = new Date(`${year}T${local[2]}${local[3]}:${local[4] ?? "00"}`);
  return Number.isNaN(instant.getTime()) ? text : instant.toISOString();
}

const asText: Parser = (text) => text;

/** Parses the array's text first and then each element; a null element stays null. */
function arrayOf(parse: Parser): Parser {
  const parseTexts: Parser = pg.types.getTypeParser(textArrayOid, "text");
  const each = (value: unknown): unknown =>
    Array.isArray(value) ? value.map(each) : typeof value === "string" ? parse(value) : value;
  return (text) => each(parseTexts(text));
}

const parsers = new Map<number, Parser>([
  [oids.int8, parseInt8],
  [oids.timestamptz, parseTimestamptz],
  [oids.date, asText],
  [oids.timestamp, asText],
  [oids.interval, asText],
  [arrayOids.int8, arrayOf(parseInt8)],
  [arrayOids.timestamptz, arrayOf(parseTimestamptz)],
  [arrayOids.date, arrayOf(asText)],
  [arrayOids.timestamp, arrayOf(asText)],
  [arrayOids.interval, arrayOf(asText)],
  [arrayOids.numeric, arrayOf(asText)],
]);

/** The `types` option of every `pg` client that this program opens. */
export const valueTypes: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: "text" | "binary") =>
    (format !== "binary" && parsers.get(oid)) || pg.types.getTypeParser(oid, format ?? "text"),
};
