alter table workflow_orchestrator_service.workflow_definitions
  drop column retry_policy,
  drop column concurrency,
  drop column retention;
