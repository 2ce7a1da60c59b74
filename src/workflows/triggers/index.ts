export { ensureTrigger, type TriggerDocument } from "./ensure.ts";
export { addTriggerRoutes, type Triggers } from "./routes.ts";
export type { TriggerSchedules } from "./schedules.ts";
export { loadTriggerTargets } from "./targets.ts";
export type { TriggerView } from "./views.ts";
