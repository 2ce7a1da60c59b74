drop schema if exists workflow_orchestrator_service cascade;
drop schema if exists cluster cascade;
drop schema if exists audit cascade;
