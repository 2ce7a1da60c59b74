export { readRawBody } from "./bodies.ts";
export { type Authenticate, type Caller, demandPermission } from "./caller.ts";
export { cursorInvalid, decodeCursor, encodeCursor, idOfCursor, textOfCursor } from "./cursor.ts";
export { parseJsonBody } from "./json_body.ts";
export { apiKeyOf } from "./keys.ts";
export {
  isFault,
  type PartialProblem,
  type Problem,
  partialProblem,
  partialProblemSchema,
  toAppError,
} from "./problem.ts";
export type { Answer, RouteContext, RouteDefinition } from "./route.ts";
export { createHttpServer, type HttpServer, type HttpServerOptions } from "./server.ts";
export { type SseStream, sse } from "./sse.ts";
export { compileBodyCheck } from "./validation.ts";
