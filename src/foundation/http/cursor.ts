/**
 * Cursors of lists: opaque to clients, JSON to us. A cursor says where the next page starts; the caller checks its
 * shape, for a client may send anything.
 */
import { isUuid } from "../ids.ts";
import { httpErrors } from "./errors.ts";
import { textFaults } from "./text.ts";

const MAX_CURSOR_LENGTH = 4_096;

/** A JSON value as one URL-safe word. */
export function encodeCursor(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** The value that `encodeCursor` was given. Throws `http.cursor_invalid` for anything that it cannot have made. */
export function decodeCursor(text: string): unknown {
  if (text.length <= MAX_CURSOR_LENGTH && /^[\w-]+$/.test(text)) {
    try {
      const value: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
      if (textFaults(value, "").length === 0) return value;
    } catch {
      // Not ours; refused below.
    }
  }
  throw cursorInvalid();
}

/** The text that a list wrote into a cursor; undefined for the first page. */
export function textOfCursor(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const value = decodeCursor(cursor);
  if (typeof value !== "string") throw cursorInvalid();
  return value;
}

/** The id that a list wrote into a cursor; undefined for the first page. */
export function idOfCursor(cursor: string | undefined): string | undefined {
  const text = textOfCursor(cursor);
  if (text !== undefined && !isUuid(text)) throw cursorInvalid();
  return text;
}

/** The refusal of a cursor whose value does not have the shape that the list writes. */
export function cursorInvalid(): Error {
  return httpErrors.cursor_invalid("The cursor was not made by this list.", {
    errors: [
      {
        pointer: "/query/cursor",
        message: "is not a cursor of this list",
        expected: "nextCursor of an earlier answer",
      },
    ],
  });
}
