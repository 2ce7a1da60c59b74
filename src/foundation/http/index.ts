export { type Authenticate, anonymous, type Caller, callerMay } from "./caller.ts";
export { cursorInvalid, decodeCursor, encodeCursor } from "./cursor.ts";
export { apiKeyMatches, apiKeyOf, hashApiKey } from "./keys.ts";
export { type Problem, problemSchema } from "./problem.ts";
export type { Answer, RouteContext, RouteDefinition } from "./route.ts";
export { createHttpServer, type HealthStatus, type HttpServer, type HttpServerOptions } from "./server.ts";
export { type SseEvent, type SseStream, sse } from "./sse.ts";
export { textFaults } from "./text.ts";
export { parseYamlBody } from "./yaml_body.ts";
