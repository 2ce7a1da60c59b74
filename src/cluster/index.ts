export { createNodeCleanup } from "./loops.ts";
export { forgetOldNodes, type NodeView, readNodes } from "./operations.ts";
export { addClusterRoutes } from "./routes.ts";
