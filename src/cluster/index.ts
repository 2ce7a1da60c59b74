export { createNodeCleanup } from "./loops.ts";
export type { NodeView } from "./operations.ts";
export { addClusterRoutes } from "./routes.ts";
