/** Signatures of Standard Webhooks 1.0 (https://www.standardwebhooks.com), symmetric: HMAC-SHA256 over id, time and body. */
import { Webhook } from "standardwebhooks";

export interface Signed {
  id: string;
  /** Milliseconds since 1970; the signature has seconds. */
  atMs: number;
  body: string;
}

/** The three headers. With several secrets there are several signatures, and a receiver takes the one that it knows. */
export function signatureHeaders(secrets: readonly string[], { id, atMs, body }: Signed): Record<string, string> {
  const at = new Date(Math.floor(atMs / 1_000) * 1_000);
  return {
    "webhook-id": id,
    "webhook-timestamp": String(at.getTime() / 1_000),
    "webhook-signature": secrets.map((secret) => new Webhook(secret).sign(id, at, body)).join(" "),
  };
}
