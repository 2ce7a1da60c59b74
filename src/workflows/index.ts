/** The door of the room. */
export { createDefinitionCache, type DefinitionCache, type StartableDefinition } from "./cache.ts";
export { publishedSchema } from "./document.ts";
export { workflowErrors } from "./errors.ts";
export {
  addInstanceRoutes,
  getInstance,
  type Instances,
  instanceIdOf,
  startInstance,
} from "./instances/index.ts";
export {
  activate,
  type Creation,
  createDefinition,
  deleteDefinition,
  deprecate,
  getDefinition,
  type IsUsed,
  listDefinitions,
  listVersions,
  loadDefinition,
  type NewDefinition,
  putDefinition,
  type Reference,
  type Resolved,
  resolveDefinition,
  validateDefinition,
} from "./operations.ts";
export { addDefinitionRoutes, type Definitions } from "./routes.ts";
export {
  formatOf,
  type ParsedText,
  type Position,
  parseDefinitionText,
  type TextError,
  type TextFormat,
} from "./text.ts";
export type { Validation } from "./validate/validate.ts";
export type { DefinitionSummary, DefinitionView } from "./views.ts";
