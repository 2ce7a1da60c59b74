/** What a request for a subscription means; every fault is told with its pointer. */
import { isIP } from "node:net";
import type { z } from "zod";
import { parseDuration } from "../../foundation/duration.ts";
import type { InputError } from "../../foundation/errors.ts";
import type { AddressJudge } from "../../foundation/outbound/index.ts";
import { filterFault, patternFault, patternForm } from "../filters.ts";
import type { changeRequest } from "./contract.ts";
import { subscriptionErrors } from "./errors.ts";
import {
  type Authentication,
  longestTimeoutMs,
  type RetryPolicy,
  usualConcurrency,
  usualDisableAfterMs,
  usualRetryPolicy,
  usualTimeoutMs,
} from "./model.ts";
import { hidden } from "./views.ts";

/** What a client decides about a subscription. */
export interface Wanted {
  eventPattern: string;
  subscriberType: "webhook" | "handler";
  endpoint: string | null;
  handler: string | null;
  headers: Record<string, string>;
  authentication: Authentication | null;
  filter: string | null;
  retryPolicy: RetryPolicy;
  timeoutMs: number;
  maxConcurrency: number;
  disableAfterMs: number | null;
  description: string | null;
}

export const nothingYet: Wanted = {
  eventPattern: "",
  subscriberType: "webhook",
  endpoint: null,
  handler: null,
  headers: {},
  authentication: null,
  filter: null,
  retryPolicy: usualRetryPolicy,
  timeoutMs: usualTimeoutMs,
  maxConcurrency: usualConcurrency,
  disableAfterMs: usualDisableAfterMs,
  description: null,
};

export type Given = z.output<typeof changeRequest>;

/** Puts what is given over what there is. Throws `subscription_invalid` with every fault. */
export function wantedOf(given: Given, before: Wanted, judge: AddressJudge): Wanted {
  const faults: InputError[] = [];
  const fault = (pointer: string, message: string, expected?: string) =>
    void faults.push({ pointer, message, ...(expected !== undefined && { expected }) });
  const ms = (pointer: string, value: number | string | undefined, usual: number) => {
    if (value === undefined) return usual;
    try {
      return parseDuration(value);
    } catch (error) {
      fault(pointer, error instanceof Error ? error.message : "is not a duration");
      return usual;
    }
  };

  const { eventPattern = before.eventPattern, filter = before.filter, retryPolicy = {} } = given;
  const wrong = patternFault(eventPattern);
  if (wrong !== undefined) fault("/eventPattern", wrong, patternForm);
  if (typeof given.filter === "string") {
    const found = filterFault(given.filter);
    if (found !== undefined) fault("/filter", found.message, found.expected);
  }
  const { maxAttempts, initialDelay, backoffFactor, maxDelay, jitter } = retryPolicy;
  const policy: RetryPolicy = {
    maxAttempts: maxAttempts ?? before.retryPolicy.maxAttempts,
    initialDelay: ms("/retryPolicy/initialDelay", initialDelay, before.retryPolicy.initialDelay),
    backoffFactor: backoffFactor ?? before.retryPolicy.backoffFactor,
    maxDelay: ms("/retryPolicy/maxDelay", maxDelay, before.retryPolicy.maxDelay),
    jitter: jitter ?? before.retryPolicy.jitter,
  };
  const timeoutMs = ms("/timeout", given.timeout, before.timeoutMs);
  if (timeoutMs < 1 || timeoutMs > longestTimeoutMs) fault("/timeout", `is ${timeoutMs} ms`, "1 ms to 5 min");
  const disableAfterMs =
    given.disableAfter === null ? null : ms("/disableAfter", given.disableAfter, before.disableAfterMs ?? 0);
  if (given.disableAfter !== undefined && disableAfterMs === 0) fault("/disableAfter", "is 0", "a time, or null");
  const to = subscriberOf(given, before, { fault, judge });
  if (faults.length > 0) refuse(faults);
  return {
    ...to,
    eventPattern,
    filter,
    retryPolicy: policy,
    timeoutMs,
    maxConcurrency: given.maxConcurrency ?? before.maxConcurrency,
    disableAfterMs: given.disableAfter === undefined ? before.disableAfterMs : disableAfterMs,
    description: given.description === undefined ? before.description : given.description,
  };
}

function refuse(errors: InputError[]): never {
  const [first] = errors;
  const detail = errors.length === 1 ? `${first!.pointer} ${first!.message}` : `there are ${errors.length} faults`;
  throw subscriptionErrors.subscription_invalid(`The subscription cannot be taken: ${detail}.`, { errors });
}

interface Telling {
  fault(pointer: string, message: string, expected?: string): void;
  judge: AddressJudge;
}

type To = Pick<Wanted, "subscriberType" | "endpoint" | "handler" | "headers" | "authentication">;

function subscriberOf({ subscriber }: Given, before: Wanted, { fault, judge }: Telling): To {
  const { subscriberType, endpoint, handler, headers, authentication } = before;
  if (subscriber === undefined) return { subscriberType, endpoint, handler, headers, authentication };
  if (subscriber.type === "queue") {
    fault("/subscriber/type", '"queue" is not available yet', '"webhook" or "handler"');
    return { subscriberType, endpoint, handler, headers, authentication };
  }
  if (subscriber.type === "handler") {
    for (const field of ["endpoint", "headers", "authentication"] as const) {
      if (subscriber[field] !== undefined) fault(`/subscriber/${field}`, "belongs to webhooks", "only handler");
    }
    const named = subscriber.handler ?? handler;
    if (named === null) fault("/subscriber/handler", "is missing", "the name of a handler");
    return { subscriberType: "handler", endpoint: null, handler: named, headers: {}, authentication: null };
  }
  if (subscriber.handler !== undefined) fault("/subscriber/handler", "belongs to handlers", "only endpoint");
  const url = subscriber.endpoint ?? endpoint;
  if (url === null) fault("/subscriber/endpoint", "is missing", "an absolute http or https URL");
  else checkEndpoint(url, { fault, judge });
  const kept = subscriberType === "webhook";
  const auth =
    subscriber.authentication === undefined
      ? kept
        ? authentication
        : null
      : authenticationOf(subscriber.authentication);
  if (auth?.type === "api-key") checkHeader(auth.header, auth.value, { fault, pointer: "/subscriber/authentication" });
  const given = subscriber.headers;
  for (const [name, value] of Object.entries(given ?? {})) {
    const pointer = `/subscriber/headers/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    checkHeader(name, value, { fault, pointer });
  }
  if (Object.keys(given ?? {}).length > mostHeaders) fault("/subscriber/headers", `has more than ${mostHeaders} names`);
  return {
    subscriberType: "webhook",
    endpoint: url,
    handler: null,
    headers: given ?? (kept ? headers : {}),
    authentication: auth,
  };
}

const mostHeaders = 50;

type GivenAuthentication = Exclude<NonNullable<Given["subscriber"]>["authentication"], undefined>;

function authenticationOf(given: GivenAuthentication): Authentication | null {
  return given?.type === "api-key" ? { header: "X-API-Key", ...given } : given;
}

function checkEndpoint(text: string, { fault, judge }: Telling): void {
  const pointer = "/subscriber/endpoint";
  const url = URL.parse(text);
  if (url === null) {
    fault(pointer, "is no absolute URL", "such as https://example.com/hooks");
    return;
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    fault(pointer, `begins with ${url.protocol}`, "http: or https:");
  }
  if (url.username !== "" || url.password !== "") {
    fault(pointer, "holds a user name or password", "authentication of the type basic");
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const refusal = isIP(host) === 0 ? undefined : judge(host);
  if (refusal !== undefined) {
    fault(pointer, `leads to ${host}, which ${refusal}`, "an address of the public internet");
  }
}

/** Of the connection, of what is sent, and of the signature. */
const ownHeaders =
  /^(connection|content-.*|expect|host|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|webhook-.*)$/;

function checkHeader(
  name: string,
  value: string,
  { fault, pointer }: Pick<Telling, "fault"> & { pointer: string },
): void {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}$/.test(name)) fault(pointer, "is no name of a header");
  else if (ownHeaders.test(name.toLowerCase())) fault(pointer, "is set by the program; leave it out");
  if (value === hidden) fault(pointer, "is what is shown in the place of a credential", "the credential");
  else if (!/^[\t\x20-\x7e\x80-\xff]{0,8192}$/.test(value)) fault(pointer, "holds what headers cannot carry");
}
