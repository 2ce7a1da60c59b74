/** The SQL of templates. */
import type { Json } from "../../engine/index.ts";
import { type Db, statement } from "../../foundation/database/index.ts";

export interface SummaryRow {
  id: string;
  namespace: string;
  name: string;
  description: string | null;
  category: string | null;
  version: string;
  isActive: boolean;
  createdBy: string | null;
  createdAt: string;
  updatedAt: string;
}

export interface TemplateRow extends SummaryRow {
  templateData: { [key: string]: Json };
  parameters: { [key: string]: Json };
}

const summaryColumns = `t.id, t.namespace, t.name, t.description, t.category, t.version, t.is_active as "isActive",
  t.created_by as "createdBy", t.created_at as "createdAt", t.updated_at as "updatedAt"`;

const columns = `${summaryColumns}, t.template_data as "templateData", t.parameters`;

/** Lets changes of one name follow one another until the transaction ends; one name per transaction. */
export const lockName = statement(
  "workflows.lock_template_name",
  "select pg_advisory_xact_lock(hashtextextended('workflow_templates ' || $1 || ' ' || $2, 0))",
);

export const insertTemplate = statement(
  "workflows.insert_template",
  `insert into workflow_orchestrator_service.workflow_templates
     (id, namespace, name, description, category, version, version_order, template_data, parameters, is_active, created_by)
   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
);

export const readTemplate = statement(
  "workflows.read_template",
  `select ${columns} from workflow_orchestrator_service.workflow_templates t where t.id = $2 and t.namespace = $1`,
);

export const readTemplateVersion = statement(
  "workflows.read_template_version",
  `select ${columns} from workflow_orchestrator_service.workflow_templates t
   where t.namespace = $1 and t.name = $2 and t.version_order = $3`,
);

/** The highest version of a name; an active one before all others. */
export const readTemplateByName = statement(
  "workflows.read_template_by_name",
  `select ${columns} from workflow_orchestrator_service.workflow_templates t
   where t.namespace = $1 and t.name = $2
   order by t.is_active desc, t.version_order desc limit 1`,
);

export const readHighestTemplate = statement(
  "workflows.read_highest_template",
  `select ${columns} from workflow_orchestrator_service.workflow_templates t
   where t.namespace = $1 and t.name = $2
   order by t.version_order desc limit 1`,
);

export const changeTemplate = statement(
  "workflows.change_template",
  `update workflow_orchestrator_service.workflow_templates
   set description = $3, category = $4, is_active = $5, updated_at = now()
   where id = $2 and namespace = $1`,
);

export const deleteTemplate = statement(
  "workflows.delete_template",
  "delete from workflow_orchestrator_service.workflow_templates where id = $2 and namespace = $1",
);

export interface ListFilter {
  namespace: string;
  category?: string;
  active?: boolean;
  /** A part of the name, in any case. */
  name?: string;
  /** The id below which to go on. */
  before?: string;
  limit: number;
}

/** Newest first. The filters are the client's choice, so this list is assembled. */
export function listTemplateRows(db: Db, filter: ListFilter): Promise<SummaryRow[]> {
  const values: unknown[] = [filter.namespace];
  const bind = (value: unknown) => `$${values.push(value)}`;
  const where = ["t.namespace = $1"];
  if (filter.category !== undefined) where.push(`t.category = ${bind(filter.category)}`);
  if (filter.active !== undefined) where.push(`t.is_active = ${bind(filter.active)}`);
  if (filter.name !== undefined) where.push(`t.name ilike ${bind(`%${filter.name.replace(/[\\%_]/g, "\\$&")}%`)}`);
  if (filter.before !== undefined) where.push(`t.id < ${bind(filter.before)}::uuid`);
  const text = `select ${summaryColumns} from workflow_orchestrator_service.workflow_templates t
    where ${where.join(" and ")} order by t.id desc limit ${bind(filter.limit)}::int`;
  return db.unnamed<SummaryRow>(text, values);
}
