/** What the routes of instances have in common. */
import { cursorInvalid, decodeCursor } from "../../../foundation/http/index.ts";
import { isUuid } from "../../../foundation/ids.ts";

export const base = "/api/v1/workflows/instances";
export const tags = ["Instances"];
export const notFound = "There is no such instance in this namespace.";

/** What a caller must hold. */
export const permissions = {
  read: "workflows:read",
  start: "workflows:start",
  signal: "workflows:signal",
  cancel: "workflows:cancel",
  /** Pause, resume, retry, skip, priority, migrate. */
  control: "workflows:control",
} as const;

/** The id after which a page begins; undefined for the first page. */
export function idOfCursor(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const value = decodeCursor(cursor);
  if (typeof value !== "string" || !isUuid(value)) throw cursorInvalid();
  return value;
}
