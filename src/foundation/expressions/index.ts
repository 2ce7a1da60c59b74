/** The expression language: CEL over JSON, for conditions, inputs, mappings and templates. See docs/expressions.md. */
export type { Scope } from "./compiling.ts";
export { ExpressionError } from "./errors.ts";
export {
  compileCondition,
  compileExpression,
  type Expression,
  type ExpressionOptions,
  equalityKeys,
} from "./expression.ts";
export type { References } from "./references.ts";
export { compileInput, compileTemplate, type Template } from "./template.ts";
export { splitTemplate, type TemplatePart, type Zone, zonesOf } from "./zones.ts";
