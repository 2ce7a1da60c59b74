/** The SQL of definitions. Changes assume that the transaction holds the head row (`lockHead`). */
import type { Json } from "../engine/index.ts";
import { type Db, statement } from "../foundation/database/index.ts";
import type { DefinitionStatus, VisibleStatus } from "./model.ts";

export interface SummaryRow {
  id: string;
  namespace: string;
  workflowId: string;
  name: string;
  description: string | null;
  version: string;
  status: DefinitionStatus;
  latest: boolean;
  createdBy: string | null;
  templateId: string | null;
  createdAt: string;
  updatedAt: string;
}

export interface DefinitionRow extends SummaryRow {
  steps: Json;
  inputSchema: Json;
  outputSchema: Json;
  output: Json;
  variables: Json;
  compensationSteps: Json;
  compensateOnFailure: boolean | null;
  cancellationTriggers: Json;
  timeout: Json;
  retryPolicy: Json;
  concurrency: Json;
  retention: Json;
  uiComponents: Json;
  executionLog: Json;
}

export interface VersionRow {
  id: string;
  version: string;
  status: DefinitionStatus;
  contentHash: string;
}

export interface ResolvedRow {
  id: string;
  workflowId: string;
  version: string;
  status: DefinitionStatus;
  revision: number;
}

export interface HeadRow {
  revision: number;
  definitionId: string | null;
}

const visible = "status in ('draft', 'active', 'deprecated')";

const summaryColumns = `d.id, d.namespace, d.workflow_id as "workflowId", d.name, d.description, d.version, d.status,
  coalesce(h.definition_id = d.id, false) as latest, d.created_by as "createdBy", d.template_id as "templateId",
  d.created_at as "createdAt", d.updated_at as "updatedAt"`;

const contentColumns = `d.steps, d.input_schema as "inputSchema", d.output_schema as "outputSchema", d.output, d.variables,
  d.compensation_steps as "compensationSteps", d.compensate_on_failure as "compensateOnFailure",
  d.cancellation_triggers as "cancellationTriggers", d.timeout, d.retry_policy as "retryPolicy", d.concurrency,
  d.retention, d.ui_components as "uiComponents", d.execution_log as "executionLog"`;

const withHead = `from workflow_orchestrator_service.workflow_definitions d
  left join workflow_orchestrator_service.workflow_heads h on h.namespace = d.namespace and h.workflow_id = d.workflow_id`;

/** Makes the head when there is none, and locks it until the transaction ends. */
export const lockHead = statement(
  "workflows.lock_head",
  `insert into workflow_orchestrator_service.workflow_heads as h (namespace, workflow_id) values ($1, $2)
   on conflict (namespace, workflow_id) do update set revision = h.revision
   returning h.revision, h.definition_id as "definitionId"`,
);

/** Points the head to the highest active version; the revision grows only when that is another row. */
export const moveHead = statement(
  "workflows.move_head",
  `with latest as (
     select (select id from workflow_orchestrator_service.workflow_definitions
             where namespace = $1 and workflow_id = $2 and ${visible} and status = 'active'
             order by version_order desc limit 1) as id)
   update workflow_orchestrator_service.workflow_heads h
   set revision = h.revision + 1, definition_id = latest.id
   from latest
   where h.namespace = $1 and h.workflow_id = $2 and h.definition_id is distinct from latest.id`,
);

export const findVersion = statement(
  "workflows.find_version",
  `select id, version, status, content_hash as "contentHash" from workflow_orchestrator_service.workflow_definitions
   where namespace = $1 and workflow_id = $2 and version_order = $3 and ${visible}`,
);

export const findHighestVersion = statement(
  "workflows.find_highest_version",
  `select id, version, status, content_hash as "contentHash" from workflow_orchestrator_service.workflow_definitions
   where namespace = $1 and workflow_id = $2 and ${visible}
   order by version_order desc limit 1`,
);

export const insertDefinition = statement(
  "workflows.insert_definition",
  `insert into workflow_orchestrator_service.workflow_definitions
     (id, namespace, workflow_id, name, description, version, version_order, status, steps, input_schema, output_schema, output,
      variables, compensation_steps, compensate_on_failure, cancellation_triggers, timeout, retry_policy, concurrency, retention,
      ui_components, execution_log, template_id, created_by, content_hash)
   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)`,
);

export const setStatus = statement(
  "workflows.set_definition_status",
  `update workflow_orchestrator_service.workflow_definitions set status = $2, updated_at = now() where id = $1`,
);

/** By id alone, whatever its status: what a started instance runs is found even after it was replaced. */
export const readDefinition = statement(
  "workflows.read_definition",
  `select ${summaryColumns}, ${contentColumns} ${withHead} where d.id = $1`,
);

export const resolveById = statement(
  "workflows.resolve_by_id",
  `select d.id, d.workflow_id as "workflowId", d.version, d.status, coalesce(h.revision, 0) as revision
   ${withHead} where d.id = $2 and d.namespace = $1 and d.status <> 'deleted'`,
);

export const resolveVersion = statement(
  "workflows.resolve_version",
  `select d.id, d.workflow_id as "workflowId", d.version, d.status, coalesce(h.revision, 0) as revision
   ${withHead} where d.namespace = $1 and d.workflow_id = $2 and d.version_order = $3 and d.${visible}`,
);

export const resolveLatest = statement(
  "workflows.resolve_latest",
  `select d.id, d.workflow_id as "workflowId", d.version, d.status, h.revision
   from workflow_orchestrator_service.workflow_heads h
   join workflow_orchestrator_service.workflow_definitions d on d.id = h.definition_id
   where h.namespace = $1 and h.workflow_id = $2`,
);

/** The versions of a workflow, highest first; `$3` is the order below which to go on, null for the first page. */
export const listVersionRows = statement(
  "workflows.list_versions",
  `select ${summaryColumns}, d.version_order as "versionOrder" ${withHead}
   where d.namespace = $1 and d.workflow_id = $2 and d.${visible} and ($3::text is null or d.version_order < $3)
   order by d.version_order desc limit $4`,
);

/** Of all versions that a client sees. Those that were replaced or deleted had no instances. */
export const listVersionIds = statement(
  "workflows.list_version_ids",
  `select id from workflow_orchestrator_service.workflow_definitions
   where namespace = $1 and workflow_id = $2 and ${visible}`,
);

export interface ListFilter {
  namespace: string;
  workflowId?: string;
  statuses?: readonly VisibleStatus[];
  /** A part of the name, in any case. */
  name?: string;
  /** Only the latest active version of each workflow. */
  latest?: boolean;
  /** The id below which to go on. */
  before?: string;
  limit: number;
}

/** Newest first. The filters are the client's choice, so this list is assembled. */
export function listDefinitionRows(db: Db, filter: ListFilter): Promise<SummaryRow[]> {
  const values: unknown[] = [filter.namespace];
  const bind = (value: unknown) => `$${values.push(value)}`;
  const where = ["d.namespace = $1", `d.${visible}`];
  if (filter.workflowId !== undefined) where.push(`d.workflow_id = ${bind(filter.workflowId)}`);
  if (filter.statuses !== undefined) where.push(`d.status = any(${bind(filter.statuses)}::text[])`);
  if (filter.name !== undefined) where.push(`d.name ilike ${bind(`%${filter.name.replace(/[\\%_]/g, "\\$&")}%`)}`);
  if (filter.latest === true) where.push("h.definition_id = d.id");
  if (filter.before !== undefined) where.push(`d.id < ${bind(filter.before)}::uuid`);
  const text = `select ${summaryColumns} ${withHead}
    where ${where.join(" and ")} order by d.id desc limit ${bind(filter.limit)}::int`;
  return db.unnamed<SummaryRow>(text, values);
}
