/** From rows to what clients and the engine see: absent fields are absent, not null. */
import type { Definition } from "../engine/index.ts";
import type { DefinitionStatus } from "./model.ts";
import type { DefinitionRow, SummaryRow } from "./queries.ts";

interface Identity {
  id: string;
  namespace: string;
  status: DefinitionStatus;
  /** Whether a start by workflowId alone runs this version. */
  latest: boolean;
  createdAt: string;
  updatedAt: string;
}

export type DefinitionView = Definition & Identity;
export type DefinitionSummary = Identity &
  Pick<Definition, "workflowId" | "name" | "version" | "description" | "createdBy" | "templateId">;

export function summaryOf(row: SummaryRow): DefinitionSummary {
  return {
    id: row.id,
    namespace: row.namespace,
    workflowId: row.workflowId,
    version: row.version,
    name: row.name,
    description: row.description ?? undefined,
    status: row.status,
    latest: row.latest,
    createdBy: row.createdBy ?? undefined,
    templateId: row.templateId ?? undefined,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
  };
}

/** The columns hold what the validator admitted, so they are taken at their word. */
export function viewOf(row: DefinitionRow): DefinitionView {
  const content = {
    steps: row.steps,
    inputSchema: row.inputSchema,
    outputSchema: row.outputSchema,
    output: row.output,
    variables: row.variables,
    compensationSteps: row.compensationSteps,
    compensateOnFailure: row.compensateOnFailure,
    cancellationTriggers: row.cancellationTriggers,
    timeout: row.timeout,
    retryPolicy: row.retryPolicy,
    concurrency: row.concurrency,
    retention: row.retention,
    uiComponents: row.uiComponents,
    executionLog: row.executionLog,
  };
  const fields: [string, unknown][] = Object.entries({ ...summaryOf(row), ...content });
  const present: Record<string, unknown> = Object.fromEntries(
    fields.filter(([, value]) => value !== null && value !== undefined),
  );
  return present as DefinitionView & Record<string, unknown>;
}
