/** What the routes of schedules have in common. */
import type { Engine } from "../../engine/index.ts";
import type { Database } from "../../foundation/database/index.ts";

export interface Schedules {
  db: Database;
  engine: Pick<Engine, "postSchedule" | "wakeSchedule">;
}

export const base = "/api/v1/schedules";
export const tags = ["Schedules"];
export const read = "schedules:read";
export const write = "schedules:write";
export const notFound = "There is no such schedule in this namespace.";
