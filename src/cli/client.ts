/** The command line's side of the HTTP API. */
import { type EventSourceMessage, EventSourceParserStream } from "eventsource-parser/stream";
import { CommandError, type ExitCode, exitCodes } from "./exit.ts";

export interface ClientOptions {
  /** Where the server is, without a path. */
  url: string;
  key: string | undefined;
  namespace: string | undefined;
  /** Aborts what is under way: Ctrl+C. */
  signal: AbortSignal;
}

export type Query = Record<string, string | number | undefined>;

export interface Request {
  query?: Query;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Client {
  readonly url: string;
  /** The answer's JSON. Throws `CommandError` for refusals and when nobody answers. */
  get<T>(path: string, query?: Query): Promise<T>;
  post<T>(path: string, request?: Request): Promise<{ status: number; body: T }>;
  patch<T>(path: string, body: unknown): Promise<T>;
  delete(path: string): Promise<void>;
  /** All pages of a list, up to `most` items. */
  list<T>(path: string, query: Query, most: number): Promise<{ items: T[]; nextCursor: string | null }>;
  /** The events of a stream, until the server ends it. Throws `StreamBroken` when it breaks off. */
  events(path: string, options: { lastEventId?: string }): AsyncIterable<EventSourceMessage>;
}

/** The connection was lost; whoever follows asks again from the last event. */
export class StreamBroken extends Error {}

interface Problem {
  status: number;
  title: string;
  detail: string;
  code: string;
  errors?: { pointer: string; message: string; expected?: string }[];
}

export function createClient({ url, key, namespace, signal }: ClientOptions): Client {
  const headers: Record<string, string> = {
    ...(key !== undefined && { authorization: `Bearer ${key}` }),
    ...(namespace !== undefined && { "x-millrace-namespace": namespace }),
  };

  async function send(
    method: string,
    path: string,
    { query = {}, body, headers: more }: Request = {},
  ): Promise<Response> {
    const target = new URL(path, url);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) target.searchParams.set(name, String(value));
    }
    const content = body === undefined ? {} : { "content-type": "application/json" };
    const init = { method, headers: { ...headers, ...content, ...more }, body: JSON.stringify(body), signal };
    let response: Response;
    try {
      response = await fetch(target, init);
    } catch (error) {
      if (signal.aborted) throw new CommandError(exitCodes.interrupted, "Interrupted");
      throw unreachable(url, error);
    }
    if (!response.ok) throw await refusal(response, { url, hasKey: key !== undefined });
    return response;
  }

  async function get<T>(path: string, query?: Query): Promise<T> {
    return (await (await send("GET", path, { query })).json()) as T;
  }

  return {
    url,
    get,
    async post<T>(path: string, request?: Request) {
      const response = await send("POST", path, request);
      return { status: response.status, body: (await response.json()) as T };
    },
    async patch<T>(path: string, body: unknown) {
      return (await (await send("PATCH", path, { body })).json()) as T;
    },
    async delete(path) {
      await send("DELETE", path);
    },
    async list<T>(path: string, query: Query, most: number) {
      const items: T[] = [];
      let cursor: string | undefined;
      for (;;) {
        const limit = Math.min(500, most - items.length);
        const page = await get<{ items: T[]; nextCursor: string | null }>(path, { ...query, limit, cursor });
        items.push(...page.items);
        if (page.nextCursor === null || items.length >= most) return { items, nextCursor: page.nextCursor };
        cursor = page.nextCursor;
      }
    },
    async *events(path, { lastEventId }) {
      const resume: Record<string, string> = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
      const response = await send("GET", path, { headers: { accept: "text/event-stream", ...resume } });
      try {
        yield* response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
      } catch (error) {
        if (signal.aborted) throw new CommandError(exitCodes.interrupted, "Interrupted");
        throw new StreamBroken("The connection was lost", { cause: error });
      }
    },
  };
}

function unreachable(url: string, error: unknown): CommandError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason =
    cause instanceof Error ? cause.message || ("code" in cause ? String(cause.code) : cause.name) : String(cause);
  return new CommandError(exitCodes.unreachable, `No server answers at ${url}: ${reason || "connection refused"}`, {
    hints: ["Start one with: npm start", "Or say where it is: MILLRACE_URL=http://host:port"],
  });
}

async function refusal(response: Response, { url, hasKey }: { url: string; hasKey: boolean }): Promise<CommandError> {
  const problem = await problemOf(response);
  if (problem === undefined) {
    const message = `${url} answered ${response.status} ${response.statusText}, which is not what a Millrace server says`;
    return new CommandError(exitCodes.failed, message, { hints: ["Is MILLRACE_URL right?"] });
  }
  const hints = (problem.errors ?? []).map(({ pointer, message, expected }) => {
    const place = pointer === "" ? "(whole document)" : pointer;
    return `${place}: ${message}${expected === undefined ? "" : ` (expected: ${expected})`}`;
  });
  if (response.status === 401) {
    hints.push(
      hasKey
        ? "The key is not one of this server's. It prints the path of its own when it starts."
        : "Give the key as MILLRACE_ADMIN_API_KEY, or the server's data directory as MILLRACE_DATA_DIR.",
    );
  }
  const message = `${problem.detail} [${problem.code}]`;
  return new CommandError(exitCodeOf(response.status), message, { hints, document: problem });
}

async function problemOf(response: Response): Promise<Problem | undefined> {
  if (!response.headers.get("content-type")?.startsWith("application/problem+json")) {
    await response.body?.cancel();
    return undefined;
  }
  return (await response.json()) as Problem;
}

function exitCodeOf(status: number): ExitCode {
  if (status === 404) return exitCodes.notFound;
  if (status === 401 || status === 403) return exitCodes.denied;
  if (status === 503) return exitCodes.unreachable;
  return status >= 500 ? exitCodes.failed : exitCodes.refused;
}
