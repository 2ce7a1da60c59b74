/** How a route is declared; see `HttpServer.route`. */
import type { IncomingHttpHeaders } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { z } from "zod";
import type { Caller } from "./caller.ts";

/** What a handler is given. The types of `params`, `query` and `body` come from the route's schemas. */
export interface RouteContext<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** The bytes of the body, for a route that declares `rawBody`; else empty. */
  readonly rawBody: Buffer;
  readonly headers: IncomingHttpHeaders;
  /** From `X-Millrace-Namespace`, `default` when absent. */
  readonly namespace: string;
  readonly caller: Caller;
  /** Aborts when the client goes away before the answer, and when the server's time to drain is over. */
  readonly signal: AbortSignal;
  readonly requestId: string;
  /** The W3C trace context that came with the request, when it is well-formed. */
  readonly traceparent: string | undefined;
  readonly request: FastifyRequest;
  /** For a status other than the first declared one (`reply.code(200)`), headers, and streams. */
  readonly reply: FastifyReply;
}

/**
 * One answer of a route: a schema for a JSON answer; a sentence for an answer without a body (below 400) or for a
 * problem document (from 400 on); or another content type.
 */
export type Answer = z.ZodType | string | { description: string; contentType: string; schema?: z.ZodType };

export interface RouteDefinition<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType> {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** The path, with parameters as `:name`. */
  readonly url: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  /** The operation's name in the OpenAPI document; by default made of method and path. */
  readonly operationId?: string;
  readonly params?: Params;
  readonly query?: Query;
  /** An optional schema (`.optional()`) makes the whole body optional. Without a schema the route takes no body. */
  readonly body?: Body;
  /** Whether the body may also be YAML; it is checked by the same schema. */
  readonly yaml?: boolean;
  /**
   * The handler gets the bytes of the body, JSON or a form, as they came: whoever checks a signature needs them.
   * `readRawBody` reads them afterwards. In the place of `body`; and no log has the route's query, where tokens may be.
   */
  readonly rawBody?: true;
  readonly bodyLimitBytes?: number;
  /** By status; the lowest one below 300 is the status of a plain answer. */
  readonly responses: { readonly [status: number]: Answer };
  /** What the caller must hold, `resource:action`. Every route has it, or is `public`. */
  readonly permission?: string;
  readonly public?: true;
  /** Gives the answer's JSON value, or `undefined` for an empty one, or `reply` after answering by itself. */
  readonly handler: (context: RouteContext<z.output<Params>, z.output<Query>, z.output<Body>>) => unknown;
}

/** A route of any types, as the server keeps it for the OpenAPI document. */
export type DeclaredRoute = Omit<RouteDefinition<z.ZodType, z.ZodType, z.ZodType>, "handler">;
