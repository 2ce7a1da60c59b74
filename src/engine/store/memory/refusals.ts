/**
 * What PostgreSQL refuses, refused by the memory store in the same words of the contract: a `StoreError` with the fault
 * `data`, and nothing written. Lengths are those of the columns in the migration.
 */

import { isUuid } from "../../../foundation/ids.ts";
import type { Json } from "../../machine/definition.ts";
import { unstorable } from "../../machine/publishing.ts";
import { StoreError } from "../contract.ts";

export function refuse(message: string): never {
  throw new StoreError(message, { fault: "data" });
}

/** Parses what would become a jsonb argument. */
export function parseJson(text: string): Json {
  if (text.includes("\\u") && unstorable.test(text)) refuse("unsupported Unicode escape sequence (22P05)");
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    throw new StoreError("invalid input syntax for type json (22P02)", { fault: "data", cause });
  }
}

export function parseRows(text: string | undefined): Json[][] {
  return text === undefined ? [] : (parseJson(text) as Json[][]);
}

export function uuid(value: Json | undefined): string {
  if (typeof value !== "string" || !isUuid(value))
    refuse(`invalid input syntax for type uuid: ${JSON.stringify(value)} (22P02)`);
  return value.toLowerCase();
}

export function text(value: Json | undefined): string {
  if (value === null || value === undefined) refuse("null value in a column that has none (23502)");
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function optionalText(value: Json | undefined): string | null {
  return value === null || value === undefined ? null : text(value);
}

/** Columns count code points, not UTF-16 units. */
export function varchar<T extends string | null>(value: T, length: number): T {
  if (value !== null && value.length > length && [...String(value)].length > length) {
    refuse(`value too long for type character varying(${length}) (22001)`);
  }
  return value;
}

export function integer(value: Json | undefined, limit: number): number {
  const number = Number(value);
  if (value === null || value === undefined || !Number.isFinite(number))
    refuse("invalid input syntax for type integer (22P02)");
  if (Math.abs(number) > limit) refuse("value out of range (22003)");
  return number;
}

export const smallint = (value: Json | undefined): number => integer(value, 32_767);
export const int4 = (value: Json | undefined): number => integer(value, 2_147_483_647);

/** The last instant that a timestamptz holds, in the year 294276. */
const lastInstant = 9_224_318_015_000_000;

export function instant(value: Json | undefined): number {
  if (typeof value !== "number") refuse("invalid input syntax for type double precision (22P02)");
  if (Math.abs(value) > lastInstant) refuse("timestamp out of range (22008)");
  return value;
}

export function optionalInstant(value: Json | undefined): number | null {
  return value === null || value === undefined ? null : instant(value);
}

/** JSON as text, null for JSON null: what `nullif(e->n, 'null')` gives. */
export function jsonOrNull(value: Json | undefined): string | null {
  return value === null || value === undefined ? null : JSON.stringify(value);
}

export function oneOf<T extends string>(value: string, allowed: readonly T[]): T {
  const known = allowed.find((one) => one === value);
  return known ?? refuse(`new row violates a check constraint: ${value} (23514)`);
}
