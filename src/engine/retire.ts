/** The shortest takeover: by the program that owns the database alone. */
import type { Database } from "../foundation/database/index.ts";
import { closeLanes } from "./queries/lanes.ts";
import { closeStrayLanes, expireNodes } from "./queries/retire.ts";

/**
 * Closes the lanes of every node that was ever registered, so that their shards can be acquired at once instead of after
 * a lease. Only for a program that knows all others to be dead: holding the lock of an embedded database's directory
 * proves it. Call it before the engine starts.
 */
export async function retireOtherNodes(db: Database): Promise<void> {
  const nodes = await db.query<{ nodeId: string; beat: number }>(expireNodes);
  for (const { nodeId, beat } of nodes) await db.query(closeLanes, [nodeId, beat]);
  await db.execute(closeStrayLanes);
}
