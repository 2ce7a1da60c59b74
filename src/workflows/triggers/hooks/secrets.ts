/** Secrets of webhooks: what one looks like, how one is made, and as what it is kept. */
import { randomBytes } from "node:crypto";
import { sha256 } from "../../../foundation/digest.ts";
import type { Verification } from "../model.ts";

const standardPrefix = "whsec_";
const standardBytes = { least: 16, most: 512 };

/** What is wrong with a secret, or with there being none. */
export function secretFault(
  verification: Verification,
  secret: string | undefined,
): { message: string; expected: string } | undefined {
  if (secret === undefined) {
    if (verification !== "stripe") return undefined;
    return {
      message: "Stripe makes the secret of an endpoint itself",
      expected: 'that secret, which begins with "whsec_"',
    };
  }
  if (verification !== "standard") return undefined;
  const text = secret.startsWith(standardPrefix) ? secret.slice(standardPrefix.length) : secret;
  const bytes = Buffer.from(text, "base64");
  const isBase64 = bytes.toString("base64").replace(/=+$/, "") === text.replace(/=+$/, "") && text.length % 4 === 0;
  if (isBase64 && bytes.length >= standardBytes.least && bytes.length <= standardBytes.most) return undefined;
  return {
    message: "It is no secret of Standard Webhooks",
    expected: `${standardPrefix} and the base64 of ${standardBytes.least} to ${standardBytes.most} bytes`,
  };
}

/** For verifications whose secrets we may choose. */
export function makeSecret(verification: Verification): string {
  const bytes = randomBytes(32);
  return verification === "standard" ? standardPrefix + bytes.toString("base64") : bytes.toString("base64url");
}

/** A token is only ever compared, so its hash will do; signatures need the secret. */
export function keptSecret(verification: Verification, secret: string): string {
  return verification === "secret" ? hashOf(secret) : secret;
}

export function hashOf(token: string): string {
  return sha256(token);
}
