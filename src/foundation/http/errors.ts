import { errorCatalog } from "../errors.ts";

/** Refusals of the HTTP shell itself; the rooms declare their own. */
export const httpErrors = errorCatalog("http", {
  input_invalid: {
    kind: "invalid",
    summary: "Parameters, query or body do not have the shape that the route asks for.",
  },
  malformed_body: { kind: "invalid", summary: "The body is not valid JSON or YAML." },
  malformed_request: { kind: "invalid", summary: "The request is not valid HTTP: its line, path or headers." },
  body_too_deep: { kind: "invalid", summary: "The body is nested more deeply than is read." },
  body_too_large: { kind: "invalid", status: 413, summary: "The body is larger than the route accepts." },
  content_type_unsupported: {
    kind: "invalid",
    status: 415,
    summary: "The body has a content type that the route does not read.",
  },
  cursor_invalid: { kind: "invalid", summary: "A cursor was not made by an earlier answer of the same list." },
  namespace_invalid: { kind: "invalid", summary: "The header X-Millrace-Namespace is not a namespace's name." },
  unauthenticated: { kind: "unauthenticated", summary: "The request has no valid API key." },
  forbidden: { kind: "forbidden", summary: "The caller may not do this." },
  route_not_found: { kind: "not_found", summary: "No route has this path." },
  method_not_allowed: {
    kind: "invalid",
    status: 405,
    summary: "The route exists, but not for this method; see the header Allow.",
  },
  headers_too_large: { kind: "invalid", status: 431, summary: "The request's headers are larger than is read." },
  request_timeout: { kind: "invalid", status: 408, summary: "The request did not arrive in time." },
  draining: { kind: "unavailable", summary: "The node is shutting down; another one, or a later try, will answer." },
  database_unavailable: {
    kind: "unavailable",
    summary: "The database cannot be reached, or refused to work just now; the same request may succeed later.",
  },
  internal: { kind: "internal", summary: "The program has a fault; the log has the details under the request id." },
});
