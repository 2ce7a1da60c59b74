export { ensureSchedule } from "./ensure.ts";
export { addScheduleRoutes } from "./routes.ts";
export { createScheduleSource } from "./source.ts";
export { createTriggerSchedules } from "./trigger_schedules.ts";
export type { ScheduleView } from "./views.ts";
