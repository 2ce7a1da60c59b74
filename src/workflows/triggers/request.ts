/** From what clients send to what a trigger says. */
import type { z } from "zod";
import { priorityOf } from "../instances/request.ts";
import type { changeRequest, createRequest, replaceRequest, testRequest } from "./contract.ts";
import type { Sample } from "./fire.ts";
import {
  defaultPriority,
  type InputMapping,
  type TriggerFields,
  type TriggerKind,
  type WebhookSettings,
} from "./model.ts";

type Body = Omit<z.output<typeof createRequest>, "schedule" | "input"> | z.output<typeof replaceRequest>;

/** With the defaults of what is absent; a secret is no part of what a trigger says. */
export function fieldsOfBody({ webhook, ...body }: Body, kind: TriggerKind = "event"): TriggerFields {
  return {
    ...body,
    kind: body.kind ?? kind,
    triggerType: body.triggerType ?? "START",
    // The body came as JSON or YAML, so its values are JSON.
    inputMapping: body.inputMapping as InputMapping | undefined,
    priority: body.priority ?? defaultPriority,
    instancePriority: priorityOf(body.instancePriority),
    compensate: body.compensate ?? true,
    enabled: body.enabled ?? true,
    webhook: webhook && settingsOf(webhook),
  };
}

function settingsOf({ secret: _, ...settings }: NonNullable<Body["webhook"]> & { secret?: string }): WebhookSettings {
  return settings;
}

/** What is absent stays, null gives the default. */
export function changed(before: TriggerFields, change: z.output<typeof changeRequest>): TriggerFields {
  const { webhook, ...rest } = change;
  const given = Object.fromEntries(
    Object.entries(rest).map(([field, value]) => [field, value ?? undefined]),
  ) as Partial<Body>;
  const { instancePriority, ...kept } = before;
  const merged = fieldsOfBody({
    ...kept,
    ...(instancePriority !== undefined && { instancePriority }),
    ...given,
  } as Body);
  return {
    ...merged,
    webhook: before.webhook && webhook ? { ...webhook, verification: before.webhook.verification } : before.webhook,
  };
}

/** The values came as JSON. */
export function sampleOf({ event }: z.output<typeof testRequest>): Sample {
  return event as Sample;
}
