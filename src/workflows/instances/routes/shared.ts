/** What the routes of instances have in common. */

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
