/** The words of triggers. */
import type { Json } from "../../engine/index.ts";
import { sha256 } from "../../foundation/digest.ts";

export const triggerKinds = ["event", "schedule", "webhook", "manual"] as const;
export type TriggerKind = (typeof triggerKinds)[number];

export const triggerTypes = ["START", "CANCEL"] as const;
export type TriggerType = (typeof triggerTypes)[number];

export const verifications = ["secret", "standard", "github", "stripe"] as const;
export type Verification = (typeof verifications)[number];

export const defaultPriority = 100;

/** How a webhook's calls are verified and read; without its secrets. */
export interface WebhookSettings {
  verification: Verification;
  header?: string;
  queryParameter?: string;
  toleranceSeconds?: number;
  eventId?: string;
  partitionKey?: string;
  headers?: string[];
}

/** An expression, or expressions by field. */
export type InputMapping = string | { [field: string]: Json };

/** What a trigger says, all defaults filled in. */
export interface TriggerFields {
  name: string;
  kind: TriggerKind;
  triggerType: TriggerType;
  /** The workflow and perhaps its version: as they were given, or as they are stored. */
  definitionId?: string;
  version?: string;
  eventPattern?: string;
  eventCondition?: string;
  inputMapping?: InputMapping;
  correlationKey?: string;
  priority: number;
  instancePriority?: number;
  reason?: string;
  compensate: boolean;
  enabled: boolean;
  description?: string;
  webhook?: WebhookSettings;
}

/** Where the calls of a webhook come in. */
export const hookPath = (triggerId: string) => `/api/v1/hooks/${triggerId}`;

/** The name under which a webhook's calls are published when it does not say one. */
export function defaultHookPattern({ name, verification }: { name: string; verification: Verification }): string {
  if (verification === "github" || verification === "stripe") return `${verification}.\${type}`;
  return `webhooks.${name}`;
}

const longestName = 255;
const longestKey = 255;

/** Text of any length as a key that can be stored: what is too long is known by its hash. */
export function shortKey(text: string): string {
  return text.length <= longestKey ? text : `sha256:${sha256(text)}`;
}

/** An event's name made of any text: what cannot stand in a token becomes `_`, and what is too long is cut. */
export function eventNameOf(text: string): string {
  const tokens = text.split(".").map((token) => token.replaceAll(/[\s*>\p{Cc}]+/gu, "_") || "_");
  const name = tokens.join(".");
  return name.length <= longestName ? name : name.slice(0, longestName).toWellFormed().replace(/\.+$/, "");
}
