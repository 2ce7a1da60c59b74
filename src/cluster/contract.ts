/** What crosses the wire for nodes: document 001's columns, and what follows from them. */
import { z } from "zod";

const instant = z.iso.datetime({ precision: 3 });
const facts = z.record(z.string(), z.unknown());

export const nodeResponse = z
  .object({
    nodeId: z.string(),
    nodeType: z.string(),
    nodeVersion: z.string(),
    capabilities: facts,
    endpoints: facts,
    metadata: facts,
    healthStatus: z.enum(["HEALTHY", "DEGRADED", "UNHEALTHY", "UNKNOWN", "OFFLINE"]),
    lastHeartbeat: instant.optional(),
    registeredAt: instant,
    updatedAt: instant,
    draining: z.boolean().describe("It hands its shards over and takes no more."),
    freshness: z
      .enum(["fresh", "stale", "dead", "offline"])
      .describe(
        "By the age of the last heartbeat: up to 60 s fresh, up to 120 s stale, then dead; offline after a goodbye.",
      ),
    leaseExpired: z.boolean().describe("Whether other nodes may take its shards over."),
    shards: z.array(z.int()).describe("The shards that it holds now."),
  })
  .meta({ id: "Node" });

export const nodesResponse = z.object({ items: z.array(nodeResponse), nextCursor: z.null() }).meta({ id: "NodePage" });
