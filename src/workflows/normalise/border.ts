/** What the parts of the border share: what they note down, and where the step at hand stands. */
import type { InputError } from "../../foundation/errors.ts";
import { oneOf } from "../validate/nearest.ts";
import { shown, under } from "../validate/pointer.ts";

export type Fields = Record<string, unknown>;

export interface Border {
  errors: InputError[];
  /** Canonical pointer → pointer in the given document, where they differ. */
  origins: Map<string, string>;
}

export interface Place {
  /** In the given document. */
  from: string;
  /** In the normalised one. */
  to: string;
}

export function inside(place: Place, ...path: (string | number)[]): Place {
  return { from: under(place.from, ...path), to: under(place.to, ...path) };
}

/** Refuses fields of the other dialect that nothing here reads: the validator never sees them. */
export function refuseOthers(given: Fields, pointer: string, { known, border }: { known: string[]; border: Border }) {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    const message = `${shown(name)} is not a field here`;
    border.errors.push({ pointer: under(pointer, name), message, expected: oneOf(known) });
  }
}
