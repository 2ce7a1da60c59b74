/** Words and laws of subscriptions; no I/O. */
import { randomBytes } from "node:crypto";

export const subscriptionStatuses = ["active", "suspended", "disabled"] as const;
export type SubscriptionStatus = (typeof subscriptionStatuses)[number];

/** Delays in milliseconds. */
export interface RetryPolicy {
  /** With the first one. */
  maxAttempts: number;
  initialDelay: number;
  backoffFactor: number;
  maxDelay: number;
  /** The part of a delay that is left to chance, in both directions: 0.2 is ±20%. */
  jitter: number;
}

const secondMs = 1_000;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Nine attempts within 25 hours: after 5 s, 20 s, 80 s, 5, 21 and 85 minutes, 6 hours, 18 hours. */
export const usualRetryPolicy: RetryPolicy = {
  maxAttempts: 9,
  initialDelay: 5 * secondMs,
  backoffFactor: 4,
  maxDelay: 18 * hourMs,
  jitter: 0.2,
};
export const usualTimeoutMs = 15 * secondMs;
export const longestTimeoutMs = 300 * secondMs;
export const usualConcurrency = 10;
export const usualDisableAfterMs = 5 * dayMs;
export const usualOverlapMs = dayMs;

/** The pause after attempt `attempt` (from 1) failed; `chance` is from 0 to 1. */
export function retryDelayMs(policy: RetryPolicy, attempt: number, chance: number): number {
  const { initialDelay, backoffFactor, maxDelay, jitter } = policy;
  const delay = Math.min(maxDelay, initialDelay * backoffFactor ** (attempt - 1));
  return Math.round(delay * (1 + jitter * (2 * chance - 1)));
}

export type Authentication =
  | { type: "basic"; username: string; password: string }
  | { type: "bearer"; token: string }
  | { type: "api-key"; header: string; value: string };

/** The header by which a subscriber knows us. */
export function authenticationHeader(authentication: Authentication): [name: string, value: string] {
  switch (authentication.type) {
    case "basic": {
      const { username, password } = authentication;
      return ["authorization", `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`];
    }
    case "bearer":
      return ["authorization", `Bearer ${authentication.token}`];
    case "api-key":
      return [authentication.header.toLowerCase(), authentication.value];
  }
}

/** A signing secret. It is the newest until another one is made, and then signs beside that one until it expires. */
export interface Secret {
  secret: string;
  createdAt: string;
  expiresAt?: string;
}

const secretPrefix = "whsec_";

export function makeSecret(): string {
  return secretPrefix + randomBytes(24).toString("base64");
}

/** Standard Webhooks: `whsec_` and the base64 of 24 to 64 bytes. Gives what is wrong, or undefined. */
export function secretFault(secret: string): string | undefined {
  if (!secret.startsWith(secretPrefix)) return `does not begin with ${secretPrefix}`;
  const text = secret.slice(secretPrefix.length);
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) return "is not base64 after its prefix";
  return bytes.length < 24 || bytes.length > 64 ? `holds ${bytes.length} bytes, not 24 to 64` : undefined;
}

/** Puts a new secret first. The former ones go on for `overlapMs` at the most. */
export function rotated(
  secrets: readonly Secret[],
  fresh: { secret: string; nowMs: number; overlapMs: number },
): Secret[] {
  const { secret, nowMs, overlapMs } = fresh;
  const endsMs = nowMs + overlapMs;
  const former = livingSecrets(secrets, nowMs)
    .map((one) => {
      const end = Math.min(endsMs, one.expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(one.expiresAt));
      return { ...one, expiresAt: new Date(end).toISOString() };
    })
    .filter(({ expiresAt }) => Date.parse(expiresAt) > nowMs)
    .slice(0, mostSecrets - 1);
  return [{ secret, createdAt: new Date(nowMs).toISOString() }, ...former];
}

/** A request carries a signature of each. */
const mostSecrets = 5;

export function livingSecrets(secrets: readonly Secret[], nowMs: number): Secret[] {
  return secrets.filter(({ expiresAt }) => expiresAt === undefined || Date.parse(expiresAt) > nowMs);
}
