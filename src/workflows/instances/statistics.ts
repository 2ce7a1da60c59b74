/** What the engine counted of one version, or of all versions of a workflow. */
import type { DefinitionStatistics } from "../../engine/index.ts";
import { getDefinition, type Reference, versionIds } from "../read.ts";
import type { Instances } from "./operations.ts";

export interface StatisticsView extends DefinitionStatistics {
  workflowId: string;
  /** Absent: all versions together. */
  definitionId?: string;
  version?: string;
}

/** By a version's id, or a workflowId and a version: that one. By a workflowId alone: all versions. */
export async function readStatistics(
  { db, engine }: Pick<Instances, "db" | "engine">,
  reference: Reference,
): Promise<StatisticsView> {
  const { id, workflowId, version } = await getDefinition(db, reference);
  const ofOne = reference.version !== undefined || reference.ref.toLowerCase() === id;
  const { namespace } = reference;
  const definitionIds = ofOne ? [id] : await versionIds(db, { namespace, workflowId });
  const counts = await engine.statistics({ definitionIds });
  return { workflowId, ...(ofOne && { definitionId: id, version }), ...counts };
}
