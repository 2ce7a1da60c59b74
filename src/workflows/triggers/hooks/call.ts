/** A call of a webhook, as it came. */
import type { IncomingHttpHeaders } from "node:http";
import type { WebhookSettings } from "../model.ts";

export interface Call {
  headers: IncomingHttpHeaders;
  query: Readonly<Record<string, unknown>>;
  /** The bytes of the body. */
  raw: Buffer;
}

export interface Verifying {
  settings: WebhookSettings;
  /** As they are kept; the newest first. */
  secrets: readonly string[];
  nowMs: number;
}

/** A header that was sent once. */
export function headerOf({ headers }: Call, name: string): string | undefined {
  const value = headers[name.toLowerCase()];
  return typeof value === "string" && value !== "" ? value : undefined;
}
