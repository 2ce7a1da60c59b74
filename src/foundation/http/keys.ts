/**
 * API keys are kept as hashes: whoever reads the database or a memory dump cannot use them. A key has far more entropy
 * than a password, so one SHA-256 is enough and costs 1 µs per request.
 */
import { hash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** SHA-256 of a key as 64 hexadecimal digits. */
export function hashApiKey(key: string): string {
  return hash("sha256", key, "hex");
}

/** Whether `key` is the key that `keyHash` was made from, in a time that does not depend on where they differ. */
export function apiKeyMatches({ key, keyHash }: { key: string; keyHash: string }): boolean {
  const given = Buffer.from(hashApiKey(key));
  const wanted = Buffer.from(keyHash);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

/** The key that a request carries: `Authorization: Bearer <key>`, else `X-API-Key: <key>`. */
export function apiKeyOf(headers: IncomingHttpHeaders): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? "");
  if (bearer) return bearer[1];
  const header = headers["x-api-key"];
  return typeof header === "string" && header !== "" ? header : undefined;
}
