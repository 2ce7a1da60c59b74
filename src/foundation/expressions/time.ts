/**
 * The calendar accessors of timestamps: `getFullYear()`, `getHours("Europe/Berlin")`, …
 *
 * The library computes them through the zone of the process, which loses an hour where that zone skips one; here the
 * wall clock of the asked zone is laid on UTC and read there.
 */
import { isMessage } from "@bufbuild/protobuf";
import { isReflectMessage } from "@bufbuild/protobuf/reflect";
import { TimestampSchema, timestampDate } from "@bufbuild/protobuf/wkt";
import { charge } from "./budget.ts";
import { Fault } from "./errors.ts";
import { recentlyUsed } from "./recent.ts";
import { ForeignValue, type Value } from "./values.ts";

const dayMs = 86_400_000;
const zoneUnits = 400;
const newZoneUnits = 5_000;

const accessors: Readonly<Record<string, (clock: Date) => number>> = {
  getFullYear: (clock) => clock.getUTCFullYear(),
  getMonth: (clock) => clock.getUTCMonth(),
  getDate: (clock) => clock.getUTCDate(),
  getDayOfMonth: (clock) => clock.getUTCDate() - 1,
  getDayOfWeek: (clock) => clock.getUTCDay(),
  getDayOfYear: dayOfYear,
  getHours: (clock) => clock.getUTCHours(),
  getMinutes: (clock) => clock.getUTCMinutes(),
  getSeconds: (clock) => clock.getUTCSeconds(),
  getMilliseconds: (clock) => clock.getUTCMilliseconds(),
};

/** The names of the accessors. */
export const timeAccessors: readonly string[] = Object.keys(accessors);

/** The accessor's answer; undefined when `value` is no timestamp. An unknown zone is a `Fault`. */
export function readClock(name: string, value: Value, zone: string | undefined): bigint | undefined {
  if (!(value instanceof ForeignValue) || !isReflectMessage(value.value)) return undefined;
  const { message } = value.value;
  if (!isMessage(message, TimestampSchema)) return undefined;
  const instant = timestampDate(message);
  const clock = zone === undefined ? instant : wallClock(instant, zone);
  return BigInt(accessors[name]!(clock));
}

function dayOfYear(clock: Date): number {
  const start = new Date(clock);
  start.setUTCMonth(0, 1);
  return Math.round((clock.getTime() - start.getTime()) / dayMs);
}

/** The date whose UTC fields are what a clock in the zone shows. Zones are `+05:30`, `-02:00`, `09:00` or IANA names. */
function wallClock(instant: Date, zone: string): Date {
  charge(zoneUnits);
  const fixed = /^([+-]?)(\d\d):(\d\d)$/.exec(zone);
  if (fixed) {
    const minutes = Number(fixed[2]) * 60 + Number(fixed[3]);
    return new Date(instant.getTime() + (fixed[1] === "-" ? -1 : 1) * minutes * 60_000);
  }
  const part: Record<string, number> = {};
  for (const { type, value } of zoneFormat(zone).formatToParts(instant)) part[type] = Number(value);
  const clock = new Date(0);
  clock.setUTCFullYear(part.year!, part.month! - 1, part.day!);
  clock.setUTCHours(part.hour!, part.minute!, part.second!, instant.getUTCMilliseconds());
  return clock;
}

const zones = recentlyUsed<Intl.DateTimeFormat>(200);

function zoneFormat(zone: string): Intl.DateTimeFormat {
  const known = zones.get(zone);
  if (known !== undefined) return known;
  charge(newZoneUnits);
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      hourCycle: "h23",
      timeZone: zone,
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch {
    throw new Fault(`there is no time zone ${JSON.stringify(zone.slice(0, 64))}`, {
      expected: 'use an IANA name such as "Europe/Berlin" or an offset such as "+02:00"',
    });
  }
  zones.set(zone, format);
  return format;
}
