export { getInstance, type Instances, instanceIdOf, startInstance } from "./operations.ts";
export { addInstanceRoutes } from "./routes.ts";
