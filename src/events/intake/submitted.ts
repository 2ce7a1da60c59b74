/** An event on its way from a body to the engine, and where in the body it stands. */
import type { EventInput } from "../../engine/index.ts";
import type { InputError } from "../../foundation/errors.ts";

export interface Submitted {
  event: Omit<EventInput, "namespace">;
  /** JSON pointers into what was sent. */
  at: { name: string; payload: string; source: string };
}

export type Read = { submitted: Submitted; errors?: undefined } | { submitted?: undefined; errors: InputError[] };

export const maxMetadataBytes = 64 * 1024;
const maxSourceKeyBytes = 1_024;

/** A source is part of the key of an index, whose size is counted in bytes. */
export function sourceKeyFault(key: string, pointer: string): InputError[] {
  const bytes = Buffer.byteLength(key);
  if (bytes <= maxSourceKeyBytes) return [];
  return [{ pointer, message: `has ${bytes} bytes`, expected: `at most ${maxSourceKeyBytes}` }];
}

export function metadataFault(metadata: unknown, pointer: string): InputError[] {
  const bytes = Buffer.byteLength(JSON.stringify(metadata));
  if (bytes <= maxMetadataBytes) return [];
  return [{ pointer, message: `has ${bytes} bytes as JSON`, expected: `at most ${maxMetadataBytes}` }];
}
