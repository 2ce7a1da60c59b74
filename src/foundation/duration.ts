/**
 * Durations: a number of milliseconds, or an ISO 8601 duration whose length does not depend on a calendar
 * (weeks, days of 24 hours, hours, minutes, seconds).
 */

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;

/** The longest duration, a hundred years: an instant of our time plus a duration is always a date. */
export const MAX_DURATION_MS = 36_525 * DAY_MS;

/** The longest text that is looked at; a valid duration needs far less. */
const MAX_TEXT_LENGTH = 64;

const number = String.raw`(\d+(?:[.,]\d+)?)`;
const shape = new RegExp(
  `^P(?:${number}Y)?(?:${number}M)?(?:${number}W)?(?:${number}D)?(?:T(?:${number}H)?(?:${number}M)?(?:${number}S)?)?$`,
);
const unitsMs = [WEEK_MS, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS];

/**
 * Reads a duration and gives whole milliseconds, rounded, from 0 to a hundred years.
 *
 * Accepts a number (or its decimal digits as text, which is how it arrives in a query) of milliseconds, and
 * `PT1H30M`, `P1DT2H`, `P2W`, with a fraction in the last component (`PT0.5S`). Years and months are refused
 * because their length is not fixed. Throws RangeError with a message that says what would be right.
 */
export function parseDuration(value: number | string): number {
  if (typeof value === "number") return inRange(value, String(value));
  const shown = JSON.stringify(value.length > MAX_TEXT_LENGTH ? `${value.slice(0, MAX_TEXT_LENGTH)}…` : value);
  if (value.length > MAX_TEXT_LENGTH) throw new RangeError(`${shown} is too long for a duration${advice}`);
  if (/^\d+$/.test(value)) return inRange(Number(value), shown);

  const match = shape.exec(value);
  if (!match || value.endsWith("P") || value.endsWith("T")) {
    throw new RangeError(`${shown} is not a duration${advice}`);
  }
  const [years, months, ...parts] = match.slice(1);
  if (years !== undefined || months !== undefined) {
    throw new RangeError(`${shown} has years or months, whose length is not fixed; write days, such as "P30D"`);
  }
  const lastGiven = parts.findLastIndex((part) => part !== undefined);
  let totalMs = 0;
  for (const [index, part] of parts.entries()) {
    if (part === undefined) continue;
    if (index !== lastGiven && /[.,]/.test(part)) {
      throw new RangeError(`${shown} has a fraction before its last component; only the last may have one`);
    }
    totalMs += Number(part.replace(",", ".")) * unitsMs[index]!;
  }
  return inRange(totalMs, shown);
}

const advice = '; write milliseconds, such as 5000, or an ISO 8601 duration, such as "PT5S" or "P1DT2H"';

function inRange(ms: number, shown: string): number {
  if (!Number.isFinite(ms) || ms < 0) throw new RangeError(`${shown} is not a duration${advice}`);
  if (ms > MAX_DURATION_MS) throw new RangeError(`${shown} is longer than the longest duration, "P36525D"`);
  return Math.round(ms);
}

/**
 * Writes whole milliseconds as the shortest ISO 8601 duration of days, hours, minutes and seconds (`PT1H30M`).
 * `parseDuration` reads it back to the same number. Throws RangeError for a negative or fractional number.
 */
export function formatDuration(ms: number): string {
  if (!Number.isSafeInteger(ms) || ms < 0) throw new RangeError(`${ms} is not a whole number of milliseconds`);
  const days = Math.floor(ms / DAY_MS);
  const hours = Math.floor((ms % DAY_MS) / HOUR_MS);
  const minutes = Math.floor((ms % HOUR_MS) / MINUTE_MS);
  const seconds = (ms % MINUTE_MS) / SECOND_MS;
  const date = days > 0 ? `${days}D` : "";
  const time = (hours > 0 ? `${hours}H` : "") + (minutes > 0 ? `${minutes}M` : "") + (seconds > 0 ? `${seconds}S` : "");
  if (date === "" && time === "") return "PT0S";
  return `P${date}${time === "" ? "" : `T${time}`}`;
}
