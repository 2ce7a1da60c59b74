/** The package's door: Millrace inside another program. */
export type {
  CancelAnswer,
  Definition,
  InstanceStatus,
  InstanceSummary,
  InstanceView,
  LifeAnswer,
  LogItem,
  LogLevel,
  MigrateAnswer,
  MigrationProblem,
  StartAnswer,
  StepView,
  WhyItem,
  WhyRule,
} from "./engine/index.ts";
export type { Published, SubscriberContext, SubscriberHandler, SubscriptionView } from "./events/index.ts";
export { AppError, type ErrorKind, type InputError } from "./foundation/errors.ts";
export {
  createMillrace,
  type EmbeddedMillrace,
  type InstanceQuery,
  type LogQuery,
  type Millrace,
  type MillraceOptions,
  type NewEvent,
  type RestartInstance,
  type Signal,
  type StartInstance,
  type Subscribe,
} from "./millrace.ts";
export { type ErrorCategory, type TaskContext, TaskError, type TaskHandler, type TaskLog } from "./tasks/index.ts";
export type { DefinitionView, TriggerDocument, TriggerView } from "./workflows/index.ts";
