/** The SQL of how a namespace checks its events. */
import { statement } from "../../foundation/database/index.ts";
import type { ValidationMode } from "./model.ts";

export interface SettingsRow {
  validation: ValidationMode;
  updatedAt: string;
  updatedBy: string | null;
}

export const readEventSettings = statement(
  "events.read_settings",
  `select s.validation, s.updated_at as "updatedAt", s.updated_by as "updatedBy"
   from event_processing_service.event_settings s where s.namespace = $1`,
);

export const saveEventSettings = statement(
  "events.save_settings",
  `insert into event_processing_service.event_settings as s (namespace, validation, updated_by) values ($1, $2, $3)
   on conflict (namespace) do update
   set validation = excluded.validation, updated_by = excluded.updated_by, updated_at = now(), revision = s.revision + 1
   returning s.validation, s.updated_at as "updatedAt", s.updated_by as "updatedBy"`,
);

export interface RevisionRow {
  namespace: string;
  validation: ValidationMode;
  /** Text, for it is a bigint; compared for being the same only. */
  revision: string;
}

/** How some namespaces check, and the revision of their definitions; none for those that never had any. */
export const readRevisions = statement(
  "events.read_revisions",
  `select s.namespace, s.validation, s.revision::text as revision
   from event_processing_service.event_settings s where s.namespace = any ($1::text[])`,
);
