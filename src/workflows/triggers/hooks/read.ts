/** What a verified call says, as the event that it is published as. */
import type { EventInput, Json } from "../../../engine/index.ts";
import { compileExpression, compileTemplate, ExpressionError } from "../../../foundation/expressions/index.ts";
import { readRawBody } from "../../../foundation/http/index.ts";
import { isRecord } from "../../validate/pointer.ts";
import { triggerErrors } from "../errors.ts";
import { defaultHookPattern, eventNameOf, shortKey, type Verification, type WebhookSettings } from "../model.ts";
import { type Call, headerOf } from "./call.ts";

export interface Webhook {
  id: string;
  namespace: string;
  name: string;
  eventPattern: string | null;
  settings: WebhookSettings;
}

/**
 * The event of a call. Throws `call_invalid` for expressions that fail, and what `readRawBody` throws. The event's id is
 * the one that the provider gives to its delivery, which stays the same when it delivers again.
 */
export function eventOf({ id, namespace, name, eventPattern, settings }: Webhook, call: Call): EventInput {
  const { verification } = settings;
  const payload = payloadOf(verification, call);
  const provider = providers[verification](payload, call);
  const scope = { payload, headers: { ...call.headers }, query: { ...call.query }, type: provider.type };
  const evaluate = (what: "eventId" | "partitionKey") => {
    const source = settings[what];
    if (source === undefined) return undefined;
    const value = attempt(what, () => compileExpression(source).evaluate(scope));
    if (value === null || typeof value === "object" || value === "") {
      throw triggerErrors.call_invalid(`The webhook's ${what} gives no text or number for this call.`);
    }
    return shortKey(String(value));
  };
  const pattern = eventPattern ?? defaultHookPattern({ name, verification });
  const eventName = attempt("eventPattern", () => compileTemplate(pattern).evaluate(scope));
  const eventId =
    evaluate("eventId") ?? (provider.deliveryId === undefined ? undefined : shortKey(provider.deliveryId));
  const partitionKey = evaluate("partitionKey");
  return {
    namespace,
    pattern: eventNameOf(typeof eventName === "string" ? eventName : JSON.stringify(eventName)),
    ...(eventId !== undefined && { eventId }),
    ...(partitionKey !== undefined && { partitionKey }),
    source: { type: "external", id, name },
    sourceKey: `webhook:${id}`,
    payload,
    metadata: { triggerId: id, ...chosenHeaders(settings.headers, call) },
  };
}

function payloadOf(verification: Verification, call: Call): Json {
  const value = readRawBody(call.raw, headerOf(call, "content-type")) as Json;
  // GitHub's forms have the JSON in one field.
  if (verification === "github" && isRecord(value) && typeof value.payload === "string" && isForm(call)) {
    return readRawBody(Buffer.from(value.payload), undefined) as Json;
  }
  return value;
}

const isForm = (call: Call) => headerOf(call, "content-type")?.startsWith("application/x-www-form-urlencoded") === true;

/** What a provider calls the kind of an event and one delivery of it. */
type Provider = (payload: Json, call: Call) => { type: string; deliveryId?: string };

const memberOf = (payload: Json, name: string) => {
  const value = isRecord(payload) ? payload[name] : undefined;
  return typeof value === "string" && value !== "" ? value : undefined;
};

const providers: Record<Verification, Provider> = {
  secret: (payload) => ({ type: memberOf(payload, "type") ?? "unknown" }),
  standard: (payload, call) => ({
    type: memberOf(payload, "type") ?? "unknown",
    deliveryId: headerOf(call, "webhook-id"),
  }),
  github: (payload, call) => {
    const event = headerOf(call, "x-github-event") ?? "unknown";
    const action = memberOf(payload, "action");
    return {
      type: action === undefined ? event : `${event}.${action}`,
      deliveryId: headerOf(call, "x-github-delivery"),
    };
  },
  stripe: (payload) => ({ type: memberOf(payload, "type") ?? "unknown", deliveryId: memberOf(payload, "id") }),
};

function chosenHeaders(names: readonly string[] | undefined, call: Call): { headers?: { [name: string]: Json } } {
  if (names === undefined) return {};
  const found = names.flatMap((name): [string, string][] => {
    const value = call.headers[name.toLowerCase()];
    return value === undefined ? [] : [[name.toLowerCase(), [value].flat().join(", ")]];
  });
  return { headers: Object.fromEntries(found) };
}

function attempt(what: string, evaluate: () => unknown): unknown {
  try {
    return evaluate();
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw triggerErrors.call_invalid(`The webhook's ${what} failed for this call: ${error.message}`);
  }
}
