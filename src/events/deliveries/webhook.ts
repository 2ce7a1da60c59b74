/** Sending one event to one address. Redirects are not followed: they would lead where nobody has agreed to. */
import {
  type AddressJudge,
  createGuardedAgent,
  type Resolve,
  readRetryAfter,
  systemResolve,
  troubleOf,
  troubleText,
} from "../../foundation/outbound/index.ts";
import { version } from "../../foundation/version.ts";
import { type Authentication, authenticationHeader, livingSecrets, type Secret } from "../subscriptions/model.ts";
import { cloudEvent, isPermanent, type Parcel, type Reply } from "./model.ts";
import { signatureHeaders } from "./sign.ts";

export interface Address {
  endpoint: string;
  headers: Record<string, string>;
  authentication: Authentication | null;
  secrets: Secret[];
  timeoutMs: number;
}

export interface WebhookSender {
  /** Never rejects. `signal` gives up on it: the reply then says `ABORTED`. */
  send(parcel: Parcel, address: Address, signal: AbortSignal): Promise<Reply>;
  close(): Promise<void>;
}

export interface WebhookOptions {
  judge: AddressJudge;
  /** In place of the system's name resolution. */
  resolve?: Resolve;
}

const connectTimeoutMs = 10_000;
/** Of an answer's body this much is kept. */
const mostKeptBytes = 4_096;

export function createWebhookSender({ judge, resolve = systemResolve }: WebhookOptions): WebhookSender {
  const agent = createGuardedAgent({ judge, resolve, connectTimeoutMs });
  return {
    close: () => agent.destroy(),
    async send(parcel, address, signal) {
      const beganMs = performance.now();
      const took = () => Math.round(performance.now() - beganMs);
      const timeout = AbortSignal.timeout(address.timeoutMs);
      const until = AbortSignal.any([timeout, signal]);
      try {
        const url = new URL(address.endpoint);
        const body = JSON.stringify(cloudEvent(parcel));
        const request = agent.request({
          origin: url.origin,
          path: url.pathname + url.search,
          method: "POST",
          headers: headersOf(parcel, address, body),
          body,
          signal: until,
        });
        const { statusCode: status, headers, body: answer } = await Promise.race([request, aborted(until)]);
        // The status has decided; a body that does not come in time changes nothing.
        const beginning = await beginningOf(answer).catch(() => undefined);
        const reply = { durationMs: took(), status, ...(beginning !== undefined && { body: beginning }) };
        if (status >= 200 && status < 300) return { ...reply, delivered: true };
        const retryAfterMs = readRetryAfter(headers["retry-after"], Date.now());
        return {
          ...reply,
          delivered: false,
          permanent: isPermanent(status),
          gone: status === 410,
          failure: {
            code: `HTTP_${status}`,
            type: isPermanent(status) ? "PERMANENT" : "TRANSIENT",
            message: `${url.origin}${url.pathname} answered ${status}`,
          },
          ...(retryAfterMs !== undefined && { retryAfterMs }),
        };
      } catch (error) {
        return { delivered: false, durationMs: took(), ...lost(error, { address, timeout, signal }) };
      }
    },
  };
}

function headersOf(parcel: Parcel, address: Address, body: string): Record<string, string> {
  const own = Object.entries(address.headers).map(([name, value]) => [name.toLowerCase(), value]);
  const { deliveryId: id, replayId } = parcel;
  const secrets = livingSecrets(address.secrets, Date.now()).map(({ secret }) => secret);
  return {
    "user-agent": `millrace/${version}`,
    ...Object.fromEntries(own),
    ...(address.authentication !== null && Object.fromEntries([authenticationHeader(address.authentication)])),
    "content-type": "application/cloudevents+json; charset=utf-8",
    "accept-encoding": "identity",
    ...(replayId !== null && { "x-millrace-replay-id": replayId }),
    ...signatureHeaders(secrets, { id, atMs: Date.now(), body }),
  };
}

async function beginningOf(answer: AsyncIterable<Buffer> & { destroy(): void }): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer) {
    parts.push(chunk);
    size += chunk.length;
    if (size > mostKeptBytes) break;
  }
  answer.destroy();
  const text = new TextDecoder().decode(Buffer.concat(parts).subarray(0, mostKeptBytes));
  return text.toWellFormed().replaceAll("\u0000", "\uFFFD");
}

function lost(
  error: unknown,
  { address, timeout, signal }: { address: Address; timeout: AbortSignal; signal: AbortSignal },
): Pick<Reply, "failure" | "permanent"> {
  const target = `POST ${address.endpoint.split("?", 1)[0]}`;
  if (signal.aborted) return { failure: { code: "ABORTED", type: "SYSTEM", message: `${target} was given up` } };
  if (timeout.aborted) {
    const message = `${target}: no answer within ${address.timeoutMs} ms`;
    return { failure: { code: "TIMEOUT", type: "TIMEOUT", message } };
  }
  const trouble = troubleOf(error);
  const permanent = trouble.category === "SECURITY";
  const message = `${target}: ${troubleText(trouble, error)}`;
  // Certificates are renewed and servers mended; only an address that may not be reached stays that way.
  return { permanent, failure: { code: trouble.code, type: permanent ? "SECURITY" : "TRANSIENT", message } };
}

/** Rejects when the signal aborts; undici itself notices only once there is a connection. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
