export { type CompiledSchema, checkSchema, compileSchema, schemaCacheSize } from "./compile.ts";
export { describeErrors } from "./describe.ts";
export { formats } from "./formats.ts";
export { escapePointer } from "./pointer.ts";
