/** The SQL of event definitions. */
import type { Json } from "../../engine/index.ts";
import { type Db, statement } from "../../foundation/database/index.ts";
import type { SourceType } from "../source.ts";
import type { DefinitionStatus } from "./model.ts";

export interface DefinitionRow {
  id: string;
  namespace: string;
  eventId: string;
  name: string;
  description: string | null;
  pattern: string;
  version: string;
  sourceTypes: SourceType[] | null;
  payloadSchema: Json;
  examples: Json[];
  uiMetadata: { [key: string]: Json } | null;
  status: DefinitionStatus;
  createdBy: string | null;
  createdAt: string;
  updatedAt: string;
}

const columns = `d.id, d.namespace, d.event_id as "eventId", d.name, d.description, d.pattern, d.version,
  d.source_types as "sourceTypes", d.payload_schema as "payloadSchema", d.examples, d.ui_metadata as "uiMetadata", d.status,
  d.created_by as "createdBy", d.created_at as "createdAt", d.updated_at as "updatedAt"`;

/** Lets changes of a namespace's definitions follow one another until the transaction ends, and tells the intake of them. */
export const touchNamespace = statement(
  "events.touch_definitions",
  `insert into event_processing_service.event_settings (namespace) values ($1)
   on conflict (namespace) do update set revision = event_settings.revision + 1`,
);

export const insertDefinition = statement(
  "events.insert_definition",
  `insert into event_processing_service.event_definitions
     (id, namespace, event_id, name, description, pattern, version, version_order, source_types, payload_schema, examples,
      ui_metadata, status, created_by)
   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
);

export const readDefinition = statement(
  "events.read_definition",
  `select ${columns} from event_processing_service.event_definitions d where d.id = $2 and d.namespace = $1`,
);

export const readDefinitionVersion = statement(
  "events.read_definition_version",
  `select ${columns} from event_processing_service.event_definitions d
   where d.namespace = $1 and d.event_id = $2 and d.version_order = $3`,
);

/** The highest version of an eventId; an active one before all others. */
export const readDefinitionByEventId = statement(
  "events.read_definition_by_event_id",
  `select d.* from (
     (select 1 as place, ${columns} from event_processing_service.event_definitions d
      where d.namespace = $1 and d.event_id = $2 and d.status = 'active' order by d.version_order desc limit 1)
     union all
     (select 2, ${columns} from event_processing_service.event_definitions d
      where d.namespace = $1 and d.event_id = $2 order by d.version_order desc limit 1)) d
   order by d.place limit 1`,
);

export const readHighestDefinition = statement(
  "events.read_highest_definition",
  `select ${columns} from event_processing_service.event_definitions d
   where d.namespace = $1 and d.event_id = $2 order by d.version_order desc limit 1`,
);

/** Another eventId whose active definitions describe the events of a name. */
export const readOwnerOfPattern = statement(
  "events.read_owner_of_pattern",
  `select d.event_id as "eventId" from event_processing_service.event_definitions d
   where d.namespace = $1 and d.pattern = $2 and d.status = 'active' and d.event_id <> $3 limit 1`,
);

export const changeDefinition = statement(
  "events.change_definition",
  `update event_processing_service.event_definitions
   set name = $3, description = $4, examples = $5, ui_metadata = $6, status = $7, updated_at = now()
   where id = $2 and namespace = $1`,
);

export const deleteDefinition = statement(
  "events.delete_definition",
  "delete from event_processing_service.event_definitions where id = $2 and namespace = $1",
);

export interface LatestRow {
  id: string;
  pattern: string;
  version: string;
  sourceTypes: SourceType[] | null;
  payloadSchema: Json;
}

/** The latest active version of each of some names. */
export const readLatestOfNames = statement(
  "events.read_latest_of_names",
  `select l.id, l.pattern, l.version, l.source_types as "sourceTypes", l.payload_schema as "payloadSchema"
   from unnest($2::text[]) n (name)
   cross join lateral (
     select d.* from event_processing_service.event_definitions d
     where d.namespace = $1 and d.pattern = n.name and d.status = 'active'
     order by d.version_order desc limit 1) l`,
);

export interface ListFilter {
  namespace: string;
  eventId?: string;
  pattern?: string;
  status?: DefinitionStatus;
  sourceType?: SourceType;
  /** The id below which to go on. */
  before?: string;
  limit: number;
}

/** Newest first. The filters are the client's choice, so this list is assembled. */
export function listDefinitionRows(db: Db, filter: ListFilter): Promise<DefinitionRow[]> {
  const values: unknown[] = [filter.namespace];
  const bind = (value: unknown) => `$${values.push(value)}`;
  const where = ["d.namespace = $1"];
  if (filter.eventId !== undefined) where.push(`d.event_id = ${bind(filter.eventId)}`);
  if (filter.pattern !== undefined) where.push(`d.pattern = ${bind(filter.pattern)}`);
  if (filter.status !== undefined) where.push(`d.status = ${bind(filter.status)}`);
  if (filter.sourceType !== undefined)
    where.push(`(d.source_types is null or d.source_types ? ${bind(filter.sourceType)})`);
  if (filter.before !== undefined) where.push(`d.id < ${bind(filter.before)}::uuid`);
  const text = `select ${columns} from event_processing_service.event_definitions d
    where ${where.join(" and ")} order by d.id desc limit ${bind(filter.limit)}::int`;
  return db.unnamed<DefinitionRow>(text, values);
}
