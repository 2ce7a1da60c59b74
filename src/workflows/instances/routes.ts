/** `/api/v1/workflows/instances`. Each route reads by the contract, calls one operation and answers. */
import type { HttpServer } from "../../foundation/http/index.ts";
import type { Instances } from "./operations.ts";
import { addBulkRoutes } from "./routes/bulk.ts";
import { addChangeRoutes } from "./routes/change.ts";
import { addExplainRoutes } from "./routes/explain.ts";
import { addReadRoutes } from "./routes/read.ts";
import { addStartRoutes } from "./routes/start.ts";

/** `wakeBulk` is called when a bulk operation was accepted. */
export function addInstanceRoutes(http: HttpServer, instances: Instances, wakeBulk: () => void): void {
  addStartRoutes(http, instances);
  addReadRoutes(http, instances);
  addChangeRoutes(http, instances);
  addExplainRoutes(http, instances);
  addBulkRoutes(http, instances, wakeBulk);
}
