/** The door of the foundation: what every room may use. */
export * from "./database/index.ts";
export { formatDuration, MAX_DURATION_MS, parseDuration } from "./duration.ts";
export {
  AppError,
  type AppErrorOptions,
  declaredErrors,
  type ErrorDeclaration,
  type ErrorKind,
  errorCatalog,
  errorKinds,
  type InputError,
} from "./errors.ts";
export * from "./expressions/index.ts";
export * from "./http/index.ts";
export {
  createIdSource,
  type IdSource,
  isUuid,
  SLOTS,
  shardOf,
  slotOf,
  slotOfKey,
  uuidTimeMs,
  uuidv7,
} from "./ids.ts";
export {
  type CompiledSchema,
  checkSchema,
  compileSchema,
  escapePointer,
  schemaCacheSize,
} from "./json_schema/index.ts";
export { createLogger, type Logger, type LoggerOptions, type LogLevel, logLevels, silentLogger } from "./log.ts";
export { Loop, type LoopOptions } from "./loop.ts";
export * from "./postgres/index.ts";
export { documentSettings, type Role, readSettings, roles, type Settings } from "./settings.ts";
