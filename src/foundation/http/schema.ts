/**
 * From zod to JSON Schema 2020-12, once, when a route is declared: the same schema validates requests and stands in
 * the OpenAPI document. What JSON Schema cannot say (refinements, transforms) is refused here, for it would be skipped
 * in silence; such checks belong in the room's operations.
 */
import { z } from "zod";
import { formats } from "../json_schema/index.ts";

export type JsonSchema = { [keyword: string]: unknown };

export interface SchemaOptions {
  /** `input` for what clients send: defaults are optional. `output` for what we answer. */
  io: "input" | "output";
  /** Whether objects refuse unknown members, unless they were declared loose. */
  closed: boolean;
}

/** Converts a schema; named parts (`.meta({ id })`) and recursive ones are under `$defs`. Throws for what would be skipped. */
export function toJsonSchema(schema: z.ZodType, { io, closed }: SchemaOptions): JsonSchema {
  const { $schema: _, ...converted } = z.toJSONSchema(schema, {
    target: "draft-2020-12",
    io,
    override: ({ zodSchema, jsonSchema, path }) => {
      if (io === "input") refuseWhatIsSkipped(zodSchema._zod.def, path);
      tidy(jsonSchema);
      if (zodSchema._zod.def.type === "object") {
        // Zod's plain objects strip unknown members; requests refuse them, answers may grow.
        const declaredLoose = (zodSchema._zod.def as z.core.$ZodObjectDef).catchall !== undefined;
        if (!declaredLoose && closed) jsonSchema.additionalProperties = false;
        if (!declaredLoose && !closed) delete jsonSchema.additionalProperties;
      }
    },
  });
  return converted;
}

const skippedTypes = new Set(["transform", "pipe", "catch", "codec", "custom", "promise"]);
const skippedChecks = new Set(["custom", "overwrite"]);

function refuseWhatIsSkipped(definition: z.core.$ZodTypeDef, path: readonly (string | number)[]): void {
  const place = `/${path.join("/")}`;
  if (skippedTypes.has(definition.type)) throw new Error(`${place}: a ${definition.type} has no JSON Schema`);
  for (const check of definition.checks ?? []) {
    const name = check._zod.def.check;
    if (skippedChecks.has(name)) throw new Error(`${place}: a check of kind ${name} has no JSON Schema`);
  }
}

/** Takes out what is said twice: the expression of a format that is checked anyway, names being texts. */
function tidy(schema: z.core.JSONSchema.BaseSchema): void {
  if (typeof schema.format === "string" && Object.hasOwn(formats, schema.format)) delete schema.pattern;
  const names = schema.propertyNames;
  if (typeof names === "object" && Object.keys(names).length === 1 && names.type === "string")
    delete schema.propertyNames;
}
