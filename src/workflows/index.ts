/** The door of the room. */
export { createDefinitionCache } from "./cache.ts";
export { publishedSchema } from "./document.ts";
export { addInstanceRoutes, getInstance, type Instances, instanceIdOf, startInstance } from "./instances/index.ts";
export { createDefinition } from "./operations.ts";
export { addDefinitionRoutes, type Definitions } from "./routes.ts";
export { formatOf, type ParsedText, parseDefinitionText, type TextFormat } from "./text.ts";
export type { Validation } from "./validate/validate.ts";
export type { DefinitionSummary, DefinitionView } from "./views.ts";
