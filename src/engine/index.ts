export type {
  CancelAnswer,
  CancelRequest,
  Engine,
  EngineStats,
  HistoryItem,
  InstanceFilter,
  InstanceSummary,
  InstanceView,
  ResolvedDefinition,
  SignalRequest,
  StartAnswer,
  StartRequest,
  StepView,
  TransitionItem,
} from "./contract.ts";
export { createEngine, type Definitions, type EngineOptions } from "./engine.ts";
export { engineErrors } from "./errors.ts";
export type {
  CompensationStep,
  DecisionStep,
  Definition,
  DelayStep,
  Duration,
  EventWaitStep,
  Json,
  RetryPolicy,
  Step,
  StepType,
  TaskStep,
  Transitions,
} from "./machine/definition.ts";
export { compile } from "./machine/program.ts";
export { type InstanceStatus, instanceStatuses, isFinal } from "./machine/state.ts";
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
} from "./task.ts";
