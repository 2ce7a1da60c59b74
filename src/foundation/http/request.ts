/** What the shell knows of a request before its handler runs, and how each fact is read from the headers. */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { uuidv7 } from "../ids.ts";
import { anonymous, type Caller } from "./caller.ts";
import { httpErrors } from "./errors.ts";

export interface RequestState {
  caller: Caller;
  namespace: string;
}

declare module "fastify" {
  interface FastifyRequest {
    millrace: RequestState;
  }
  interface FastifyInstance {
    /** How each open stream of events is ended when the server drains. */
    millraceStreams: Set<() => void>;
  }
  interface FastifyContextConfig {
    yaml?: boolean;
    rawBody?: boolean;
  }
}

/** The state of a request that nobody has authenticated. */
export const unauthenticated: RequestState = Object.freeze({ caller: anonymous, namespace: "default" });

const requestIdShape = /^[\w.:/+=@-]{1,128}$/;

/** The request's id: the client's `X-Request-Id` when it is one plain word, else a new one. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers["x-request-id"];
  return typeof given === "string" && requestIdShape.test(given) ? given : uuidv7(Date.now());
}

const namespaceShape = /^[a-z0-9][a-z0-9_.-]{0,62}$/;

/** The namespace of a request. Throws `http.namespace_invalid`. */
export function namespaceOf(headers: IncomingHttpHeaders): string {
  const given = headers["x-millrace-namespace"];
  if (given === undefined) return "default";
  if (typeof given === "string" && namespaceShape.test(given)) return given;
  throw httpErrors.namespace_invalid("The header X-Millrace-Namespace is not a namespace's name.", {
    errors: [
      {
        pointer: "/headers/x-millrace-namespace",
        message: "is not a namespace's name",
        expected: "1 to 63 lower-case letters, digits, _, . and -, the first one a letter or a digit",
      },
    ],
  });
}

const traceparentShape = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The W3C trace context of a request; a malformed one is ignored, as the standard says. */
export function traceparentOf(headers: IncomingHttpHeaders): string | undefined {
  const given = headers.traceparent;
  return typeof given === "string" && traceparentShape.test(given) ? given : undefined;
}
