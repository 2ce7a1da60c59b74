/** The door of the room. */
export { createDefinitionCache } from "./cache.ts";
export { publishedSchema } from "./document.ts";
export {
  addInstanceRoutes,
  type BulkWorker,
  checkedPriority,
  checkInput,
  createBulkWorker,
  getInstance,
  type Instances,
  instanceIdOf,
  migrateInstance,
  restartInstance,
  startInstance,
} from "./instances/index.ts";
export { createDefinition } from "./operations.ts";
export { addDefinitionRoutes, type Definitions } from "./routes.ts";
export {
  addScheduleRoutes,
  createScheduleSource,
  createTriggerSchedules,
  ensureSchedule,
  type ScheduleView,
} from "./schedules/index.ts";
export { addTemplateRoutes } from "./templates/index.ts";
export { formatOf, type ParsedText, parseDefinitionText, type TextFormat } from "./text.ts";
export {
  addTriggerRoutes,
  ensureTrigger,
  loadTriggerTargets,
  type TriggerDocument,
  type TriggerSchedules,
  type Triggers,
  type TriggerView,
} from "./triggers/index.ts";
export type { Validation } from "./validate/validate.ts";
export type { DefinitionSummary, DefinitionView } from "./views.ts";
