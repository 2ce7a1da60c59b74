/** Event definitions: their laws, without I/O. */
import type { Json } from "../../engine/index.ts";
import { canonicalJson } from "../../foundation/canonical_json.ts";
import type { InputError } from "../../foundation/errors.ts";
import { checkSchema, compileSchema } from "../../foundation/json_schema/index.ts";
import { isVersion } from "../../foundation/semantic_version.ts";
import { nameFault } from "../names.ts";
import type { SourceType } from "../source.ts";

/**
 * What becomes of a version:
 *
 *     draft ──activate──▶ active ──deprecate──▶ deprecated
 *       │                   ◀────activate──────────┘
 *       └──delete──▶ (gone)
 *
 * Events are checked by the active version with the highest semantic precedence.
 */
export const definitionStatuses = ["draft", "active", "deprecated"] as const;
export type DefinitionStatus = (typeof definitionStatuses)[number];

/** What a version says about events; it never changes. */
export interface DefinitionContent {
  pattern: string;
  sourceTypes?: readonly SourceType[];
  payloadSchema?: Json;
}

/** Whether two contents say the same: source types in any order, members of the schema too. */
export function isSameContent(one: DefinitionContent, other: DefinitionContent): boolean {
  return textOf(one) === textOf(other);
}

function textOf({ pattern, sourceTypes, payloadSchema }: DefinitionContent): string {
  return canonicalJson([pattern, sourceTypes === undefined ? null : [...sourceTypes].sort(), payloadSchema ?? null]);
}

export interface Checked extends DefinitionContent {
  version?: string;
  examples: readonly unknown[];
}

/** Every fault of a definition that its shape does not show. Pointers lead into what was sent. */
export function faultsOf({ pattern, version, payloadSchema, examples }: Checked): InputError[] {
  const errors: InputError[] = [];
  const name = nameFault(pattern);
  if (name !== undefined) errors.push({ pointer: "/pattern", ...name });
  if (version !== undefined && !isVersion(version)) {
    const message = `${JSON.stringify(version)} is not a semantic version`;
    errors.push({ pointer: "/version", message, expected: 'three numbers, such as "1.0.0"' });
  }
  if (payloadSchema === undefined) return errors;
  const schemaFaults = checkSchema(payloadSchema).map((fault) => ({
    ...fault,
    pointer: `/payloadSchema${fault.pointer}`,
  }));
  errors.push(...schemaFaults);
  if (schemaFaults.length === 0) errors.push(...exampleFaults(payloadSchema, examples));
  return errors;
}

/** Where examples do not fit the schema. */
export function exampleFaults(payloadSchema: Json | undefined, examples: readonly unknown[]): InputError[] {
  if (payloadSchema === undefined || examples.length === 0) return [];
  const schema = compileSchema(payloadSchema);
  return examples.flatMap((example, index) =>
    schema.validate(example).map((fault) => ({ ...fault, pointer: `/examples/${index}${fault.pointer}` })),
  );
}
