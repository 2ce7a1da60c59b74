-- description: Workflow templates, from which definitions are made
-- breaking: false

-- Document 000's table. The templates that come with the program are code and have no rows here. A row's content
-- (template_data, parameters) never changes, for definitions name the template that they came from.
create table workflow_orchestrator_service.workflow_templates (
  id uuid primary key,
  namespace text not null default 'default',
  -- By which it is referred to; all versions have it in common.
  name varchar(255) not null,
  description text,
  category varchar(100),
  version varchar(50) not null,
  -- The version as text whose order by bytes is the order of versions; two versions never have the same.
  version_order text collate "C" not null,
  -- A definition with placeholders in its texts.
  template_data jsonb not null,
  -- A JSON Schema whose properties are the parameters.
  parameters jsonb not null,
  is_active boolean not null default true,
  created_by varchar(255),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
-- One row per version. Serves a version by its number, and the highest of a name.
create unique index workflow_templates_version_key
  on workflow_orchestrator_service.workflow_templates (namespace, name, version_order);
-- Serves the list of a namespace, newest first (the ids are in order of time).
create index workflow_templates_namespace_idx
  on workflow_orchestrator_service.workflow_templates (namespace, id);
