/**
 * Whether a call was made by somebody who knows a secret of its webhook. Throws `signature_missing`, `signature_invalid`
 * or `timestamp_refused`; no message says anything about a secret. Everything is compared in constant time.
 */
import { isUtf8 } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import { Webhook, WebhookVerificationError } from "standardwebhooks";
import { triggerErrors } from "../errors.ts";
import type { Verification } from "../model.ts";
import { type Call, headerOf, type Verifying } from "./call.ts";
import { hashOf } from "./secrets.ts";

export function verify(call: Call, verifying: Verifying): void {
  verifiers[verifying.settings.verification](call, verifying);
}

const verifiers: Record<Verification, typeof verify> = {
  secret: verifyToken,
  standard: verifyStandard,
  github: verifyGithub,
  stripe: verifyStripe,
};

export const defaultTokenHeader = "X-Webhook-Token";

/** A token in a header, or in the query where the webhook allows it. */
function verifyToken(call: Call, { settings, secrets }: Verifying): void {
  const { header = defaultTokenHeader, queryParameter } = settings;
  const inQuery = queryParameter === undefined ? undefined : call.query[queryParameter];
  const token = headerOf(call, header)?.replace(/^Bearer +/i, "") ?? inQuery;
  if (typeof token !== "string") {
    const places = queryParameter === undefined ? "" : ` or as the query parameter ${queryParameter}`;
    throw triggerErrors.signature_missing(`Send the token in the header ${header}${places}.`);
  }
  const hash = hashOf(token);
  if (!secrets.some((secret) => sameText(hash, secret))) throw invalid("The token is not the webhook's.");
}

/** The scheme of standardwebhooks.com: webhook-id, webhook-timestamp, webhook-signature; 300 seconds of tolerance. */
function verifyStandard(call: Call, { secrets }: Verifying): void {
  const names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
  const missing = names.filter((name) => headerOf(call, name) === undefined);
  if (missing.length > 0) throw triggerErrors.signature_missing(`The call has no ${missing.join(", ")}.`);
  const headers = Object.fromEntries(names.map((name) => [name, headerOf(call, name) ?? ""]));
  if (!isUtf8(call.raw)) throw invalid("What is signed is text, and the body is no UTF-8.");
  const timestamp = headers["webhook-timestamp"] ?? "";
  if (!/^\d{1,15}$/.test(timestamp)) {
    throw triggerErrors.timestamp_refused("webhook-timestamp is no number of seconds since 1970.");
  }
  let refusal: WebhookVerificationError | undefined;
  for (const secret of secrets) {
    try {
      new Webhook(secret).verify(call.raw, headers, { jsonParse: false });
      return;
    } catch (error) {
      if (!(error instanceof WebhookVerificationError)) throw error;
      refusal = error;
    }
  }
  if (refusal?.message.includes("timestamp")) {
    const when = refusal.message.includes("old") ? "more than 300 seconds ago" : "more than 300 seconds ahead";
    throw triggerErrors.timestamp_refused(`webhook-timestamp is ${when}.`);
  }
  throw invalid("No signature in webhook-signature is the webhook's.");
}

/** `X-Hub-Signature-256: sha256=<hex>` over the body. */
function verifyGithub(call: Call, { secrets }: Verifying): void {
  const header = headerOf(call, "x-hub-signature-256");
  if (header === undefined) throw triggerErrors.signature_missing("The call has no X-Hub-Signature-256.");
  const isKnown = secrets.some((secret) => sameText(header, `sha256=${hmacHex(secret, [call.raw])}`));
  if (!isKnown) throw invalid("X-Hub-Signature-256 is not the webhook's signature of the body.");
}

const defaultToleranceSeconds = 300;

/** `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>…]` over `<seconds>.<body>`. */
function verifyStripe(call: Call, { settings, secrets, nowMs }: Verifying): void {
  const header = headerOf(call, "stripe-signature");
  if (header === undefined) throw triggerErrors.signature_missing("The call has no Stripe-Signature.");
  const pairs = header.split(",").map((pair) => pair.trim().split("=", 2));
  const timestamp = pairs.find(([name]) => name === "t")?.[1] ?? "";
  const signatures = pairs.flatMap(([name, value]) => (name === "v1" && value !== undefined ? [value] : []));
  if (!/^\d{1,15}$/.test(timestamp) || signatures.length === 0) {
    throw triggerErrors.signature_missing("Stripe-Signature has no t=<seconds> or no v1=<signature>.");
  }
  const isKnown = secrets.some((secret) => {
    const expected = hmacHex(secret, [`${timestamp}.`, call.raw]);
    return signatures.some((signature) => sameText(signature, expected));
  });
  if (!isKnown) throw invalid("No v1 in Stripe-Signature is the webhook's signature of the body.");
  // Looked at last: only who knows the secret learns what the tolerance is.
  const { toleranceSeconds = defaultToleranceSeconds } = settings;
  const ageSeconds = Math.floor(nowMs / 1_000) - Number(timestamp);
  if (Math.abs(ageSeconds) <= toleranceSeconds) return;
  const when = ageSeconds > 0 ? "ago" : "ahead";
  throw triggerErrors.timestamp_refused(`The call was signed more than ${toleranceSeconds} seconds ${when}.`);
}

function hmacHex(secret: string, parts: readonly (string | Buffer)[]): string {
  const hmac = createHmac("sha256", secret);
  for (const part of parts) hmac.update(part);
  return hmac.digest("hex");
}

function sameText(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function invalid(message: string): Error {
  return triggerErrors.signature_invalid(message);
}
