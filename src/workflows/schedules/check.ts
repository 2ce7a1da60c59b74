/** The faults of a schedule, each with its pointer and what would be right. */
import { editDistance } from "../../foundation/edit_distance.ts";
import type { InputError } from "../../foundation/errors.ts";
import { compileTemplate, ExpressionError } from "../../foundation/expressions/index.ts";
import { dueAtOf, fillTemplates, isoOf, nextOf, type ScheduleSettings, scopeOf } from "./model.ts";
import { shownMs } from "./plan.ts";
import { timesAfter } from "./times.ts";

/** Shorter intervals are the work of a workflow that sleeps. */
export const leastIntervalMs = 1_000;
/** Times that are looked at for the shortest distance between two. */
const looked = 50;

/** All faults of settings that are to fire from `nowMs` on. Where its times are at fault, what rests on them is not looked at. */
export function faultsOf(settings: ScheduleSettings, given: { anchorAt: string; nowMs: number }): InputError[] {
  const faults = [...zoneFaults(settings), ...rangeFaults(settings)];
  const times = faults.length > 0 ? undefined : timesOf(settings, given, faults);
  if (times !== undefined) faults.push(...jitterFaults(settings, times));
  return [...faults, ...templateFaults(settings, { zoned: faults.length === 0, plannedAt: times?.[0] ?? given.nowMs })];
}

function zoneFaults({ timezone }: ScheduleSettings): InputError[] {
  if (/^[A-Za-z]/.test(timezone) && isZone(timezone)) return [];
  const known = Intl.supportedValuesOf("timeZone");
  const wanted = timezone.toLowerCase();
  const [nearest] = known
    .map((zone) => ({ zone, distance: editDistance(zone.toLowerCase(), wanted.slice(0, 64)) }))
    .sort((a, b) => a.distance - b.distance);
  const near = nearest !== undefined && nearest.distance <= 4 ? `; did you mean ${nearest.zone}?` : "";
  const message = `${JSON.stringify(timezone.slice(0, 64))} is not a time zone`;
  return [
    { pointer: "/timezone", message, expected: `a name of the tz database, such as Europe/Berlin or UTC${near}` },
  ];
}

function isZone(timezone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: timezone });
    return true;
  } catch {
    return false;
  }
}

function rangeFaults({ startDate, endDate, intervalMs }: ScheduleSettings): InputError[] {
  const faults: InputError[] = [];
  if (startDate !== null && endDate !== null && Date.parse(endDate) < Date.parse(startDate))
    faults.push({
      pointer: "/endDate",
      message: `${endDate} is before the start, ${startDate}`,
      expected: "a later instant",
    });
  if (intervalMs !== null && intervalMs < leastIntervalMs)
    faults.push({
      pointer: "/interval",
      message: `${intervalMs} ms is too short for a schedule`,
      expected: "at least a second; what happens more often is the work of one workflow that sleeps in between",
    });
  return faults;
}

/** Its next times; undefined where it has none, which is a fault. */
function timesOf(
  settings: ScheduleSettings,
  { anchorAt, nowMs }: { anchorAt: string; nowMs: number },
  faults: InputError[],
): number[] | undefined {
  const { kind, cronExpression, startDate, endDate } = settings;
  const pointer = { cron: "/cronExpression", interval: "/interval", once: "/executeAt" }[kind];
  const seen: number[] = [];
  try {
    seen.push(...timesAfter(nextOf(settings, anchorAt), nowMs, looked));
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^Cron\w+: /, "") : String(error);
    const expected = 'five fields (minute hour day month weekday), or six with seconds first, such as "30 2 * * *"';
    faults.push({ pointer, message: `is not a cron expression: ${why}`, expected });
    return undefined;
  }
  if (seen.length > 0) return seen;
  const bounded = startDate !== null || endDate !== null;
  if (kind === "once")
    faults.push({
      pointer,
      message: `${settings.executeAt} never comes: it has passed${bounded ? " or is not between start and end" : ""}`,
      expected: "an instant in the future",
    });
  else if (
    kind === "cron" &&
    timesAfter(nextOf({ ...settings, startDate: null, endDate: null }, anchorAt), nowMs, 1).length === 0
  )
    faults.push({
      pointer,
      message: `${JSON.stringify(cronExpression)} never fires: no date is like that`,
      expected: "days that their months have",
    });
  else
    faults.push({
      pointer: "/endDate",
      message: "no time of the schedule is left before its end",
      expected: "a later end",
    });
  return undefined;
}

function jitterFaults({ jitterMs }: ScheduleSettings, times: readonly number[]): InputError[] {
  const gaps = times.slice(1).map((time, index) => time - times[index]!);
  const least = Math.min(...gaps);
  if (jitterMs === 0 || jitterMs < least) return [];
  return [
    {
      pointer: "/jitter",
      message: `${shownMs(jitterMs)} of jitter is not less than the ${shownMs(least)} between two times of the schedule`,
      expected: "a shorter one, so that the times keep their order",
    },
  ];
}

/** They are compiled, and filled in as for the first time. */
function templateFaults(
  settings: ScheduleSettings,
  { zoned, plannedAt }: { zoned: boolean; plannedAt: number },
): InputError[] {
  const { input, correlationId, name, timezone } = settings;
  try {
    const { references } = compileTemplate({ input, correlationId });
    const [stranger] = [...references.roots].filter((root) => root !== "schedule");
    if (stranger !== undefined) {
      const message = `an expression reads "${stranger}", which a schedule does not have`;
      return [
        {
          pointer: "/input",
          message,
          expected: "schedule.plannedAt, .firedAt, .localDate, .localTime, .timezone, .id, .name",
        },
      ];
    }
    const zone = zoned ? timezone : "UTC";
    const scope = scopeOf(
      { id: "", name, namespace: "", timezone: zone },
      { plannedAt, firedAt: plannedAt, backfillId: null },
    );
    fillTemplates(settings, scope);
    return [];
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    const { pointer = "/input", message, expected } = error;
    return [{ pointer, message, ...(expected === undefined ? {} : { expected }) }];
  }
}

/** The next planned times with when each falls due. */
export function upcoming(
  schedule: ScheduleSettings & { id: string; anchorAt: string },
  { after, count }: { after: number; count: number },
): { plannedAt: string; dueAt: string }[] {
  const due = dueAtOf(schedule);
  return timesAfter(nextOf(schedule, schedule.anchorAt), after, count).map((time) => ({
    plannedAt: isoOf(time),
    dueAt: isoOf(due(time)),
  }));
}
