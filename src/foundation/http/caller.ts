import type { IncomingHttpHeaders } from "node:http";
import { httpErrors } from "./errors.ts";

/** Who makes a request, as authentication found out. */
export interface Caller {
  /** Stable name for logs and for `startedBy`: a user, a service account, a key. */
  readonly id: string;
  /** Permissions `resource:action`; `resource:*` and `*` stand for all. */
  readonly permissions: ReadonlySet<string>;
}

/** Finds the caller from the request's headers; undefined refuses the request with 401. */
export type Authenticate = (headers: IncomingHttpHeaders) => Caller | undefined | Promise<Caller | undefined>;

/** The caller of public routes: no name, no permission. */
export const anonymous: Caller = { id: "anonymous", permissions: new Set() };

/** Whether the caller holds a permission `resource:action`. */
export function callerMay(caller: Caller, permission: string): boolean {
  const { permissions } = caller;
  return (
    permissions.has("*") ||
    permissions.has(permission) ||
    permissions.has(`${permission.slice(0, permission.indexOf(":"))}:*`)
  );
}

/** Refuses with `http.forbidden` a caller who may not do this. */
export function demandPermission(caller: Caller, permission: string): void {
  if (callerMay(caller, permission)) return;
  throw httpErrors.forbidden(`The permission ${permission} is missing.`, { details: { permission } });
}
