-- The function goes back to what the migration before it made.
create or replace function workflow_orchestrator_service.heads_are_stale(heads jsonb) returns boolean
language sql stable as $$ select false $$;
drop table workflow_orchestrator_service.workflow_heads;
drop table workflow_orchestrator_service.workflow_definitions;
