/**
 * The verbs on definitions. Those that change something need an open transaction; every one takes `db` first.
 */
export { type Creation, createDefinition, type NewDefinition, putDefinition, validateDefinition } from "./create.ts";
export { activate, deleteDefinition, deprecate, type IsUsed } from "./lifecycle.ts";
export {
  getDefinition,
  listDefinitions,
  listVersions,
  loadDefinition,
  type Reference,
  type Resolved,
  resolveDefinition,
} from "./read.ts";
