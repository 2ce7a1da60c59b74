/**
 * The built-in `http.request`: `{ method, url, headers?, body?, timeout? }` gives `{ status, headers, body }`.
 *
 * One call is: check the input; connect to an address that the judge lets pass; send, with the step's idempotency key;
 * follow up to five redirects, each judged like the first; read a bounded body; turn 408, 429 and 5xx into failures
 * that are retried and other 4xx into failures that are not.
 */

import {
  type AddressJudge,
  allowEvery,
  createGuardedAgent,
  type Resolve,
  refuseNonPublic,
  systemResolve,
} from "../../foundation/outbound/index.ts";
import { type TaskContext, TaskError, type TaskHandler } from "../contract.ts";
import { connectionFailure, statusCategory, statusFailure } from "./failure.ts";
import { type HttpCall, readHttpCall } from "./input.ts";
import { redirected, redirectTarget } from "./redirect.ts";
import { acceptEncoding, type Headers, parseBody, type ResponseBody, readBytes } from "./response.ts";

export interface HttpRequestOptions {
  /** MILLRACE_ALLOW_PRIVATE_ADDRESSES: also addresses that are not of the public internet. */
  allowPrivateAddresses: boolean;
  /** In place of the rule that `allowPrivateAddresses` chooses. */
  judge?: AddressJudge;
  /** In place of the system's name resolution. */
  resolve?: Resolve;
  /** Of a response body, packed and unpacked. Default 16 MiB. */
  maxResponseBytes?: number;
  /** Default 10 s. */
  connectTimeoutMs?: number;
}

export interface HttpRequestTask {
  handler: TaskHandler;
  /** Ends kept-alive connections; requests under way fail. */
  close(): Promise<void>;
}

const maxRedirects = 5;

/** A handler with connections of its own; `close` it with the program. */
export function createHttpRequest(options: HttpRequestOptions): HttpRequestTask {
  const maxBytes = options.maxResponseBytes ?? 16 * 1024 * 1024;
  const agent = createGuardedAgent({
    judge: options.judge ?? (options.allowPrivateAddresses ? allowEvery : refuseNonPublic),
    resolve: options.resolve ?? systemResolve,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
  });

  async function send(call: HttpCall, signal: AbortSignal): Promise<Answer> {
    const { statusCode, headers, body } = await agent.request({
      origin: call.url.origin,
      path: call.url.pathname + call.url.search,
      method: call.method,
      headers: Object.fromEntries(call.headers),
      body: call.body ?? null,
      signal,
    });
    const location = redirectTarget({ status: statusCode, headers });
    if (location !== undefined) {
      await body.dump();
      return { next: redirected(call, { status: statusCode, location }) };
    }
    return { status: statusCode, headers, bytes: await readBytes({ chunks: body, headers, maxBytes }) };
  }

  async function follow(first: HttpCall, signal: AbortSignal): Promise<HttpResult> {
    let call = first;
    for (let hop = 0; hop <= maxRedirects; hop++) {
      const answer = await send(call, signal).catch((error: unknown) => {
        throw connectionFailure(error, `${call.method} ${call.url.origin}`);
      });
      if ("next" in answer) {
        call = answer.next;
        continue;
      }
      return conclude(call, answer);
    }
    throw new TaskError({
      code: "TOO_MANY_REDIRECTS",
      category: "PERMANENT",
      message: `${first.method} ${first.url.origin} was redirected more than ${maxRedirects} times`,
    });
  }

  async function handler(input: unknown, ctx: TaskContext): Promise<HttpResult> {
    const call = readHttpCall(input);
    const target = `${call.method} ${call.url.origin}`;
    if (!call.headers.has("idempotency-key")) call.headers.set("idempotency-key", ctx.idempotencyKey);
    if (!call.headers.has("user-agent")) call.headers.set("user-agent", "millrace");
    if (!call.headers.has("accept-encoding")) call.headers.set("accept-encoding", acceptEncoding);
    const stop = new AbortController();
    const stopWith = (failure: ConstructorParameters<typeof TaskError>[0]) => stop.abort(new TaskError(failure));
    const timer = setTimeout(() => {
      const message = `${target}: no whole answer within ${call.timeoutMs} ms`;
      stopWith({ code: "TIMEOUT", category: "TIMEOUT", message });
    }, call.timeoutMs);
    const onAbort = () => stopWith({ code: "ABORTED", category: "SYSTEM", message: `${target}: the step was aborted` });
    ctx.signal.addEventListener("abort", onAbort);
    try {
      if (ctx.signal.aborted) onAbort();
      return await Promise.race([follow(call, stop.signal), rejected(stop.signal)]);
    } finally {
      clearTimeout(timer);
      ctx.signal.removeEventListener("abort", onAbort);
    }
  }

  return { handler, close: () => agent.destroy() };
}

/** Rejects with the signal's reason when it aborts. undici itself notices only once there is a connection. */
function rejected(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

type Answer = { next: HttpCall } | { status: number; headers: Headers; bytes: Buffer };

export interface HttpResult extends ResponseBody {
  status: number;
  /** By lower-case name; a list where a header came several times. */
  headers: Headers;
}

/** Below 400 the result, else the failure. A failure whose body is not what it says still is that failure. */
function conclude(call: HttpCall, answer: { status: number; headers: Headers; bytes: Buffer }): HttpResult {
  const { status, headers, bytes } = answer;
  const category = statusCategory(status);
  if (category === undefined) return { status, headers, ...parseBody(bytes, headers) };
  const target = `${call.method} ${call.url.origin}${call.url.pathname}`;
  let body: ResponseBody;
  try {
    body = parseBody(bytes, headers);
  } catch {
    body = parseBody(bytes, {});
  }
  throw statusFailure({ status, category, headers, body, target, nowMs: Date.now() });
}
