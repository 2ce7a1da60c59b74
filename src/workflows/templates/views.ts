/** Templates as clients see them: the namespace's own rows, and those of the gallery. */
import type { Json } from "../../engine/index.ts";
import type { Builtin } from "./gallery/builtin.ts";
import type { SummaryRow, TemplateRow } from "./queries.ts";

export interface TemplateSummary {
  /** Of a built-in one its name. */
  id: string;
  name: string;
  version: string;
  description?: string;
  category?: string;
  isActive: boolean;
  builtin: boolean;
  namespace?: string;
  createdBy?: string;
  createdAt?: string;
  updatedAt?: string;
}

export interface TemplateView extends TemplateSummary {
  templateData: { [key: string]: Json };
  parameters: { [key: string]: Json };
}

export function summaryOf(row: SummaryRow): TemplateSummary {
  return {
    id: row.id,
    namespace: row.namespace,
    name: row.name,
    version: row.version,
    description: row.description ?? undefined,
    category: row.category ?? undefined,
    isActive: row.isActive,
    builtin: false,
    createdBy: row.createdBy ?? undefined,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
  };
}

export function viewOf(row: TemplateRow): TemplateView {
  return { ...summaryOf(row), templateData: row.templateData, parameters: row.parameters };
}

export function summaryOfBuiltin({ name, version, description, category }: Builtin): TemplateSummary {
  return { id: name, name, version, description, category, isActive: true, builtin: true };
}

export function viewOfBuiltin(builtin: Builtin): TemplateView {
  const { templateData, parameters } = builtin;
  return { ...summaryOfBuiltin(builtin), templateData, parameters };
}
