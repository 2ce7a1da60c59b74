/** What follows a redirect, as the Fetch standard has it (HTTP-redirect fetch), but stricter with headers. */

import { TaskError } from "../contract.ts";
import type { HttpCall } from "./input.ts";
import type { Headers } from "./response.ts";

const redirects = new Set([301, 302, 303, 307, 308]);

/** Headers that say nothing about who asks; all others may hold a credential, under whatever name. */
const harmlessHeaders = new Set([
  "accept",
  "accept-encoding",
  "accept-language",
  "content-type",
  "idempotency-key",
  "user-agent",
]);

/** Where a response sends the request on; undefined when it is no redirect. */
export function redirectTarget(response: { status: number; headers: Headers }): string | undefined {
  const { location } = response.headers;
  const target = Array.isArray(location) ? location[0] : location;
  return redirects.has(response.status) && target !== "" ? target : undefined;
}

/**
 * The call that follows a redirect.
 *
 * 303, and 301 or 302 after a POST, become a GET without body. To another origin (scheme, host or port) go only
 * headers that hold no credentials. Throws TaskError REDIRECT_REFUSED for a target that is not http or https.
 */
export function redirected(call: HttpCall, { status, location }: { status: number; location: string }): HttpCall {
  const url = URL.parse(location, call.url.href);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new TaskError({
      code: "REDIRECT_REFUSED",
      category: "PERMANENT",
      message: `${call.url.origin} redirects to "${location.slice(0, 200)}"; only http and https are followed`,
    });
  }
  // Credentials inside the address would be the redirecting server's idea, not the workflow's.
  url.username = "";
  url.password = "";
  const becomesGet = status === 303 ? call.method !== "HEAD" : status < 303 && call.method === "POST";
  const sameOrigin = url.origin === call.url.origin;
  const headers = new Map<string, string>();
  for (const [name, value] of call.headers) {
    if (becomesGet && name.startsWith("content-")) continue;
    if (sameOrigin || harmlessHeaders.has(name)) headers.set(name, value);
  }
  return {
    ...call,
    url,
    headers,
    method: becomesGet ? "GET" : call.method,
    body: becomesGet ? undefined : call.body,
  };
}
