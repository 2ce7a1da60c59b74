-- description: What definitions say of a whole workflow: its own retry, its concurrency limits, how long its instances are kept
-- breaking: false

alter table workflow_orchestrator_service.workflow_definitions
  add column retry_policy jsonb,
  -- A list of { limit, key }.
  add column concurrency jsonb,
  -- A number of milliseconds or an ISO 8601 duration, as it was written.
  add column retention jsonb;
