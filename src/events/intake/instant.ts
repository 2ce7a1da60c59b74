/** Instants of RFC 3339, as events carry them. */

const shape = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d+)?([Zz]|[+-](\d\d):(\d\d))$/;

/**
 * The instant in UTC with milliseconds, or undefined when the text is none: a day that its month does not have, no zone, a
 * year that PostgreSQL does not keep. A leap second (RFC 3339, 5.6) is the first instant of the next minute.
 */
export function instantOf(text: string): string | undefined {
  const parts = shape.exec(text);
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second, , , zoneHour = "0", zoneMinute = "0"] = parts;
  if (Number(day) < 1 || Number(month) < 1 || Number(month) > 12 || Number(day) > daysIn(Number(year), Number(month)))
    return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  if (Number(zoneHour) > 23 || Number(zoneMinute) > 59) return undefined;
  const isLeap = second === "60";
  const upper = text.toUpperCase();
  const ms = Date.parse(isLeap ? `${upper.slice(0, 17)}59${upper.slice(19)}` : upper) + (isLeap ? 1_000 : 0);
  const at = new Date(isLeap ? Math.floor(ms / 1_000) * 1_000 : ms);
  if (Number.isNaN(ms) || at.getUTCFullYear() < 1 || at.getUTCFullYear() > 9_999) return undefined;
  return at.toISOString();
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}
