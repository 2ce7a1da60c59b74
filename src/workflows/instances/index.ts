export { type BulkWorker, createBulkWorker } from "./loops.ts";
export {
  checkInput,
  getInstance,
  type Instances,
  instanceIdOf,
  migrateInstance,
  restartInstance,
  startInstance,
} from "./operations.ts";
export { checkedPriority } from "./request.ts";
export { addInstanceRoutes } from "./routes.ts";
