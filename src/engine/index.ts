export type {
  CancelAnswer,
  CancelRequest,
  DefinitionStatistics,
  Engine,
  EngineStats,
  FulfilledWait,
  HistoryItem,
  InstanceFilter,
  InstanceSummary,
  InstanceView,
  LifeAnswer,
  LifeRequest,
  LogFilter,
  LogItem,
  LogLevel,
  MigrateAnswer,
  MigrateRequest,
  MigrationProblem,
  ResolvedDefinition,
  RestartRequest,
  SignalRequest,
  StartAnswer,
  StartRequest,
  StepView,
  TransitionItem,
  WhyItem,
  WhyRule,
} from "./contract.ts";
export { logLevels, whyRules } from "./contract.ts";
export type {
  EventInput,
  EventMetadata,
  EventSource,
  EventView,
  Matched,
  Passed,
  PublishAnswer,
  RouteAgain,
  RoutingSource,
  RoutingTable,
  RoutingTarget,
  WaitShape,
} from "./contract_events.ts";
export type {
  HomeSchedule,
  OccurrenceStatus,
  OverlapPolicy,
  ScheduleDecision,
  ScheduledStart,
  ScheduleFact,
  ScheduleSource,
  ScheduleState,
  ScheduleTimer,
} from "./contract_schedules.ts";
export { createEngine, type Definitions, type EngineOptions } from "./engine.ts";
export { engineErrors } from "./errors.ts";
export { compile } from "./machine/compile.ts";
export { pathKeys } from "./machine/correlation.ts";
export type {
  CompensationStep,
  ConcurrencyLimit,
  DecisionStep,
  Definition,
  DelayStep,
  Duration,
  EventWaitStep,
  Json,
  MapStep,
  ParallelStep,
  RetryPolicy,
  Step,
  StepType,
  TaskStep,
  TerminateStep,
  Transitions,
  VariableDeclaration,
  WorkflowStep,
} from "./machine/definition.ts";
export { compilePattern } from "./machine/pattern.ts";
export { eventName, maxPayloadBytes, publishMembers, sourceTypes } from "./machine/publishing.ts";
export { type InstanceStatus, instanceStatuses, isFinal } from "./machine/state.ts";
export { fitsType, typeName } from "./machine/variables.ts";
export { retireOtherNodes } from "./retire.ts";
export type { HandlerSource } from "./runtime/core.ts";
export {
  type ErrorCategory,
  type ErrorInfo,
  errorCategories,
  type TaskContext,
  TaskError,
  type TaskHandler,
  type TaskLog,
  taskLog,
  toErrorInfo,
} from "./task.ts";
