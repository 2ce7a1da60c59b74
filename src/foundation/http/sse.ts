/**
 * Server-sent events: one long answer to which events are written as they happen.
 *
 * A client that stops reading must not fill the memory: when more than 1 MiB waits for it, it is disconnected, and it
 * resumes by `Last-Event-ID`. A comment every 15 s keeps proxies from closing a silent stream.
 */
import type { FastifyReply } from "fastify";

const MAX_WAITING_BYTES = 1024 * 1024;
const HEARTBEAT_MS = 15_000;
const RECONNECT_MS = 1_000;

export interface SseEvent {
  /** What the client sends back as `Last-Event-ID` when it reconnects; one line. */
  id?: string;
  /** The event's name; one line, `message` when absent. */
  event?: string;
  /** A text is sent as it is, anything else as JSON. */
  data: unknown;
}

export interface SseStream {
  /** Writes an event. Gives false, and writes nothing, when the stream has ended. */
  send(event: SseEvent): boolean;
  /** Ends the stream; what was written still arrives. May be called again. */
  end(): void;
  /** Resolves when the stream has ended, whoever ended it: us, the client, or the server that drains. */
  readonly ended: Promise<void>;
}

/**
 * Answers a request with a stream of events, from now on; the handler returns `reply` at the end or at once.
 * The stream also ends with `signal` and when the server drains, which asks the client to reconnect after a second.
 */
export function sse(reply: FastifyReply, { signal, heartbeatMs = HEARTBEAT_MS }: SseOptions = {}): SseStream {
  const { raw } = reply;
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  let open = true;

  reply.hijack();
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value);
  raw.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
  });
  raw.flushHeaders();

  const write = (text: string): boolean => {
    if (!open) return false;
    raw.write(text);
    if (raw.writableLength > MAX_WAITING_BYTES) raw.destroy();
    return !raw.destroyed;
  };
  const stop = () => {
    if (!open) return;
    open = false;
    clearInterval(heartbeat);
    signal?.removeEventListener("abort", end);
    reply.server.millraceStreams.delete(drain);
    resolve();
  };
  const end = () => {
    if (!open) return;
    stop();
    raw.end();
  };
  const drain = () => {
    write(`retry: ${RECONNECT_MS}\n: the server is shutting down\n\n`);
    end();
  };
  const heartbeat = setInterval(() => write(": alive\n\n"), heartbeatMs).unref();
  raw.once("close", stop);
  raw.once("error", stop);
  signal?.addEventListener("abort", end, { once: true });
  reply.server.millraceStreams.add(drain);
  if (signal?.aborted) end();
  return { send: (event) => write(format(event)), end, ended };
}

export interface SseOptions {
  signal?: AbortSignal;
  heartbeatMs?: number;
}

function format({ id, event, data }: SseEvent): string {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  const head =
    (id === undefined ? "" : `id: ${oneLine(id)}\n`) + (event === undefined ? "" : `event: ${oneLine(event)}\n`);
  return `${head}data: ${text.split(/\r\n|\r|\n/).join("\ndata: ")}\n\n`;
}

/** A field ends at its line's end, and an id with a NUL is ignored by clients. */
function oneLine(text: string): string {
  return text.replace(/[\r\n\0]/g, " ");
}
