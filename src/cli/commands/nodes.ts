/** `millrace nodes`: who is in the cluster. */
import type { CommandContext, GlobalOptions } from "../context.ts";
import { type ExitCode, exitCodes } from "../exit.ts";
import { instant, paintStatus, span } from "../format.ts";
import { printTable } from "../table.ts";

interface Node {
  nodeId: string;
  nodeType: string;
  nodeVersion: string;
  healthStatus: string;
  freshness: string;
  draining: boolean;
  lastHeartbeat?: string;
  registeredAt: string;
  shards: number[];
}

export async function listNodes(context: CommandContext, options: GlobalOptions): Promise<ExitCode> {
  const { terminal } = context;
  const client = await context.client(options);
  const answer = await client.get<{ items: Node[] }>("/api/v1/nodes");
  if (options.json) {
    terminal.printJson(answer);
    return exitCodes.ok;
  }
  const { colors } = terminal;
  printTable(terminal, {
    head: ["NODE", "TYPE", "VERSION", "HEALTH", "HEARTBEAT", "SHARDS", "UP SINCE"],
    rows: answer.items.map((node) => [
      node.nodeId,
      node.nodeType,
      node.nodeVersion,
      `${paintStatus(colors, node.healthStatus)}${node.draining ? " (draining)" : ""}`,
      node.lastHeartbeat === undefined
        ? colors.dim("never")
        : `${paintStatus(colors, node.freshness)}, ${span(node.lastHeartbeat, undefined)} ago`,
      String(node.shards.length),
      instant(node.registeredAt),
    ]),
    empty: "No nodes are registered.",
  });
  return exitCodes.ok;
}
