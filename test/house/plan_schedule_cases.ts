/** The statements about schedules: values to run them by, their indexes, and how much they may read. */

import * as schedules from "../../src/engine/queries/schedules.ts";
import { slotOf } from "../../src/foundation/ids.ts";
import * as rooms from "../../src/workflows/schedules/queries.ts";
import { type Sample, shardCount } from "../support/many_instances.ts";
import { type Case, caseOf, columns, instancesKey, one, type Some } from "./plan_cases.ts";

const shards = Array.from({ length: shardCount }, (_, shard) => shard);
const occurrences = (...rest: string[]) => rest.map((name) => `schedule_occurrences_${name}`);
const placed = ({ id }: Sample) => [id, slotOf(id)];

/** Of the engine: what the home of a schedule reads. */
export const homeCases: readonly Case[] = [
  caseOf(schedules.readSchedules, {
    values: (some) => columns(some(20)),
    indexes: ["timers_schedule_idx", instancesKey, ...occurrences("started_idx", "queued_idx", "pkey", "schedule_idx")],
    // Fifty starts, each with its instance, and twenty that wait.
    most: 20 * 350,
    rows: 20,
  }),
  caseOf(schedules.readQueued, {
    values: () => [shards, 1_000],
    indexes: occurrences("queued_idx"),
    // All that wait.
    most: 5_000,
    rows: 200,
  }),
];

/** Of the control plane. */
const roomCases: readonly Case[] = [
  caseOf(rooms.readSchedule, {
    values: (some) => ["big", one(some).id],
    indexes: ["schedules_pkey", "schedules_namespace_idx", "trigger_firings_pkey", ...occurrences("schedule_idx")],
    most: 20,
    rows: 1,
  }),
  caseOf(rooms.readHomes, {
    values: (some) => [some(50).map(({ id }) => id)],
    indexes: ["schedules_pkey", "schedules_namespace_idx"],
    most: 200,
    rows: 50,
  }),
  caseOf(rooms.readProgress, {
    values: (some) => placed(one(some)),
    indexes: [instancesKey, ...occurrences("queued_idx", "started_idx")],
    most: 350,
    rows: 1,
  }),
  caseOf(rooms.readDecided, {
    values: (some: Some) => [...placed(one(some)), "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"],
    indexes: ["timers_schedule_idx", ...occurrences("pkey", "schedule_idx")],
    most: 60,
    rows: 1,
  }),
];

export const scheduleCases: readonly Case[] = [...homeCases, ...roomCases];
