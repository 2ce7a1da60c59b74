/** The named schemas of an OpenAPI document, gathered from the places that use them. */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { type JsonSchema, type SchemaOptions, toJsonSchema } from "./schema.ts";

const DEFINITIONS = "#/$defs/";
const COMPONENTS = "#/components/schemas/";

/**
 * Collects components. A schema with a name (`.meta({ id })`) is a component under it; a recursive one without a name
 * is one under the name of its place. What requests need differently from answers gets the suffix `Input`.
 */
export class Components {
  readonly schemas: { [name: string]: JsonSchema } = {};
  private readonly answerIds = new Set<string>();

  /**
   * The schema for one place: a reference when it has a name, else itself. Ask for answers before requests, since
   * answers have the names. Throws when one name stands for two schemas.
   */
  use(schema: z.ZodType, options: SchemaOptions, place: string): JsonSchema {
    const { $defs = {}, ...root } = toJsonSchema(schema, options);
    const definitions = $defs as { [id: string]: JsonSchema };
    const rootId = z.globalRegistry.get(schema)?.id;
    const names = new Map<string, string>();
    for (const id of Object.keys(definitions)) {
      names.set(id, id.startsWith("__") ? place + id.replace("__schema", "Part") : this.nameFor(id, options));
    }
    const rootName = rootId === undefined ? place : this.nameFor(rootId, options);
    const locate = (reference: string) => {
      return COMPONENTS + (reference === "#" ? rootName : names.get(reference.slice(DEFINITIONS.length)));
    };
    for (const [id, definition] of Object.entries(definitions)) this.add(names.get(id)!, rewrite(definition, locate));
    const rewritten = rewrite(root, locate);
    const refersToItself = JSON.stringify(root).includes('"$ref":"#"');
    if (rewritten.$ref !== undefined || (rootId === undefined && !refersToItself)) return rewritten;
    this.add(rootName, rewritten);
    return { $ref: COMPONENTS + rootName };
  }

  /** The schema behind a reference that `use` gave. */
  resolve(schema: JsonSchema): JsonSchema {
    if (typeof schema.$ref !== "string") return schema;
    return this.schemas[schema.$ref.slice(COMPONENTS.length)] ?? schema;
  }

  private nameFor(id: string, { io }: SchemaOptions): string {
    if (io === "output") this.answerIds.add(id);
    return io === "input" && this.answerIds.has(id) ? `${id}Input` : id;
  }

  private add(name: string, { id: _, ...schema }: JsonSchema): void {
    const known = this.schemas[name];
    if (known && !isDeepStrictEqual(known, schema)) throw new Error(`the schema name ${name} stands for two schemas`);
    this.schemas[name] = schema;
  }
}

/** A copy in which every reference is located anew. */
function rewrite(schema: JsonSchema, locate: (reference: string) => string): JsonSchema {
  const visit = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(visit);
    if (typeof value !== "object" || value === null) return value;
    const entries = Object.entries(value).map(([key, inner]): [string, unknown] => {
      return key === "$ref" && typeof inner === "string" ? [key, locate(inner)] : [key, visit(inner)];
    });
    return Object.fromEntries(entries);
  };
  return visit(schema) as JsonSchema;
}
