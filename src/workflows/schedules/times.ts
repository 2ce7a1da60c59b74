/**
 * When a schedule fires: cron expressions, intervals and single times. Pure; times are milliseconds since 1970.
 *
 * Cron is read by croner in the schedule's time zone. Where clocks are put forward, a fixed time inside the gap (minutes and
 * hours without `*` and `/`) comes at the first instant after it, and others are left out; where they are put back, a
 * fixed time comes once, at its first occurrence, and others at both.
 */
import { createHash } from "node:crypto";
import { Cron } from "croner";

export const scheduleKinds = ["cron", "interval", "once"] as const;
export type ScheduleKind = (typeof scheduleKinds)[number];

export interface TimesSpec {
  kind: ScheduleKind;
  cronExpression?: string | undefined;
  intervalMs?: number | undefined;
  executeAt?: number | undefined;
  timezone: string;
  /** No time before this, and none after `endAt`; both may be one. */
  startAt?: number | undefined;
  endAt?: number | undefined;
  /** An interval's zero: its times are this plus a multiple of it. */
  anchorAt: number;
}

/** The first planned time after `afterMs`; undefined when there is none. */
export type NextTime = (afterMs: number) => number | undefined;

/** Throws what `croner` throws for an expression or zone that it does not understand. */
export function nextTimeOf(spec: TimesSpec): NextTime {
  const { startAt = Number.NEGATIVE_INFINITY, endAt = Number.POSITIVE_INFINITY } = spec;
  const following = followingOf(spec);
  return (afterMs) => {
    const next = following(Math.max(afterMs, startAt - 1));
    return next === undefined || next > endAt ? undefined : next;
  };
}

function followingOf(spec: TimesSpec): NextTime {
  if (spec.kind === "once") return (afterMs) => (spec.executeAt! > afterMs ? spec.executeAt : undefined);
  if (spec.kind === "interval") {
    const { anchorAt, intervalMs } = spec;
    return (afterMs) =>
      afterMs < anchorAt ? anchorAt : anchorAt + (Math.floor((afterMs - anchorAt) / intervalMs!) + 1) * intervalMs!;
  }
  const cron = cronOf(spec);
  return (afterMs) => cron.nextRun(new Date(afterMs))?.getTime();
}

/** The last planned time; undefined where there is no end, or no time before it. */
export function lastTimeOf(spec: TimesSpec): number | undefined {
  const { kind, startAt = Number.NEGATIVE_INFINITY, endAt } = spec;
  if (kind === "once") return spec.executeAt;
  if (endAt === undefined) return undefined;
  const last =
    kind === "interval"
      ? spec.anchorAt + Math.floor((endAt - spec.anchorAt) / spec.intervalMs!) * spec.intervalMs!
      : cronOf(spec)
          .previousRuns(1, new Date(Math.floor(endAt / 1000) * 1000 + 1000))[0]
          ?.getTime();
  return last === undefined || last < startAt ? undefined : last;
}

function cronOf({ cronExpression, timezone }: TimesSpec): Cron {
  return new Cron(cronExpression!, { timezone, paused: true, mode: "5-or-6-parts", fixedTimeRule: "no-wildcard" });
}

/** Up to `count` planned times after `afterMs`. */
export function timesAfter(next: NextTime, afterMs: number, count: number): number[] {
  const times: number[] = [];
  for (let at = next(afterMs); at !== undefined && times.length < count; at = next(at)) times.push(at);
  return times;
}

/** How much later than planned it falls due: the same for the same schedule and time, spread evenly over the jitter. */
export function jitterOf({ id, jitterMs }: { id: string; jitterMs: number }, plannedAt: number): number {
  if (jitterMs === 0) return 0;
  const share = createHash("sha256").update(`${id} ${plannedAt}`).digest().readUInt32BE(0) / 2 ** 32;
  return Math.floor(share * (jitterMs + 1));
}
