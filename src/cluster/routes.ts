import type { Db } from "../foundation/database/index.ts";
import type { HttpServer } from "../foundation/http/index.ts";
import { nodesResponse } from "./contract.ts";
import { readNodes } from "./operations.ts";

export function addClusterRoutes(http: HttpServer, { db }: { db: Db }): void {
  http.route({
    method: "GET",
    url: "/api/v1/nodes",
    summary: "List the nodes of the cluster",
    description: "All nodes in one answer, the newest first. A node that is gone for a day is forgotten.",
    tags: ["Cluster"],
    operationId: "listNodes",
    permission: "nodes:read",
    responses: { 200: nodesResponse },
    handler: async () => ({ items: await readNodes(db), nextCursor: null }),
  });
}
