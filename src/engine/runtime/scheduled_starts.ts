/**
 * A schedule's decision with everything that its starts need at hand. What cannot begin, because its workflow is gone, its
 * templates err or its input is refused, is decided again as failed, with the reason.
 */

import type {
  HomeSchedule,
  ScheduleDecision,
  ScheduledStart,
  ScheduleFact,
  ScheduleState,
} from "../contract_schedules.ts";
import { isRefusal } from "../errors.ts";
import { inlineLimit } from "../payloads.ts";
import type { StartBeside, Starting } from "./starting.ts";

/** A start of which only the place is to be chosen. */
export interface PreparedStart extends Omit<StartBeside, "shard"> {
  plannedAt: number;
}

interface Given {
  /** Undefined where it was deleted. */
  schedule: HomeSchedule | undefined;
  state: ScheduleState;
  facts: ScheduleFact[];
  now: number;
  /** Why what starts cannot be written. */
  refused: string | undefined;
  /** The workflow's latest version is asked for anew. */
  fresh: boolean;
}

export type Prepare = (given: Given) => Promise<{ decision: ScheduleDecision; starts: PreparedStart[] }>;

export function createPreparing(starting: Pick<Starting, "prepare">): Prepare {
  return async ({ schedule, state, facts, now, refused, fresh }) => {
    if (schedule === undefined) return { decision: goneDecision(state), starts: [] };
    const { namespace } = schedule;
    const failed = new Map<number, string>();
    for (;;) {
      const decision = schedule.decide({ state, facts, now, failed });
      const starts: PreparedStart[] = [];
      const failures = failed.size;
      for (const { plannedAt, backfillId } of decision.occurrences.filter((occurrence) => occurrence.starts)) {
        try {
          if (refused !== undefined) throw new Refusal(refused);
          const { ref, version, ...start } = startOf(schedule, { plannedAt, backfillId, now });
          const size = JSON.stringify(start.input).length;
          if (size > inlineLimit)
            throw new Refusal(`The input has ${size} characters; a schedule gives at most ${inlineLimit}`);
          const named = version === undefined ? {} : { version };
          const prepared = await starting.prepare({
            namespace,
            ref,
            ...named,
            input: start.input,
            fresh: fresh && starts.length === 0,
          });
          starts.push({ plannedAt, namespace, prepared, ...start });
        } catch (error) {
          const known = error instanceof Refusal || isRefusal(error);
          if (!known) throw error;
          failed.set(plannedAt, error.message);
        }
      }
      if (failed.size === failures) return { decision, starts };
    }
  };
}

class Refusal extends Error {}

/** Whatever its templates throw is a failure of this planned time, and would be one again. */
function startOf(schedule: HomeSchedule, given: Parameters<HomeSchedule["start"]>[0]): ScheduledStart {
  try {
    return schedule.start(given);
  } catch (error) {
    throw new Refusal(error instanceof Error ? error.message : String(error));
  }
}

/** Of a schedule that was deleted: nothing is planned, and what waited does not begin. */
function goneDecision(state: ScheduleState): ScheduleDecision {
  return {
    occurrences: state.queued.map(({ plannedAt, backfillId }) => ({
      plannedAt,
      backfillId,
      status: "skipped",
      reason: "the schedule was deleted before its turn came",
      starts: false,
    })),
    cancels: [],
    timer: undefined,
    more: false,
  };
}
