/** Event definitions as clients see them. */
import type { Json } from "../../engine/index.ts";
import type { SourceType } from "../source.ts";
import type { DefinitionStatus } from "./model.ts";
import type { DefinitionRow } from "./queries.ts";

export interface DefinitionView {
  id: string;
  namespace: string;
  eventId: string;
  name: string;
  description?: string;
  pattern: string;
  version: string;
  sourceTypes?: SourceType[];
  payloadSchema?: Json;
  examples: Json[];
  uiMetadata?: { [key: string]: Json };
  status: DefinitionStatus;
  createdBy?: string;
  createdAt: string;
  updatedAt: string;
}

export function viewOf(row: DefinitionRow): DefinitionView {
  return {
    id: row.id,
    namespace: row.namespace,
    eventId: row.eventId,
    name: row.name,
    description: row.description ?? undefined,
    pattern: row.pattern,
    version: row.version,
    sourceTypes: row.sourceTypes ?? undefined,
    payloadSchema: row.payloadSchema ?? undefined,
    examples: row.examples,
    uiMetadata: row.uiMetadata ?? undefined,
    status: row.status,
    createdBy: row.createdBy ?? undefined,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
  };
}
