-- The schema after all migrations, read from the catalogs of a freshly migrated database. Not meant to be run.
-- Made by `npm run db:snapshot`; a test compares it with what the migrations make.

create schema audit;
create schema auth_service;
create schema cluster;
create schema event_processing_service;
create schema public;
create schema workflow_orchestrator_service;

create table audit.fsm_transitions (
  id bigint not null generated always as identity,
  shard smallint not null,
  namespace text not null,
  entity_id uuid not null,
  entity_type character varying(100) not null,
  from_state character varying(50),
  to_state character varying(50) not null,
  transition_event character varying(100) not null,
  transition_data jsonb,
  created_at timestamp with time zone not null default clock_timestamp()
) partition by RANGE (created_at);
CREATE INDEX fsm_transitions_created_idx ON ONLY audit.fsm_transitions USING brin (created_at);
CREATE INDEX fsm_transitions_entity_idx ON ONLY audit.fsm_transitions USING btree (shard, entity_id, created_at);

create table auth_service.api_keys (
  id uuid not null,
  name character varying(255) not null,
  key_hash bytea not null,
  permissions text[] not null default '{}'::text[],
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone,
  constraint api_keys_pkey PRIMARY KEY (id),
  constraint api_keys_key_hash_check CHECK ((octet_length(key_hash) = 32))
);
CREATE UNIQUE INDEX api_keys_hash_idx ON auth_service.api_keys USING btree (key_hash);
CREATE UNIQUE INDEX api_keys_name_idx ON auth_service.api_keys USING btree (name) WHERE (revoked_at IS NULL);

create table cluster.cluster_settings (
  only_row boolean not null default true,
  shards smallint not null,
  created_at timestamp with time zone not null default now(),
  constraint cluster_settings_pkey PRIMARY KEY (only_row),
  constraint cluster_settings_only_row_check CHECK (only_row),
  constraint cluster_settings_shards_check CHECK (((shards >= 1) AND (shards <= 1024)))
);

create table cluster.flush_marks (
  lane_id uuid not null,
  seq bigint not null,
  constraint flush_marks_pkey PRIMARY KEY (lane_id, seq)
);

create table cluster.lanes (
  lane_id uuid not null,
  node_id character varying(255) not null,
  opened_at timestamp with time zone not null default now(),
  closed_at timestamp with time zone,
  constraint lanes_pkey PRIMARY KEY (lane_id)
) with (fillfactor=50);
CREATE INDEX lanes_open_idx ON cluster.lanes USING btree (node_id) WHERE (closed_at IS NULL);

create table cluster.node_registrations (
  node_id character varying(255) not null,
  node_type character varying(100) not null,
  node_version character varying(50) not null,
  capabilities jsonb not null default '{}'::jsonb,
  endpoints jsonb not null default '{}'::jsonb,
  metadata jsonb not null default '{}'::jsonb,
  health_status character varying(50) not null default 'UNKNOWN'::character varying,
  last_heartbeat timestamp with time zone,
  registered_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  beat bigint not null default 0,
  expires_at timestamp with time zone not null default now(),
  draining boolean not null default false,
  constraint node_registrations_pkey PRIMARY KEY (node_id),
  constraint node_registrations_health_status_check CHECK (((health_status)::text = ANY ((ARRAY['HEALTHY'::character varying, 'DEGRADED'::character varying, 'UNHEALTHY'::character varying, 'UNKNOWN'::character varying, 'OFFLINE'::character varying])::text[])))
) with (fillfactor=50);
CREATE INDEX node_registrations_type_health_idx ON cluster.node_registrations USING btree (node_type, health_status);

create table cluster.shard_leases (
  shard smallint not null,
  lane_id uuid,
  epoch integer not null default 0,
  changed_at timestamp with time zone not null default now(),
  takeovers smallint not null default 0,
  taken_over_at timestamp with time zone,
  folding uuid,
  suspect uuid,
  constraint shard_leases_pkey PRIMARY KEY (shard)
) with (fillfactor=50);

create table event_processing_service.dead_letter_queue (
  id uuid not null,
  namespace text not null,
  event_id character varying(255),
  event_instance_id uuid,
  subscriber_id character varying(255) not null,
  delivery_id uuid,
  original_event jsonb not null,
  error_message text not null,
  error_type character varying(100) not null,
  error_code character varying(100) not null,
  error_stack_trace text,
  error_context jsonb,
  retry_history jsonb not null default '[]'::jsonb,
  retry_count integer not null default 0,
  max_retries integer not null default 0,
  status character varying(20) not null default 'pending'::character varying,
  resolution_timestamp timestamp with time zone,
  resolution_strategy character varying(30),
  resolved_by character varying(255),
  resolution_notes text,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  constraint dead_letter_queue_pkey PRIMARY KEY (id),
  constraint dead_letter_queue_resolution_strategy_check CHECK (((resolution_strategy)::text = ANY ((ARRAY['automatic_retry'::character varying, 'manual_retry'::character varying, 'manual_resolution'::character varying, 'discard'::character varying])::text[]))),
  constraint dead_letter_queue_status_check CHECK (((status)::text = ANY ((ARRAY['pending'::character varying, 'reprocessing'::character varying, 'resolved'::character varying, 'discarded'::character varying])::text[])))
) with (fillfactor=80);
CREATE INDEX dead_letter_queue_delivery_idx ON event_processing_service.dead_letter_queue USING btree (delivery_id) WHERE (delivery_id IS NOT NULL);
CREATE INDEX dead_letter_queue_ended_idx ON event_processing_service.dead_letter_queue USING btree (updated_at) WHERE ((status)::text = ANY ((ARRAY['resolved'::character varying, 'discarded'::character varying])::text[]));
CREATE INDEX dead_letter_queue_event_idx ON event_processing_service.dead_letter_queue USING btree (event_instance_id);
CREATE UNIQUE INDEX dead_letter_queue_intake_key ON event_processing_service.dead_letter_queue USING btree (namespace, event_id, COALESCE((original_event ->> 'sourceKey'::text), ''::text)) WHERE ((subscriber_id)::text = 'intake'::text);
CREATE INDEX dead_letter_queue_namespace_idx ON event_processing_service.dead_letter_queue USING btree (namespace, id);
CREATE INDEX dead_letter_queue_status_idx ON event_processing_service.dead_letter_queue USING btree (namespace, status, id);
CREATE INDEX dead_letter_queue_subscriber_idx ON event_processing_service.dead_letter_queue USING btree (namespace, subscriber_id, id);
CREATE INDEX dead_letter_queue_trigger_idx ON event_processing_service.dead_letter_queue USING btree (updated_at) WHERE (((status)::text = 'pending'::text) AND ((subscriber_id)::text ~~ 'trigger:%'::text) AND (retry_count < 5));

create table event_processing_service.dead_letter_reprocessings (
  id uuid not null,
  namespace text not null,
  filter jsonb not null,
  batch_size integer not null,
  concurrency integer not null,
  status character varying(20) not null default 'running'::character varying,
  requested_by text not null,
  matched bigint not null,
  done bigint not null default 0,
  succeeded bigint not null default 0,
  failed bigint not null default 0,
  failures jsonb not null default '[]'::jsonb,
  cursor uuid,
  claimed_by uuid,
  claimed_until timestamp with time zone,
  created_at timestamp with time zone not null default now(),
  completed_at timestamp with time zone,
  constraint dead_letter_reprocessings_pkey PRIMARY KEY (id),
  constraint dead_letter_reprocessings_batch_size_check CHECK (((batch_size >= 1) AND (batch_size <= 500))),
  constraint dead_letter_reprocessings_concurrency_check CHECK (((concurrency >= 1) AND (concurrency <= 50))),
  constraint dead_letter_reprocessings_status_check CHECK (((status)::text = ANY ((ARRAY['running'::character varying, 'completed'::character varying, 'cancelled'::character varying])::text[])))
);
CREATE INDEX dead_letter_reprocessings_completed_idx ON event_processing_service.dead_letter_reprocessings USING btree (completed_at) WHERE (completed_at IS NOT NULL);
CREATE INDEX dead_letter_reprocessings_namespace_idx ON event_processing_service.dead_letter_reprocessings USING btree (namespace, id);
CREATE INDEX dead_letter_reprocessings_open_idx ON event_processing_service.dead_letter_reprocessings USING btree (id) WHERE ((status)::text = 'running'::text);

create table event_processing_service.event_definitions (
  id uuid not null,
  namespace text not null default 'default'::text,
  event_id character varying(255) not null,
  name character varying(255) not null,
  description text,
  pattern character varying(255) not null,
  version character varying(50) not null,
  version_order text not null,
  source_types jsonb,
  payload_schema jsonb,
  examples jsonb not null default '[]'::jsonb,
  ui_metadata jsonb,
  status character varying(50) not null,
  created_by character varying(255),
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  constraint event_definitions_pkey PRIMARY KEY (id),
  constraint event_definitions_status_check CHECK (((status)::text = ANY ((ARRAY['active'::character varying, 'deprecated'::character varying, 'draft'::character varying])::text[])))
);
CREATE INDEX event_definitions_namespace_idx ON event_processing_service.event_definitions USING btree (namespace, id);
CREATE INDEX event_definitions_pattern_idx ON event_processing_service.event_definitions USING btree (namespace, pattern, version_order) WHERE ((status)::text = 'active'::text);
CREATE UNIQUE INDEX event_definitions_version_key ON event_processing_service.event_definitions USING btree (namespace, event_id, version_order);

create table event_processing_service.event_deliveries (
  id uuid not null,
  shard smallint not null,
  namespace text not null,
  event_id uuid not null,
  subscription_id uuid not null,
  replay_id uuid,
  status character varying(20) not null default 'pending'::character varying,
  attempts integer not null default 0,
  next_attempt_at timestamp with time zone not null default now(),
  claimed_by text,
  claimed_until timestamp with time zone,
  history jsonb not null default '[]'::jsonb,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  completed_at timestamp with time zone,
  payload jsonb,
  constraint event_deliveries_pkey PRIMARY KEY (id),
  constraint event_deliveries_status_check CHECK (((status)::text = ANY ((ARRAY['pending'::character varying, 'delivered'::character varying, 'failed'::character varying, 'cancelled'::character varying])::text[])))
) with (fillfactor=80);
CREATE INDEX event_deliveries_claimed_idx ON event_processing_service.event_deliveries USING btree (subscription_id) WHERE (claimed_until IS NOT NULL);
CREATE INDEX event_deliveries_completed_idx ON event_processing_service.event_deliveries USING btree (completed_at) WHERE (completed_at IS NOT NULL);
CREATE INDEX event_deliveries_event_idx ON event_processing_service.event_deliveries USING btree (event_id);
CREATE INDEX event_deliveries_open_idx ON event_processing_service.event_deliveries USING btree (subscription_id, next_attempt_at, id) WHERE ((status)::text = 'pending'::text);
CREATE INDEX event_deliveries_subscription_idx ON event_processing_service.event_deliveries USING btree (subscription_id, id);

create table event_processing_service.event_instances (
  shard smallint not null,
  id uuid not null,
  namespace text not null,
  event_id character varying(255) not null,
  pattern character varying(255) not null,
  version character varying(50),
  source jsonb,
  source_key character varying(1024),
  "timestamp" timestamp with time zone not null,
  payload jsonb not null,
  metadata jsonb not null default '{}'::jsonb,
  partition_key character varying(255),
  accepted_at timestamp with time zone not null default now(),
  keys_revision bigint not null default 0,
  constraint event_instances_pkey PRIMARY KEY (shard, id)
) partition by RANGE (id);
CREATE INDEX event_instances_causation_idx ON ONLY event_processing_service.event_instances USING btree (namespace, ((metadata ->> 'causationId'::text)), id) WHERE (metadata ? 'causationId'::text);
CREATE INDEX event_instances_correlation_idx ON ONLY event_processing_service.event_instances USING btree (namespace, ((metadata ->> 'correlationId'::text)), id) WHERE (metadata ? 'correlationId'::text);
CREATE INDEX event_instances_event_id_idx ON ONLY event_processing_service.event_instances USING btree (namespace, event_id) WHERE ((event_id)::text <> (id)::text);
CREATE INDEX event_instances_namespace_idx ON ONLY event_processing_service.event_instances USING btree (namespace, id);
CREATE INDEX event_instances_pattern_idx ON ONLY event_processing_service.event_instances USING btree (namespace, pattern, id);
CREATE INDEX event_instances_source_idx ON ONLY event_processing_service.event_instances USING btree (namespace, source_key, id) WHERE (source_key IS NOT NULL);

create table event_processing_service.event_keys (
  shard smallint not null,
  namespace text not null,
  source_key character varying(1024) not null,
  event_id character varying(255) not null,
  id uuid not null,
  accepted_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  constraint event_keys_pkey PRIMARY KEY (shard, namespace, source_key, event_id)
);
CREATE INDEX event_keys_expires_idx ON event_processing_service.event_keys USING btree (expires_at);

create table event_processing_service.event_match_keys (
  namespace text not null,
  match_key text not null,
  id uuid not null,
  shard smallint not null,
  constraint event_match_keys_pkey PRIMARY KEY (namespace, match_key, id)
) partition by RANGE (id);

create table event_processing_service.event_queue_state (
  id character varying(255) not null,
  status character varying(20) not null default 'active'::character varying,
  config jsonb not null,
  queue_metrics jsonb not null default '{"totalErrors": 0, "totalProcessed": 0, "avgProcessingTimeMs": 0}'::jsonb,
  checkpoint_id character varying(255),
  counted_until uuid not null,
  sampled_at timestamp with time zone not null default now(),
  sampled_accepted bigint not null default 0,
  sampled_processed bigint not null default 0,
  rates jsonb not null default '{"acceptedPerSecond": 0, "processedPerSecond": 0}'::jsonb,
  changed_by text,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  constraint event_queue_state_pkey PRIMARY KEY (id),
  constraint event_queue_state_status_check CHECK (((status)::text = ANY ((ARRAY['active'::character varying, 'paused'::character varying, 'draining'::character varying])::text[])))
) with (fillfactor=50);

create table event_processing_service.event_replays (
  id uuid not null,
  namespace text not null,
  event_pattern character varying(255) not null,
  from_at timestamp with time zone not null,
  to_at timestamp with time zone not null,
  filter text,
  targets uuid[],
  only_missing boolean not null default false,
  status character varying(20) not null default 'running'::character varying,
  error text,
  requested_by text not null,
  found bigint not null default 0,
  replayed bigint not null default 0,
  cursor uuid,
  claimed_by uuid,
  claimed_until timestamp with time zone,
  created_at timestamp with time zone not null default now(),
  completed_at timestamp with time zone,
  constraint event_replays_pkey PRIMARY KEY (id),
  constraint event_replays_status_check CHECK (((status)::text = ANY ((ARRAY['running'::character varying, 'completed'::character varying, 'cancelled'::character varying, 'failed'::character varying])::text[])))
);
CREATE INDEX event_replays_completed_idx ON event_processing_service.event_replays USING btree (completed_at) WHERE (completed_at IS NOT NULL);
CREATE INDEX event_replays_namespace_idx ON event_processing_service.event_replays USING btree (namespace, id);
CREATE INDEX event_replays_open_idx ON event_processing_service.event_replays USING btree (id) WHERE ((status)::text = 'running'::text);

create table event_processing_service.event_routings (
  shard smallint not null,
  event_id uuid not null,
  replay_id uuid not null default '00000000-0000-0000-0000-000000000000'::uuid,
  namespace text not null,
  decisions jsonb not null,
  routed_at timestamp with time zone not null default now(),
  constraint event_routings_pkey PRIMARY KEY (shard, event_id, replay_id)
) partition by RANGE (event_id);

create table event_processing_service.event_sequence_events (
  id uuid not null,
  sequence_id uuid not null,
  "position" integer not null,
  "order" integer not null,
  required boolean not null,
  wait_for_instances boolean not null default false,
  status character varying(20) not null default 'pending'::character varying,
  event_id uuid,
  given boolean not null,
  body jsonb,
  retries integer not null default 0,
  replay_id uuid,
  waiting_for character varying(20),
  error jsonb,
  published_at timestamp with time zone,
  processing_timestamp timestamp with time zone,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  constraint event_sequence_events_pkey PRIMARY KEY (id),
  constraint event_sequence_events_check CHECK ((given = (body IS NULL))),
  constraint event_sequence_events_check1 CHECK (((NOT given) OR (event_id IS NOT NULL))),
  constraint event_sequence_events_order_check CHECK (("order" >= 1)),
  constraint event_sequence_events_position_check CHECK (("position" >= 0)),
  constraint event_sequence_events_sequence_id_fkey FOREIGN KEY (sequence_id) REFERENCES event_processing_service.event_sequences(id) ON DELETE CASCADE,
  constraint event_sequence_events_sequence_id_order_position_key UNIQUE (sequence_id, "order", "position"),
  constraint event_sequence_events_status_check CHECK (((status)::text = ANY ((ARRAY['pending'::character varying, 'published'::character varying, 'processed'::character varying, 'failed'::character varying, 'skipped'::character varying])::text[])))
) with (fillfactor=70);
CREATE INDEX event_sequence_events_event_idx ON event_processing_service.event_sequence_events USING btree (event_id) WHERE (event_id IS NOT NULL);

create table event_processing_service.event_sequences (
  id uuid not null,
  namespace text not null,
  sequence_id character varying(255) not null,
  name character varying(255) not null,
  description text,
  version character varying(50),
  status character varying(20) not null default 'created'::character varying,
  metadata jsonb not null default '{}'::jsonb,
  rollback_strategy jsonb,
  rollback jsonb,
  error jsonb,
  created_by text not null,
  request_hash text not null,
  revision integer not null default 0,
  claimed_by uuid,
  claimed_until timestamp with time zone,
  next_look_at timestamp with time zone not null default now(),
  progressed_at timestamp with time zone not null default now(),
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  started_at timestamp with time zone,
  completed_at timestamp with time zone,
  constraint event_sequences_pkey PRIMARY KEY (id),
  constraint event_sequences_namespace_sequence_id_key UNIQUE (namespace, sequence_id),
  constraint event_sequences_status_check CHECK (((status)::text = ANY ((ARRAY['created'::character varying, 'in_progress'::character varying, 'completed'::character varying, 'failed'::character varying, 'cancelled'::character varying])::text[])))
) with (fillfactor=70);
CREATE INDEX event_sequences_causation_idx ON event_processing_service.event_sequences USING btree (namespace, ((metadata ->> 'causationId'::text)), id) WHERE (metadata ? 'causationId'::text);
CREATE INDEX event_sequences_completed_idx ON event_processing_service.event_sequences USING btree (completed_at) WHERE (completed_at IS NOT NULL);
CREATE INDEX event_sequences_correlation_idx ON event_processing_service.event_sequences USING btree (namespace, ((metadata ->> 'correlationId'::text)), id) WHERE (metadata ? 'correlationId'::text);
CREATE INDEX event_sequences_due_idx ON event_processing_service.event_sequences USING btree (next_look_at, id) WHERE ((status)::text = 'in_progress'::text);
CREATE INDEX event_sequences_namespace_idx ON event_processing_service.event_sequences USING btree (namespace, id);
CREATE INDEX event_sequences_status_idx ON event_processing_service.event_sequences USING btree (namespace, status, id);

create table event_processing_service.event_settings (
  namespace text not null,
  validation character varying(20) not null default 'open'::character varying,
  revision bigint not null default 1,
  updated_at timestamp with time zone not null default now(),
  updated_by character varying(255),
  constraint event_settings_pkey PRIMARY KEY (namespace),
  constraint event_settings_validation_check CHECK (((validation)::text = ANY ((ARRAY['open'::character varying, 'strict'::character varying, 'lenient'::character varying])::text[])))
) with (fillfactor=70);

create table event_processing_service.event_subscriptions (
  id uuid not null,
  namespace text not null,
  name character varying(255),
  event_pattern character varying(255) not null,
  subscriber_type character varying(20) not null,
  endpoint character varying(2048),
  handler character varying(255),
  headers jsonb not null default '{}'::jsonb,
  authentication jsonb,
  secrets jsonb not null default '[]'::jsonb,
  filter text,
  retry_policy jsonb not null,
  timeout_ms integer not null,
  max_concurrency integer not null,
  disable_after_ms bigint,
  description text,
  status character varying(20) not null default 'active'::character varying,
  status_reason text,
  failing_since timestamp with time zone,
  last_delivered_at timestamp with time zone,
  disabled_at timestamp with time zone,
  missed_since timestamp with time zone,
  routing_revision bigint not null,
  created_by text not null,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  constraint event_subscriptions_pkey PRIMARY KEY (id),
  constraint event_subscriptions_check CHECK ((((subscriber_type)::text = 'webhook'::text) = (endpoint IS NOT NULL))),
  constraint event_subscriptions_check1 CHECK ((((subscriber_type)::text = 'handler'::text) = (handler IS NOT NULL))),
  constraint event_subscriptions_disable_after_ms_check CHECK ((disable_after_ms > 0)),
  constraint event_subscriptions_max_concurrency_check CHECK (((max_concurrency >= 1) AND (max_concurrency <= 1000))),
  constraint event_subscriptions_status_check CHECK (((status)::text = ANY ((ARRAY['active'::character varying, 'suspended'::character varying, 'disabled'::character varying, 'deleted'::character varying])::text[]))),
  constraint event_subscriptions_subscriber_type_check CHECK (((subscriber_type)::text = ANY ((ARRAY['webhook'::character varying, 'handler'::character varying])::text[]))),
  constraint event_subscriptions_timeout_ms_check CHECK (((timeout_ms >= 1) AND (timeout_ms <= 300000)))
) with (fillfactor=80);
CREATE UNIQUE INDEX event_subscriptions_name_idx ON event_processing_service.event_subscriptions USING btree (namespace, name) WHERE ((name IS NOT NULL) AND ((status)::text <> 'deleted'::text));
CREATE INDEX event_subscriptions_namespace_idx ON event_processing_service.event_subscriptions USING btree (namespace, id);
CREATE INDEX event_subscriptions_revision_idx ON event_processing_service.event_subscriptions USING btree (routing_revision);

create table event_processing_service.event_wait_shapes (
  namespace text not null,
  pattern character varying(255) not null,
  paths text[] not null default '{}'::text[],
  revision bigint not null default 0,
  registered_at timestamp with time zone not null default clock_timestamp(),
  constraint event_wait_shapes_pkey PRIMARY KEY (namespace, pattern, paths)
);

create table event_processing_service.look_back_floors (
  shard smallint not null,
  floor timestamp with time zone not null,
  constraint look_back_floors_pkey PRIMARY KEY (shard)
) with (fillfactor=50);

create table event_processing_service.queue_checkpoints (
  id uuid not null,
  queue_id character varying(255) not null,
  checkpoint_id character varying(255),
  event_count bigint not null,
  reason character varying(20) not null,
  created_at timestamp with time zone not null default now(),
  constraint queue_checkpoints_pkey PRIMARY KEY (id),
  constraint queue_checkpoints_queue_id_fkey FOREIGN KEY (queue_id) REFERENCES event_processing_service.event_queue_state(id) ON DELETE CASCADE,
  constraint queue_checkpoints_reason_check CHECK (((reason)::text = ANY ((ARRAY['asked'::character varying, 'paused'::character varying, 'drained'::character varying, 'stopped'::character varying])::text[])))
);
CREATE INDEX queue_checkpoints_queue_idx ON event_processing_service.queue_checkpoints USING btree (queue_id, id);

create table event_processing_service.routing_revision (
  only_row boolean not null default true,
  revision bigint not null,
  constraint routing_revision_pkey PRIMARY KEY (only_row),
  constraint routing_revision_only_row_check CHECK (only_row)
) with (fillfactor=50);

create table public.schema_migrations (
  version character varying(50) not null,
  applied_at timestamp with time zone not null default now(),
  description text not null,
  checksum text not null,
  breaking boolean not null default false,
  constraint schema_migrations_pkey PRIMARY KEY (version)
);

create table workflow_orchestrator_service.bulk_operations (
  id uuid not null,
  namespace text not null,
  action character varying(20) not null,
  status character varying(20) not null default 'running'::character varying,
  filter jsonb,
  ids uuid[],
  parameters jsonb not null default '{}'::jsonb,
  requested_by text not null,
  matched bigint not null,
  cursor uuid,
  in_hand uuid[] not null default '{}'::uuid[],
  done bigint not null default 0,
  succeeded bigint not null default 0,
  failed bigint not null default 0,
  failures jsonb not null default '[]'::jsonb,
  claimed_by uuid,
  claimed_until timestamp with time zone,
  created_at timestamp with time zone not null default now(),
  completed_at timestamp with time zone,
  constraint bulk_operations_pkey PRIMARY KEY (id),
  constraint bulk_operations_action_check CHECK (((action)::text = ANY ((ARRAY['cancel'::character varying, 'pause'::character varying, 'resume'::character varying, 'retry'::character varying, 'restart'::character varying, 'priority'::character varying, 'skip'::character varying])::text[]))),
  constraint bulk_operations_check CHECK (((filter IS NULL) <> (ids IS NULL))),
  constraint bulk_operations_check1 CHECK ((done = (succeeded + failed))),
  constraint bulk_operations_matched_check CHECK ((matched >= 0)),
  constraint bulk_operations_status_check CHECK (((status)::text = ANY ((ARRAY['running'::character varying, 'completed'::character varying, 'cancelled'::character varying])::text[])))
);
CREATE INDEX bulk_operations_completed_idx ON workflow_orchestrator_service.bulk_operations USING btree (completed_at) WHERE (completed_at IS NOT NULL);
CREATE INDEX bulk_operations_namespace_idx ON workflow_orchestrator_service.bulk_operations USING btree (namespace, id);
CREATE INDEX bulk_operations_open_idx ON workflow_orchestrator_service.bulk_operations USING btree (id) WHERE ((status)::text = 'running'::text);

create table workflow_orchestrator_service.concurrency_permits (
  shard smallint not null,
  limit_id uuid not null,
  instance_id uuid not null,
  limit_key text not null,
  state character varying(10) not null,
  priority smallint not null,
  max_held integer not null,
  asked_at timestamp with time zone not null,
  changed_at timestamp with time zone not null default now(),
  constraint concurrency_permits_pkey PRIMARY KEY (shard, limit_id, instance_id),
  constraint concurrency_permits_state_check CHECK (((state)::text = ANY ((ARRAY['waiting'::character varying, 'held'::character varying])::text[])))
) with (fillfactor=70);
CREATE INDEX concurrency_permits_instance_idx ON workflow_orchestrator_service.concurrency_permits USING btree (instance_id);

create table workflow_orchestrator_service.definition_statistics (
  definition_id uuid not null,
  kind character varying(20) not null,
  step_id character varying(255) not null default ''::character varying,
  code character varying(100) not null default ''::character varying,
  bucket smallint not null default '-1'::integer,
  n bigint not null,
  since timestamp with time zone not null,
  constraint definition_statistics_pkey PRIMARY KEY (definition_id, kind, step_id, code, bucket)
) with (fillfactor=70);

create table workflow_orchestrator_service.definition_tallies (
  definition_id uuid not null,
  kind character varying(20) not null,
  step_id character varying(255),
  code character varying(100),
  bucket smallint,
  n integer not null,
  tallied_at timestamp with time zone not null,
  constraint definition_tallies_kind_check CHECK (((kind)::text = ANY ((ARRAY['started'::character varying, 'completed'::character varying, 'failed'::character varying, 'cancelled'::character varying, 'retried'::character varying, 'left'::character varying, 'joined'::character varying, 'failure'::character varying])::text[])))
);
CREATE INDEX definition_tallies_definition_idx ON workflow_orchestrator_service.definition_tallies USING btree (definition_id);

create table workflow_orchestrator_service.errands (
  runner text not null,
  id bigint not null generated always as identity,
  shard smallint not null,
  instance_id uuid not null,
  path text not null,
  step_id character varying(255) not null,
  task_id character varying(255) not null,
  attempt integer not null,
  input jsonb,
  timeout_ms bigint not null,
  created_at timestamp with time zone not null default now(),
  log jsonb,
  constraint errands_pkey PRIMARY KEY (runner, id)
);

create table workflow_orchestrator_service.execution_logs (
  shard smallint not null,
  instance_id uuid not null,
  id uuid not null,
  namespace text not null,
  level character varying(10) not null,
  message text not null,
  details jsonb,
  source character varying(50) not null,
  step_id character varying(255),
  path text,
  attempt integer,
  logged_at timestamp with time zone not null,
  recorded_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone,
  constraint execution_logs_pkey PRIMARY KEY (shard, instance_id, id, recorded_at),
  constraint execution_logs_level_check CHECK (((level)::text = ANY ((ARRAY['debug'::character varying, 'info'::character varying, 'warn'::character varying, 'error'::character varying])::text[])))
) partition by RANGE (recorded_at);
CREATE INDEX execution_logs_expires_idx ON ONLY workflow_orchestrator_service.execution_logs USING btree (expires_at) WHERE (expires_at IS NOT NULL);

create table workflow_orchestrator_service.idempotency_keys (
  shard smallint not null,
  namespace text not null,
  workflow_id character varying(255) not null,
  key character varying(255) not null,
  instance_id uuid not null,
  workflow_definition_id uuid not null,
  request_hash text not null,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone not null,
  constraint idempotency_keys_pkey PRIMARY KEY (shard, namespace, workflow_id, key)
);
CREATE INDEX idempotency_keys_expires_idx ON workflow_orchestrator_service.idempotency_keys USING btree (expires_at);

create table workflow_orchestrator_service.inbox (
  shard smallint not null,
  id bigint not null generated always as identity,
  kind text not null,
  from_shard smallint,
  message_id uuid,
  instance_id uuid not null,
  fact jsonb not null,
  created_at timestamp with time zone not null default now(),
  constraint inbox_pkey PRIMARY KEY (shard, id)
);

create table workflow_orchestrator_service.payloads (
  shard smallint not null,
  id uuid not null,
  instance_id uuid not null,
  claimed boolean not null default false,
  body jsonb not null,
  created_at timestamp with time zone not null default now(),
  constraint payloads_pkey PRIMARY KEY (shard, id)
);
CREATE INDEX payloads_instance_idx ON workflow_orchestrator_service.payloads USING btree (instance_id);
CREATE INDEX payloads_unclaimed_idx ON workflow_orchestrator_service.payloads USING btree (created_at) WHERE (NOT claimed);

create table workflow_orchestrator_service.schedule_backfills (
  id uuid not null,
  namespace text not null,
  schedule_id uuid not null,
  from_at timestamp with time zone not null,
  until_at timestamp with time zone not null,
  overlap_policy character varying(20) not null,
  total integer not null,
  cancelled_at timestamp with time zone,
  requested_by character varying(255),
  created_at timestamp with time zone not null default now(),
  constraint schedule_backfills_pkey PRIMARY KEY (id),
  constraint schedule_backfills_schedule_id_fkey FOREIGN KEY (schedule_id) REFERENCES workflow_orchestrator_service.schedules(id) ON DELETE CASCADE
);
CREATE INDEX schedule_backfills_schedule_idx ON workflow_orchestrator_service.schedule_backfills USING btree (schedule_id, id);

create table workflow_orchestrator_service.schedule_occurrences (
  shard smallint not null,
  schedule_id uuid not null,
  planned_at timestamp with time zone not null,
  status character varying(20) not null,
  reason text,
  instance_id uuid,
  backfill_id uuid,
  occurred_at timestamp with time zone not null default now(),
  constraint schedule_occurrences_pkey PRIMARY KEY (shard, schedule_id, planned_at),
  constraint schedule_occurrences_status_check CHECK (((status)::text = ANY ((ARRAY['fired'::character varying, 'late'::character varying, 'skipped'::character varying, 'missed'::character varying, 'queued'::character varying, 'failed'::character varying])::text[])))
);
CREATE INDEX schedule_occurrences_backfill_idx ON workflow_orchestrator_service.schedule_occurrences USING btree (backfill_id, status) WHERE (backfill_id IS NOT NULL);
CREATE INDEX schedule_occurrences_queued_idx ON workflow_orchestrator_service.schedule_occurrences USING btree (shard, schedule_id, planned_at) WHERE ((status)::text = 'queued'::text);
CREATE INDEX schedule_occurrences_schedule_idx ON workflow_orchestrator_service.schedule_occurrences USING btree (schedule_id, planned_at);
CREATE INDEX schedule_occurrences_started_idx ON workflow_orchestrator_service.schedule_occurrences USING btree (shard, schedule_id, instance_id) WHERE (instance_id IS NOT NULL);
CREATE INDEX schedule_occurrences_time_idx ON workflow_orchestrator_service.schedule_occurrences USING brin (occurred_at);

create table workflow_orchestrator_service.schedules (
  id uuid not null,
  namespace text not null default 'default'::text,
  name character varying(255) not null,
  description text,
  kind character varying(20) not null,
  type character varying(20) not null generated always as (
CASE kind
    WHEN 'once'::text THEN 'one-time'::text
    ELSE 'recurring'::text
END) stored,
  target_type character varying(20) not null default 'workflow'::character varying,
  target_id character varying(255) not null,
  target_version character varying(50),
  cron_expression character varying(255),
  interval_ms bigint,
  execute_at timestamp with time zone,
  timezone character varying(64) not null default 'UTC'::character varying,
  start_date timestamp with time zone,
  end_date timestamp with time zone,
  anchor_at timestamp with time zone not null,
  jitter_ms bigint not null default 0,
  overlap_policy character varying(20) not null default 'skip'::character varying,
  catch_up_ms bigint not null,
  input jsonb not null default '{}'::jsonb,
  correlation_id text,
  priority smallint not null default 5,
  status character varying(20) not null default 'active'::character varying,
  paused_at timestamp with time zone,
  planned_from timestamp with time zone not null,
  final_at timestamp with time zone,
  revision integer not null default 1,
  version integer not null default 1,
  triggered_at timestamp with time zone,
  created_by character varying(255),
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  constraint schedules_pkey PRIMARY KEY (id),
  constraint schedules_check CHECK ((((kind)::text = 'cron'::text) = (cron_expression IS NOT NULL))),
  constraint schedules_check1 CHECK ((((kind)::text = 'interval'::text) = (interval_ms IS NOT NULL))),
  constraint schedules_check2 CHECK ((((kind)::text = 'once'::text) = (execute_at IS NOT NULL))),
  constraint schedules_interval_ms_check CHECK ((interval_ms >= 1000)),
  constraint schedules_kind_check CHECK (((kind)::text = ANY ((ARRAY['cron'::character varying, 'interval'::character varying, 'once'::character varying])::text[]))),
  constraint schedules_overlap_policy_check CHECK (((overlap_policy)::text = ANY ((ARRAY['allow'::character varying, 'skip'::character varying, 'queue_one'::character varying, 'queue_all'::character varying, 'cancel_running'::character varying])::text[]))),
  constraint schedules_status_check CHECK (((status)::text = ANY ((ARRAY['active'::character varying, 'paused'::character varying])::text[]))),
  constraint schedules_target_type_check CHECK (((target_type)::text = ANY ((ARRAY['workflow'::character varying, 'task'::character varying])::text[])))
);
CREATE UNIQUE INDEX schedules_name_key ON workflow_orchestrator_service.schedules USING btree (namespace, name);
CREATE INDEX schedules_namespace_idx ON workflow_orchestrator_service.schedules USING btree (namespace, id);

create table workflow_orchestrator_service.timers (
  shard smallint not null,
  due_at timestamp with time zone not null,
  instance_id uuid not null,
  timer_key text not null,
  constraint timers_pkey PRIMARY KEY (shard, due_at, instance_id, timer_key)
);
CREATE INDEX timers_schedule_idx ON workflow_orchestrator_service.timers USING btree (instance_id) WHERE (timer_key ~~ '~schedule %'::text);

create table workflow_orchestrator_service.trigger_firings (
  shard smallint not null,
  trigger_id uuid not null,
  fired bigint not null,
  last_fired_at timestamp with time zone not null,
  constraint trigger_firings_pkey PRIMARY KEY (trigger_id, shard)
) with (fillfactor=70);

create table workflow_orchestrator_service.trigger_secrets (
  trigger_id uuid not null,
  id uuid not null,
  secret text not null,
  created_at timestamp with time zone not null default now(),
  expires_at timestamp with time zone,
  constraint trigger_secrets_pkey PRIMARY KEY (trigger_id, id),
  constraint trigger_secrets_trigger_id_fkey FOREIGN KEY (trigger_id) REFERENCES workflow_orchestrator_service.workflow_event_triggers(id) ON DELETE CASCADE
);

create table workflow_orchestrator_service.workflow_definitions (
  id uuid not null,
  namespace text not null default 'default'::text,
  workflow_id character varying(255) not null,
  name character varying(255) not null,
  description text,
  version character varying(50) not null,
  version_order text not null,
  status character varying(50) not null,
  steps jsonb not null,
  input_schema jsonb,
  output_schema jsonb,
  output jsonb,
  variables jsonb,
  compensation_steps jsonb,
  compensate_on_failure boolean,
  cancellation_triggers jsonb,
  timeout jsonb,
  ui_components jsonb,
  execution_log jsonb,
  template_id character varying(255),
  created_by character varying(255),
  content_hash text not null,
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  retry_policy jsonb,
  concurrency jsonb,
  retention jsonb,
  constraint workflow_definitions_pkey PRIMARY KEY (id),
  constraint workflow_definitions_status_check CHECK (((status)::text = ANY ((ARRAY['draft'::character varying, 'active'::character varying, 'deprecated'::character varying, 'replaced'::character varying, 'deleted'::character varying])::text[])))
);
CREATE INDEX workflow_definitions_namespace_idx ON workflow_orchestrator_service.workflow_definitions USING btree (namespace, id) WHERE ((status)::text = ANY ((ARRAY['draft'::character varying, 'active'::character varying, 'deprecated'::character varying])::text[]));
CREATE UNIQUE INDEX workflow_definitions_version_key ON workflow_orchestrator_service.workflow_definitions USING btree (namespace, workflow_id, version_order) WHERE ((status)::text = ANY ((ARRAY['draft'::character varying, 'active'::character varying, 'deprecated'::character varying])::text[]));

create table workflow_orchestrator_service.workflow_event_subscriptions (
  shard smallint not null,
  workflow_instance_id uuid not null,
  path text not null,
  namespace text not null,
  event_pattern character varying(255) not null,
  filter_condition text,
  status character varying(50) not null,
  timeout_at timestamp with time zone,
  wait_step_id character varying(255) not null,
  timeout_handler_step_id character varying(255),
  fulfilled_by_event_id uuid,
  created_at timestamp with time zone not null default now(),
  fulfilled_at timestamp with time zone,
  match_key text not null default ''::text,
  since timestamp with time zone,
  constraint workflow_event_subscriptions_pkey PRIMARY KEY (shard, workflow_instance_id, path),
  constraint workflow_event_subscriptions_status_check CHECK (((status)::text = ANY ((ARRAY['active'::character varying, 'fulfilled'::character varying, 'expired'::character varying, 'cancelled'::character varying])::text[])))
);
CREATE INDEX workflow_event_subscriptions_event_idx ON workflow_orchestrator_service.workflow_event_subscriptions USING btree (fulfilled_by_event_id) WHERE (fulfilled_by_event_id IS NOT NULL);
CREATE INDEX workflow_event_subscriptions_match_idx ON workflow_orchestrator_service.workflow_event_subscriptions USING btree (namespace, event_pattern, match_key) WHERE ((status)::text = 'active'::text);
CREATE INDEX workflow_event_subscriptions_opened_idx ON workflow_orchestrator_service.workflow_event_subscriptions USING btree (shard, created_at) WHERE (((status)::text = 'active'::text) AND (created_at IS NOT NULL));

create table workflow_orchestrator_service.workflow_event_triggers (
  id uuid not null,
  namespace text not null,
  name character varying(255) not null,
  kind character varying(20) not null,
  trigger_type character varying(50) not null default 'START'::character varying,
  workflow_id character varying(255),
  workflow_version character varying(50),
  workflow_definition_id uuid,
  event_pattern character varying(255),
  routing_pattern character varying(255),
  event_condition text,
  input_mapping jsonb,
  correlation_key text,
  priority integer not null default 100,
  instance_priority integer,
  cancel_reason text,
  compensate boolean not null default true,
  enabled boolean not null default true,
  description text,
  schedule_id uuid,
  webhook jsonb,
  routing_revision bigint not null,
  created_by character varying(255),
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  removed_at timestamp with time zone,
  constraint workflow_event_triggers_pkey PRIMARY KEY (id),
  constraint workflow_event_triggers_instance_priority_check CHECK (((instance_priority >= 1) AND (instance_priority <= 10))),
  constraint workflow_event_triggers_kind_check CHECK (((kind)::text = ANY ((ARRAY['event'::character varying, 'schedule'::character varying, 'webhook'::character varying, 'manual'::character varying])::text[]))),
  constraint workflow_event_triggers_trigger_type_check CHECK (((trigger_type)::text = ANY ((ARRAY['START'::character varying, 'CANCEL'::character varying])::text[])))
) with (fillfactor=80);
CREATE UNIQUE INDEX workflow_event_triggers_name_key ON workflow_orchestrator_service.workflow_event_triggers USING btree (namespace, name) WHERE (removed_at IS NULL);
CREATE INDEX workflow_event_triggers_namespace_idx ON workflow_orchestrator_service.workflow_event_triggers USING btree (namespace, id) WHERE (removed_at IS NULL);
CREATE INDEX workflow_event_triggers_pattern_idx ON workflow_orchestrator_service.workflow_event_triggers USING btree (namespace, event_pattern, id) WHERE (removed_at IS NULL);
CREATE INDEX workflow_event_triggers_removed_idx ON workflow_orchestrator_service.workflow_event_triggers USING btree (removed_at) WHERE (removed_at IS NOT NULL);
CREATE INDEX workflow_event_triggers_routing_idx ON workflow_orchestrator_service.workflow_event_triggers USING btree (routing_revision);
CREATE INDEX workflow_event_triggers_workflow_idx ON workflow_orchestrator_service.workflow_event_triggers USING btree (namespace, workflow_id, id) WHERE (removed_at IS NULL);

create table workflow_orchestrator_service.workflow_heads (
  namespace text not null,
  workflow_id character varying(255) not null,
  revision bigint not null default 0,
  definition_id uuid,
  constraint workflow_heads_pkey PRIMARY KEY (namespace, workflow_id)
) with (fillfactor=70);

create table workflow_orchestrator_service.workflow_instance_steps (
  shard smallint not null,
  instance_id uuid not null,
  seq integer not null,
  path text not null,
  step_id character varying(255) not null,
  type character varying(50) not null,
  attempt integer not null,
  status character varying(50) not null,
  input jsonb,
  output jsonb,
  error jsonb,
  outcome jsonb,
  started_at timestamp with time zone not null,
  completed_at timestamp with time zone,
  node_id text not null,
  epoch integer not null,
  recorded_at timestamp with time zone not null default now(),
  constraint workflow_instance_steps_pkey PRIMARY KEY (shard, instance_id, seq, recorded_at),
  constraint workflow_instance_steps_status_check CHECK (((status)::text = ANY ((ARRAY['PENDING'::character varying, 'RUNNING'::character varying, 'COMPLETED'::character varying, 'FAILED'::character varying, 'SKIPPED'::character varying, 'CANCELLED'::character varying])::text[])))
) partition by RANGE (recorded_at);

create table workflow_orchestrator_service.workflow_instances (
  shard smallint not null,
  id uuid not null,
  namespace text not null,
  workflow_definition_id uuid not null,
  workflow_id character varying(255) not null,
  status character varying(50) not null,
  ready boolean not null,
  priority smallint not null default 5,
  current_step_id character varying(255),
  awaiting_task_id character varying(255),
  correlation_id character varying(255),
  started_by character varying(255),
  trigger_event_id uuid,
  version integer not null default 1,
  state_seq integer not null default 0,
  input jsonb not null,
  state jsonb,
  output jsonb,
  error jsonb,
  cancelation jsonb,
  compensation_state jsonb,
  parked jsonb,
  started_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  completed_at timestamp with time zone,
  parent_instance_id uuid,
  parent_path text,
  origin_instance_id uuid,
  origin_step_id character varying(255),
  start_variables jsonb,
  retention_ms bigint,
  expires_at timestamp with time zone,
  constraint workflow_instances_pkey PRIMARY KEY (shard, id),
  constraint workflow_instances_status_check CHECK (((status)::text = ANY ((ARRAY['CREATED'::character varying, 'RUNNING'::character varying, 'WAITING_FOR_EVENT'::character varying, 'PAUSED'::character varying, 'COMPLETED'::character varying, 'FAILED'::character varying, 'CANCELLED'::character varying])::text[])))
) partition by RANGE (id);
CREATE INDEX workflow_instances_awaiting_idx ON ONLY workflow_orchestrator_service.workflow_instances USING btree (shard, awaiting_task_id, id) WHERE (awaiting_task_id IS NOT NULL);
CREATE INDEX workflow_instances_correlation_idx ON ONLY workflow_orchestrator_service.workflow_instances USING btree (namespace, correlation_id, id) WHERE (correlation_id IS NOT NULL);
CREATE INDEX workflow_instances_definition_idx ON ONLY workflow_orchestrator_service.workflow_instances USING btree (namespace, workflow_id, id, status, workflow_definition_id);
CREATE INDEX workflow_instances_expires_idx ON ONLY workflow_orchestrator_service.workflow_instances USING btree (expires_at, id) WHERE (expires_at IS NOT NULL);
CREATE INDEX workflow_instances_halted_idx ON ONLY workflow_orchestrator_service.workflow_instances USING btree (namespace, workflow_id, status, id) WHERE ((status)::text = ANY ((ARRAY['FAILED'::character varying, 'CANCELLED'::character varying, 'PAUSED'::character varying])::text[]));
CREATE INDEX workflow_instances_namespace_idx ON ONLY workflow_orchestrator_service.workflow_instances USING btree (namespace, id);
CREATE INDEX workflow_instances_parent_idx ON ONLY workflow_orchestrator_service.workflow_instances USING btree (parent_instance_id, id, status) WHERE (parent_instance_id IS NOT NULL);
CREATE INDEX workflow_instances_ready_idx ON ONLY workflow_orchestrator_service.workflow_instances USING btree (shard, id) WHERE ready;
CREATE INDEX workflow_instances_status_idx ON ONLY workflow_orchestrator_service.workflow_instances USING btree (namespace, status, id);

create table workflow_orchestrator_service.workflow_templates (
  id uuid not null,
  namespace text not null default 'default'::text,
  name character varying(255) not null,
  description text,
  category character varying(100),
  version character varying(50) not null,
  version_order text not null,
  template_data jsonb not null,
  parameters jsonb not null,
  is_active boolean not null default true,
  created_by character varying(255),
  created_at timestamp with time zone not null default now(),
  updated_at timestamp with time zone not null default now(),
  constraint workflow_templates_pkey PRIMARY KEY (id)
);
CREATE INDEX workflow_templates_namespace_idx ON workflow_orchestrator_service.workflow_templates USING btree (namespace, id);
CREATE UNIQUE INDEX workflow_templates_version_key ON workflow_orchestrator_service.workflow_templates USING btree (namespace, name, version_order);

CREATE OR REPLACE FUNCTION cluster.abandon_lane_v1(in_lane uuid)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  perform 1 from cluster.lanes l where l.lane_id = in_lane for no key update;
  update cluster.shard_leases l set lane_id = null, epoch = l.epoch + 1, changed_at = now() where l.lane_id = in_lane;
  update cluster.lanes l set closed_at = coalesce(l.closed_at, clock_timestamp()) where l.lane_id = in_lane;
end $function$;

CREATE OR REPLACE FUNCTION cluster.acquire_shard_v1(in_shard smallint, in_lane uuid, in_node text)
 RETURNS TABLE(epoch integer, takeovers smallint, folding uuid)
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
declare
  held record;
begin
  select l.lane_id, l.epoch, l.takeovers, l.taken_over_at, l.folding, l.suspect into held
  from cluster.shard_leases l where l.shard = in_shard for update skip locked;
  if not found then return; end if;
  if held.lane_id is not null
    and exists (select 1 from cluster.lanes n where n.lane_id = held.lane_id and n.closed_at is null) then return; end if;
  perform 1 from cluster.lanes n where n.lane_id = in_lane and n.closed_at is null for key share;
  if not found then return; end if;
  return query
  update cluster.shard_leases l set
    lane_id = in_lane,
    epoch = l.epoch + 1,
    changed_at = now(),
    -- A lane that was closed with shards on it belonged to a node that died (a hand-over empties the lane first).
    takeovers = case when held.lane_id is null then 0
      when held.taken_over_at > now() - interval '1 minute' then least(held.takeovers + 1, 1000) else 1 end,
    taken_over_at = case when held.lane_id is null then null else now() end,
    suspect = case when held.lane_id is null then null else coalesce(held.folding, held.suspect) end,
    folding = null
  where l.shard = in_shard
  returning l.epoch, l.takeovers, case when held.lane_id is not null and held.folding = held.suspect then held.folding end;
  insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event, transition_data)
  values (in_shard, 'default', workflow_orchestrator_service.shard_entity(in_shard), 'shard', case when held.lane_id is null then 'FREE' else 'HELD' end,
    'HELD', case when held.lane_id is null then 'acquired' else 'taken_over' end,
    jsonb_build_object('node', in_node, 'lane', in_lane, 'epoch', held.epoch + 1));
end $function$;

CREATE OR REPLACE FUNCTION cluster.beat_v1(in_node text, in_lease_ms integer, in_draining boolean)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
declare
  was text;
begin
  select n.health_status into was from cluster.node_registrations n where n.node_id = in_node for no key update;
  if not found or was = 'OFFLINE' then return false; end if;
  update cluster.node_registrations n set beat = n.beat + 1, last_heartbeat = now(), updated_at = now(), draining = in_draining,
    health_status = 'HEALTHY', expires_at = now() + in_lease_ms * interval '1 millisecond'
  where n.node_id = in_node;
  if was <> 'HEALTHY' then
    insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event)
    values (0, 'default', in_node::uuid, 'node_registry', was, 'HEALTHY', 'heartbeat');
  end if;
  return true;
end $function$;

CREATE OR REPLACE FUNCTION cluster.close_lanes_v1(in_node text, in_beat bigint)
 RETURNS integer
 LANGUAGE plpgsql
 SET lock_timeout TO '1s'
AS $function$
declare
  closed integer;
  was text;
begin
  -- The beat is compared under the row's lock: a node that beat meanwhile is alive and keeps its lanes.
  select n.health_status into was from cluster.node_registrations n
  where n.node_id = in_node and n.beat = in_beat and n.expires_at < now() for no key update;
  if not found then return -1; end if;
  -- Told after the lock is held: whatever the lane wrote before it was closed began earlier than `closed_at`.
  perform 1 from cluster.lanes l where l.node_id = in_node and l.closed_at is null order by l.lane_id for no key update;
  update cluster.lanes l set closed_at = clock_timestamp() where l.node_id = in_node and l.closed_at is null;
  get diagnostics closed = row_count;
  if was <> 'OFFLINE' then
    update cluster.node_registrations n set health_status = 'OFFLINE', updated_at = now() where n.node_id = in_node;
    insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event, transition_data)
    values (0, 'default', in_node::uuid, 'node_registry', was, 'OFFLINE', 'liveness_expired', jsonb_build_object('lanesClosed', closed));
  end if;
  return closed;
end $function$;

CREATE OR REPLACE FUNCTION event_processing_service.accept_events_v1(in_events jsonb, in_revision bigint)
 RETURNS TABLE(event uuid, stale boolean, inbox_shard smallint, inbox_id bigint, accepted_at timestamp with time zone)
 LANGUAGE plpgsql
 SET lock_timeout TO '250ms'
AS $function$
begin
  if (select r.revision from event_processing_service.routing_revision r) <> in_revision then
    return query select null::uuid, true, null::smallint, null::bigint, now();
    return;
  end if;
  return query select i.event, false, i.inbox_shard, i.inbox_id, i.accepted_at
    from event_processing_service.insert_events_v1(in_events, now(), in_revision) i;
end $function$;

CREATE OR REPLACE FUNCTION event_processing_service.acceptance_v1(in_id uuid, in_at timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select least(in_at, to_timestamp(
    ('x' || lpad(substr(replace(in_id::text, '-', ''), 1, 12), 16, '0'))::bit(64)::bigint / 1000.0) + interval '5 seconds')
$function$;

CREATE OR REPLACE FUNCTION event_processing_service.drop_old_events_v1(in_horizon timestamp with time zone)
 RETURNS text
 LANGUAGE plpgsql
 SET lock_timeout TO '200ms'
AS $function$
declare
  old text;
begin
  select p.part into old from workflow_orchestrator_service.engine_partitions() p
  where p.table_name like 'event_processing_service.%' and p.ends_at <= in_horizon
  order by p.ends_at, p.part limit 1;
  if old is not null then
    execute format('drop table if exists event_processing_service.%I', old);
  end if;
  return old;
end $function$;

CREATE OR REPLACE FUNCTION event_processing_service.insert_events_v1(in_events jsonb, in_at timestamp with time zone, in_revision bigint)
 RETURNS TABLE(event uuid, inbox_shard smallint, inbox_id bigint, accepted_at timestamp with time zone)
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
#variable_conflict use_column
begin
  return query with wanted as materialized (
    select (e->>0)::smallint shard, (e->>1)::uuid id, e->>2 namespace, e->>3 event_id, e->>4 pattern, e->>5 version,
      nullif(e->6, 'null') source, e->>7 source_key, to_timestamp((e->>8)::float8 / 1000) happened_at,
      e->9 payload, e->10 metadata, e->>11 partition_key, (e->>12)::smallint key_shard, e->13 match_keys, n,
      event_processing_service.acceptance_v1((e->>1)::uuid, in_at) taken_at
    from jsonb_array_elements(in_events) with ordinality x (e, n)
  ), keyed as (
    insert into event_processing_service.event_keys as k (shard, namespace, source_key, event_id, id, accepted_at, expires_at)
    select w.key_shard, w.namespace, coalesce(w.source_key, ''), w.event_id, w.id, w.taken_at, in_at + interval '7 days'
    from wanted w where w.key_shard is not null
    order by w.key_shard, w.namespace, w.source_key, w.event_id, w.n
    on conflict do nothing
    returning k.id
  ), fresh as materialized (
    select w.* from wanted w where w.key_shard is null or w.id in (select k.id from keyed k)
  ), events as (
    insert into event_processing_service.event_instances
      (shard, id, namespace, event_id, pattern, version, source, source_key, "timestamp", payload, metadata, partition_key, accepted_at,
       keys_revision)
    select f.shard, f.id, f.namespace, f.event_id, f.pattern, f.version, f.source, f.source_key,
      coalesce(f.happened_at, f.taken_at), f.payload, f.metadata, f.partition_key, f.taken_at, in_revision
    from fresh f
  ), keys as (
    insert into event_processing_service.event_match_keys (namespace, match_key, id, shard)
    select f.namespace, m.key, f.id, f.shard from fresh f cross join lateral jsonb_array_elements_text(f.match_keys) m (key)
  )
  insert into workflow_orchestrator_service.inbox as b (shard, kind, instance_id, fact, created_at)
  select f.shard, 'EVENT', f.id, '{}', in_at from fresh f order by f.n
  returning b.instance_id, b.shard, b.id, event_processing_service.acceptance_v1(b.instance_id, in_at);
end $function$;

CREATE OR REPLACE FUNCTION event_processing_service.routing_changed()
 RETURNS bigint
 LANGUAGE sql
AS $function$
  update event_processing_service.routing_revision set revision = revision + 1 returning revision
$function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.accept_restart_v1(in_start jsonb)
 RETURNS TABLE(inbox_id bigint, accepted_at timestamp with time zone, first_id uuid, first_definition_id uuid, first_hash text)
 LANGUAGE plpgsql
 SET lock_timeout TO '250ms'
AS $function$
#variable_conflict use_column
begin
  if in_start->>16 is not null then
    insert into workflow_orchestrator_service.idempotency_keys
      (shard, namespace, workflow_id, key, instance_id, workflow_definition_id, request_hash, expires_at)
    values ((in_start->>0)::smallint, in_start->>2, in_start->>4, in_start->>16, (in_start->>1)::uuid, (in_start->>3)::uuid,
      in_start->>17, now() + interval '30 days')
    on conflict do nothing;
    if not found then
      return query
      select null::bigint, k.created_at, k.instance_id, k.workflow_definition_id, k.request_hash
      from workflow_orchestrator_service.idempotency_keys k
      where k.shard = (in_start->>0)::smallint and k.namespace = in_start->>2 and k.workflow_id = in_start->>4
        and k.key = in_start->>16;
      return;
    end if;
  end if;
  insert into workflow_orchestrator_service.workflow_instances
    (shard, id, namespace, workflow_definition_id, workflow_id, status, ready, priority, correlation_id, started_by, input, state,
     state_seq, origin_instance_id, origin_step_id, start_variables, retention_ms)
  values ((in_start->>0)::smallint, (in_start->>1)::uuid, in_start->>2, (in_start->>3)::uuid, in_start->>4, 'CREATED', false,
    (in_start->>5)::smallint, in_start->>6, in_start->>7, in_start->8, nullif(in_start->9, 'null'), (in_start->>10)::integer,
    (in_start->>11)::uuid, in_start->>12, nullif(in_start->13, 'null'), (in_start->>15)::bigint);
  insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event, transition_data)
  values ((in_start->>0)::smallint, in_start->>2, (in_start->>1)::uuid, 'workflow', null, 'CREATED', 'workflow_restarted',
    jsonb_build_object('originInstanceId', in_start->>11, 'fromStepId', in_start->>12));
  update workflow_orchestrator_service.payloads p set claimed = true
  from jsonb_array_elements_text(in_start->14) ref where p.shard = (in_start->>0)::smallint and p.id = ref::uuid;
  return query
  insert into workflow_orchestrator_service.inbox as m (shard, kind, instance_id, fact)
  values ((in_start->>0)::smallint, 'START', (in_start->>1)::uuid, '{}') returning m.id, now(), null::uuid, null::uuid, null::text;
end $function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.accept_starts_v1(in_starts jsonb, in_latest jsonb)
 RETURNS TABLE(instance_id uuid, outcome text, inbox_shard smallint, inbox_id bigint, first_id uuid, first_definition_id uuid, first_hash text, accepted_at timestamp with time zone)
 LANGUAGE plpgsql
 SET lock_timeout TO '250ms'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
#variable_conflict use_column
begin
  if in_latest is not null and workflow_orchestrator_service.heads_are_stale(in_latest) then
    return query select (e->>1)::uuid, 'stale', null::smallint, null::bigint, null::uuid, null::uuid, null::text, now()
      from jsonb_array_elements(in_starts) e;
    return;
  end if;
  return query
  with wanted as materialized (
    select (e->>0)::smallint shard, (e->>1)::uuid id, e->>2 namespace, (e->>3)::uuid definition_id, e->>4 workflow_id,
      (e->>5)::smallint priority, e->>6 correlation_id, e->>7 started_by, (e->>8)::uuid trigger_event_id, e->9 input,
      e->>10 key, (e->>11)::smallint key_shard, e->>12 request_hash, n
    from jsonb_array_elements(in_starts) with ordinality x (e, n)
  ), keyed as (
    insert into workflow_orchestrator_service.idempotency_keys as k
      (shard, namespace, workflow_id, key, instance_id, workflow_definition_id, request_hash, expires_at)
    select w.key_shard, w.namespace, w.workflow_id, w.key, w.id, w.definition_id, w.request_hash, now() + interval '30 days'
    from wanted w where w.key is not null
    order by w.key_shard, w.namespace, w.workflow_id, w.key, w.n
    on conflict do nothing
    returning k.instance_id
  ), born as (
    select w.* from wanted w where w.key is null or w.id in (select k.instance_id from keyed k)
  ), instances as (
    insert into workflow_orchestrator_service.workflow_instances
      (shard, id, namespace, workflow_definition_id, workflow_id, status, ready, priority, correlation_id, started_by,
       trigger_event_id, input)
    select b.shard, b.id, b.namespace, b.definition_id, b.workflow_id, 'CREATED', false, b.priority, b.correlation_id, b.started_by,
      b.trigger_event_id, b.input
    from born b
  ), transitions as (
    insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event)
    select b.shard, b.namespace, b.id, 'workflow', null, 'CREATED', 'workflow_created' from born b
  ), messages as (
    insert into workflow_orchestrator_service.inbox as m (shard, kind, instance_id, fact)
    select b.shard, 'START', b.id, '{}'::jsonb from born b order by b.n
    returning m.shard, m.id, m.instance_id
  )
  select m.instance_id, 'created', m.shard, m.id, null::uuid, null::uuid, null::text, now() from messages m
  union all
  select w.id, 'exists', null, null, null, null, null, now() from wanted w
  where w.key is not null and not exists (select 1 from keyed k where k.instance_id = w.id);
  update workflow_orchestrator_service.payloads p set claimed = true
  from jsonb_array_elements(in_starts) e, jsonb_array_elements_text(e->14) ref
  where jsonb_typeof(e->14) = 'array' and p.shard = (e->>0)::smallint and p.id = ref::uuid;
end $function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.accept_starts_v2(in_starts jsonb, in_latest jsonb)
 RETURNS TABLE(instance_id uuid, outcome text, inbox_shard smallint, inbox_id bigint, first_id uuid, first_definition_id uuid, first_hash text, accepted_at timestamp with time zone)
 LANGUAGE plpgsql
 SET lock_timeout TO '250ms'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
AS $function$
#variable_conflict use_column
begin
  if in_latest is not null and workflow_orchestrator_service.heads_are_stale(in_latest) then
    return query select (e->>1)::uuid, 'stale', null::smallint, null::bigint, null::uuid, null::uuid, null::text, now()
      from jsonb_array_elements(in_starts) e;
    return;
  end if;
  return query
  with wanted as materialized (
    select (e->>0)::smallint shard, (e->>1)::uuid id, e->>2 namespace, (e->>3)::uuid definition_id, e->>4 workflow_id,
      (e->>5)::smallint priority, e->>6 correlation_id, e->>7 started_by, (e->>8)::uuid trigger_event_id, e->9 input,
      e->>10 key, (e->>11)::smallint key_shard, e->>12 request_hash, nullif(e->15, 'null') variables,
      (e->>16)::bigint retention_ms, n
    from jsonb_array_elements(in_starts) with ordinality x (e, n)
  ), keyed as (
    insert into workflow_orchestrator_service.idempotency_keys as k
      (shard, namespace, workflow_id, key, instance_id, workflow_definition_id, request_hash, expires_at)
    select w.key_shard, w.namespace, w.workflow_id, w.key, w.id, w.definition_id, w.request_hash, now() + interval '30 days'
    from wanted w where w.key is not null
    order by w.key_shard, w.namespace, w.workflow_id, w.key, w.n
    on conflict do nothing
    returning k.instance_id
  ), born as (
    select w.* from wanted w where w.key is null or w.id in (select k.instance_id from keyed k)
  ), instances as (
    insert into workflow_orchestrator_service.workflow_instances
      (shard, id, namespace, workflow_definition_id, workflow_id, status, ready, priority, correlation_id, started_by,
       trigger_event_id, input, start_variables, retention_ms)
    select b.shard, b.id, b.namespace, b.definition_id, b.workflow_id, 'CREATED', false, b.priority, b.correlation_id, b.started_by,
      b.trigger_event_id, b.input, b.variables, b.retention_ms
    from born b
  ), transitions as (
    insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event)
    select b.shard, b.namespace, b.id, 'workflow', null, 'CREATED', 'workflow_created' from born b
  ), messages as (
    insert into workflow_orchestrator_service.inbox as m (shard, kind, instance_id, fact)
    select b.shard, 'START', b.id, '{}'::jsonb from born b order by b.n
    returning m.shard, m.id, m.instance_id
  )
  select m.instance_id, 'created', m.shard, m.id, null::uuid, null::uuid, null::text, now() from messages m
  union all
  select w.id, 'exists', null, null, null, null, null, now() from wanted w
  where w.key is not null and not exists (select 1 from keyed k where k.instance_id = w.id);
  update workflow_orchestrator_service.payloads p set claimed = true
  from jsonb_array_elements(in_starts) e, jsonb_array_elements_text(e->14) ref
  where jsonb_typeof(e->14) = 'array' and p.shard = (e->>0)::smallint and p.id = ref::uuid;
end $function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.bound_instant(bound text)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE
 SET "TimeZone" TO 'UTC'
AS $function$
  select case when bound ~ '^[0-9a-f]{8}-'
    then to_timestamp(('x' || lpad(substr(replace(bound, '-', ''), 1, 12), 16, '0'))::bit(64)::bigint / 1000.0)
    else bound::timestamptz end
$function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.engine_delete_belongings_v1(in_shards smallint[], in_ids uuid[], in_most integer)
 RETURNS integer
 LANGUAGE plpgsql
 SET lock_timeout TO '5s'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_material TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
declare
  deleted integer;
  most integer := 0;
begin
  with page as materialized (
    select p.shard, p.instance_id, p.seq, p.recorded_at from unnest(in_shards, in_ids) x (shard, id) cross join lateral (
      select d.shard, d.instance_id, d.seq, d.recorded_at from workflow_orchestrator_service.workflow_instance_steps d
      where d.shard = x.shard and d.instance_id = x.id limit in_most) p limit in_most)
  delete from workflow_orchestrator_service.workflow_instance_steps d using page p
  where d.shard = p.shard and d.instance_id = p.instance_id and d.seq = p.seq and d.recorded_at = p.recorded_at;
  get diagnostics deleted = row_count;
  most := greatest(most, deleted);
  with page as materialized (
    select p.shard, p.instance_id, p.id, p.recorded_at from unnest(in_shards, in_ids) x (shard, id) cross join lateral (
      select d.shard, d.instance_id, d.id, d.recorded_at from workflow_orchestrator_service.execution_logs d
      where d.shard = x.shard and d.instance_id = x.id limit in_most) p limit in_most)
  delete from workflow_orchestrator_service.execution_logs d using page p
  where d.shard = p.shard and d.instance_id = p.instance_id and d.id = p.id and d.recorded_at = p.recorded_at;
  get diagnostics deleted = row_count;
  most := greatest(most, deleted);
  with page as materialized (
    select p.shard, p.entity_id, p.created_at, p.id from unnest(in_shards, in_ids) x (shard, id) cross join lateral (
      select d.shard, d.entity_id, d.created_at, d.id from audit.fsm_transitions d
      where d.shard = x.shard and d.entity_id = x.id limit in_most) p limit in_most)
  delete from audit.fsm_transitions d using page p
  where d.shard = p.shard and d.entity_id = p.entity_id and d.created_at = p.created_at and d.id = p.id;
  get diagnostics deleted = row_count;
  most := greatest(most, deleted);
  with page as materialized (
    select p.shard, p.workflow_instance_id, p.path from unnest(in_shards, in_ids) x (shard, id) cross join lateral (
      select d.shard, d.workflow_instance_id, d.path from workflow_orchestrator_service.workflow_event_subscriptions d
      where d.shard = x.shard and d.workflow_instance_id = x.id limit in_most) p limit in_most)
  delete from workflow_orchestrator_service.workflow_event_subscriptions d using page p
  where d.shard = p.shard and d.workflow_instance_id = p.workflow_instance_id and d.path = p.path;
  get diagnostics deleted = row_count;
  most := greatest(most, deleted);
  with page as materialized (
    select p.shard, p.id from unnest(in_shards, in_ids) x (shard, id) cross join lateral (
      select d.shard, d.id from workflow_orchestrator_service.payloads d
      where d.instance_id = x.id and d.shard = x.shard limit in_most) p limit in_most)
  delete from workflow_orchestrator_service.payloads d using page p where d.shard = p.shard and d.id = p.id;
  get diagnostics deleted = row_count;
  return greatest(most, deleted);
end $function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.engine_delete_instances_v1(in_shards smallint[], in_ids uuid[], in_versions integer[], in_at timestamp with time zone, in_most integer, OUT shards smallint[], OUT ids uuid[], OUT more boolean)
 RETURNS record
 LANGUAGE plpgsql
 SET lock_timeout TO '5s'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_material TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
begin
  with gone as (
    delete from workflow_orchestrator_service.workflow_instances i using unnest(in_shards, in_ids, in_versions) x (shard, id, version)
    where i.shard = x.shard and i.id = x.id and i.version = x.version
      -- Not for an index of its own: the rows are known.
      and (i.expires_at < in_at) is true
    returning i.shard, i.id)
  select coalesce(array_agg(g.shard), '{}'), coalesce(array_agg(g.id), '{}') into shards, ids from gone g;
  more := workflow_orchestrator_service.engine_delete_belongings_v1(shards, ids, in_most) >= in_most;
end $function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.engine_drop_history_v1(in_part text, in_horizon timestamp with time zone, OUT outcome text, OUT readers integer)
 RETURNS record
 LANGUAGE plpgsql
 SET lock_timeout TO '5s'
 SET enable_seqscan TO 'on'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET jit TO 'off'
AS $function$
declare
  parent text;
  place text;
  week_ends_at timestamptz;
begin
  outcome := 'gone';
  readers := 0;
  select p.table_name, format('%s.%I', split_part(p.table_name, '.', 1), p.part), p.ends_at into parent, place, week_ends_at
  from workflow_orchestrator_service.engine_partitions() p
  where p.part = in_part and p.ends_at <= in_horizon and p.table_name <> 'workflow_orchestrator_service.workflow_instances';
  if not found then return; end if;
  begin
    execute format('lock table only %s in share update exclusive mode', place);
  exception when undefined_table then
    return;
  end;

  if parent = 'workflow_orchestrator_service.workflow_instance_steps' then
    execute format(
      'select count(*) from (
         select from workflow_orchestrator_service.workflow_instances i
         where i.id < workflow_orchestrator_service.uuid_floor($1)
           and not workflow_orchestrator_service.is_expired(i.status, i.completed_at, $2)
           and exists (select from %s s where s.shard = i.shard and s.instance_id = i.id and s.seq > i.state_seq)
         limit 1000) r', place)
    into readers using week_ends_at, in_horizon;
    if readers > 0 then
      outcome := 'needed';
      return;
    end if;
  end if;

  perform workflow_orchestrator_service.stop_users_of(parent::regclass);
  execute format('drop table %s', place);
  outcome := 'dropped';
end $function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.engine_ensure_partitions(from_at timestamp with time zone, until_at timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SET "TimeZone" TO 'UTC'
AS $function$
declare
  week timestamptz := date_trunc('week', from_at);
  made integer := 0;
  target record;
  part text;
begin
  while week < until_at loop
    for target in
      select * from (values
        ('workflow_orchestrator_service', 'workflow_instances', true),
        ('workflow_orchestrator_service', 'workflow_instance_steps', false),
        ('workflow_orchestrator_service', 'execution_logs', false),
        ('event_processing_service', 'event_instances', true),
        ('event_processing_service', 'event_match_keys', true),
        ('event_processing_service', 'event_routings', true),
        ('audit', 'fsm_transitions', false)) t (schema_name, table_name, by_id)
    loop
      part := target.table_name || '_' || to_char(week, 'IYYY"w"IW');
      continue when to_regclass(format('%I.%I', target.schema_name, part)) is not null;
      -- Nodes that start side by side take turns; readers and writers do not notice.
      execute format('lock table only %I.%I in share update exclusive mode', target.schema_name, target.table_name);
      if to_regclass(format('%I.%I', target.schema_name, part)) is null then
        execute format('create table %I.%I (like %I.%I including defaults including constraints including storage)',
          target.schema_name, part, target.schema_name, target.table_name);
        if target.by_id then
          execute format('alter table %I.%I set (fillfactor = %s)', target.schema_name, part,
            case when target.table_name = 'workflow_instances' then 85 else 100 end);
          execute format('alter table %I.%I attach partition %I.%I for values from (%L) to (%L)',
            target.schema_name, target.table_name, target.schema_name, part,
            workflow_orchestrator_service.uuid_floor(week), workflow_orchestrator_service.uuid_floor(week + interval '7 days'));
        else
          execute format('alter table %I.%I attach partition %I.%I for values from (%L) to (%L)',
            target.schema_name, target.table_name, target.schema_name, part, week, week + interval '7 days');
        end if;
        made := made + 1;
      end if;
    end loop;
    week := week + interval '7 days';
  end loop;
  return made;
end $function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.engine_forget_emptiness_v1()
 RETURNS integer
 LANGUAGE plpgsql
 SET lock_timeout TO '100ms'
AS $function$
declare
  place text;
  filled boolean;
  forgotten integer := 0;
begin
  for place in
    select c.oid::regclass::text
    from workflow_orchestrator_service.engine_partitions() p
    join pg_class c on c.oid = to_regclass(format('%s.%I', split_part(p.table_name, '.', 1), p.part))
    where c.reltuples = 0
  loop
    begin
      execute format('lock table only %s in access exclusive mode', place);
      execute format('select exists (select from only %s)', place) into filled;
      if not filled then
        execute format('truncate only %s', place);
        forgotten := forgotten + 1;
      end if;
    exception when lock_not_available or undefined_table then
      -- In use, or gone: the next round sees.
    end;
  end loop;
  return forgotten;
end $function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.engine_look_at_instances_v1(in_part text, in_horizon timestamp with time zone, in_at timestamp with time zone, in_few integer, in_most integer, OUT verdict text, OUT kept integer, OUT low uuid, OUT high uuid)
 RETURNS record
 LANGUAGE plpgsql
 SET jit TO 'off'
AS $function$
declare
  place constant text := format('workflow_orchestrator_service.%I', in_part);
  rule constant text := 'workflow_orchestrator_service.is_expired(i.status, i.completed_at, i.expires_at, $1, $2)';
  expired integer;
  longest timestamptz;
begin
  kept := 0;
  verdict := 'gone';
  select workflow_orchestrator_service.uuid_floor(p.begins_at), workflow_orchestrator_service.uuid_floor(p.ends_at) into low, high
  from workflow_orchestrator_service.engine_partitions() p
  where p.table_name = 'workflow_orchestrator_service.workflow_instances' and p.part = in_part and p.ends_at <= in_horizon;
  if not found then return; end if;
  execute format('select count(*) from (select from %s i where %s limit $3) e', place, rule)
  into expired using in_horizon, in_at, in_few + 1;
  execute format('select count(*) from (select from %s i where not %s limit $3) k', place, rule)
  into kept using in_horizon, in_at, in_most + 1;
  if kept = 0 then
    verdict := 'drop';
  elsif expired = 0 then
    verdict := 'kept';
  elsif expired > in_few and kept <= in_most then
    verdict := 'swap';
  else
    verdict := 'trim';
    -- Whoever has a retention of their own and ended in one week expires in one week.
    execute format('select max(i.expires_at) from %s i where i.expires_at is not null', place) into longest;
    if longest > in_at and longest <= in_at + interval '7 days' then
      execute format(
        'select count(*) from (select from %s i where i.expires_at is null and %s limit 1) e', place, rule)
      into expired using in_horizon, in_at;
      if expired = 0 then verdict := 'kept'; end if;
    end if;
  end if;
end $function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.engine_partitions()
 RETURNS TABLE(table_name text, part text, begins_at timestamp with time zone, ends_at timestamp with time zone)
 LANGUAGE sql
 STABLE
 SET "TimeZone" TO 'UTC'
AS $function$
  select n.nspname || '.' || t.relname, c.relname::text, b.begins_at, b.ends_at
  from pg_inherits i
  join pg_class c on c.oid = i.inhrelid
  join pg_class t on t.oid = i.inhparent
  join pg_namespace n on n.oid = t.relnamespace
  cross join lateral regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''(.*)''\) TO \(''(.*)''\)') bound (texts)
  cross join lateral (
    select workflow_orchestrator_service.bound_instant(bound.texts[1]), workflow_orchestrator_service.bound_instant(bound.texts[2])
  ) b (begins_at, ends_at)
  where not i.inhdetachpending
    and i.inhparent in (
      'workflow_orchestrator_service.workflow_instances'::regclass,
      'workflow_orchestrator_service.workflow_instance_steps'::regclass,
      'workflow_orchestrator_service.execution_logs'::regclass,
      'event_processing_service.event_instances'::regclass,
      'event_processing_service.event_match_keys'::regclass,
      'event_processing_service.event_routings'::regclass,
      'audit.fsm_transitions'::regclass)
$function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.engine_retire_history_v1(in_part text, in_horizon timestamp with time zone, in_at timestamp with time zone, OUT outcome text, OUT readers integer, OUT kept bigint)
 RETURNS record
 LANGUAGE plpgsql
 SET lock_timeout TO '5s'
 SET enable_seqscan TO 'on'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET jit TO 'off'
AS $function$
declare
  schema_name text;
  parent regclass;
  place text;
  next text;
  low timestamptz;
  high timestamptz;
  -- Of an instance `i`: that it may need rows of the week, by its own retention or to be folded.
  own constant text := 'i.id < workflow_orchestrator_service.uuid_floor($1) and i.retention_ms is not null
    and $1 > $3 - i.retention_ms * interval ''1 millisecond'' - interval ''8 days''
    and (i.completed_at is null or i.completed_at > $4 - interval ''1 day'')';
  folded constant text := 'i.id < workflow_orchestrator_service.uuid_floor($1)
    and not workflow_orchestrator_service.is_expired(i.status, i.completed_at, i.expires_at, $2, $3)';
  is_journal boolean;
  owner_column text;
  time_column text;
  needs text;
  columns text;
  longer boolean;
  sampled bigint;
  thinned_at timestamptz;
begin
  outcome := 'gone';
  readers := 0;
  kept := 0;
  select split_part(p.table_name, '.', 1), p.table_name::regclass, p.begins_at, p.ends_at into schema_name, parent, low, high
  from workflow_orchestrator_service.engine_partitions() p
  where p.part = in_part and p.ends_at <= in_horizon and p.table_name <> 'workflow_orchestrator_service.workflow_instances';
  if not found then return; end if;
  place := format('%I.%I', schema_name, in_part);
  next := format('%I.%I', schema_name, in_part || '_next');
  is_journal := parent = 'workflow_orchestrator_service.workflow_instance_steps'::regclass;
  owner_column := case when parent = 'audit.fsm_transitions'::regclass then 'entity_id' else 'instance_id' end;
  time_column := case when parent = 'audit.fsm_transitions'::regclass then 'created_at' else 'recorded_at' end;
  begin
    -- Stops whoever deletes rows of instances, and a second call.
    execute format('lock table only %s in share row exclusive mode', place);
  exception when undefined_table then
    return;
  end;

  execute format('select exists (select from workflow_orchestrator_service.workflow_instances i where %s)', own)
  into longer using high, in_horizon, in_at, low;
  if not longer and is_journal then
    execute format(
      'select count(*) from (
         select from workflow_orchestrator_service.workflow_instances i
         where %s and exists (select from %s s where s.shard = i.shard and s.instance_id = i.id and s.seq > i.state_seq)
         limit 1000) r', folded, place)
    into readers using high, in_horizon, in_at;
  end if;
  if not longer and readers = 0 then
    perform workflow_orchestrator_service.stop_users_of(parent);
    execute format('drop table %s', place);
    outcome := 'dropped';
    return;
  end if;

  outcome := 'needed';
  needs := format(
    'exists (select from workflow_orchestrator_service.workflow_instances i where i.shard = s.shard and i.id = s.%I and ((%s)%s))',
    owner_column, own, case when is_journal then format(' or (%s and s.seq > i.state_seq)', folded) else '' end);
  -- A sample of about fifty pages; of a small table all of them.
  execute format(
    'select count(*), count(*) filter (where %s) from %s s tablesample system (%s)', needs, place,
    least(100, 5000.0 / greatest(1, pg_relation_size(place::regclass) / 8192)))
  into sampled, kept using high, in_horizon, in_at, low;
  thinned_at := substring(obj_description(place::regclass, 'pg_class') from 'thinned at (.*)')::timestamptz;
  if sampled = 0 or kept > sampled * 0.98 or (kept > sampled * 0.5 and thinned_at > in_at - interval '7 days') then return; end if;

  execute format('create table %s (like %s including defaults including constraints including storage including indexes)', next, parent);
  execute format('alter table %s add constraint bounds check (%I >= %L and %I < %L)', next, time_column, low, time_column, high);
  select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into columns
  from pg_attribute a where a.attrelid = parent and a.attnum > 0 and not a.attisdropped;
  execute format('insert into %1$s (%2$s) select %2$s from only %3$s s where %4$s', next, columns, place, needs)
  using high, in_horizon, in_at, low;
  get diagnostics kept = row_count;
  if kept = 0 then
    execute format('drop table %s', next);
    perform workflow_orchestrator_service.stop_users_of(parent);
    execute format('drop table %s', place);
    outcome := 'dropped';
    return;
  end if;
  execute format('analyze %s', next);
  execute format('comment on table %s is %L', next, 'thinned at ' || in_at);
  perform workflow_orchestrator_service.stop_users_of(parent);
  execute format('alter table %s detach partition %s', parent, place);
  execute format('drop table %s', place);
  execute format('alter table %s rename to %I', next, in_part);
  execute format('alter table %s attach partition %s for values from (%L) to (%L)', parent, place, low, high);
  execute format('alter table %s drop constraint bounds', place);
  outcome := 'thinned';
end $function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.engine_retire_instances_v1(in_part text, in_horizon timestamp with time zone, in_few integer, in_most integer, OUT outcome text, OUT kept integer, OUT locked_ms double precision)
 RETURNS record
 LANGUAGE plpgsql
 SET lock_timeout TO '5s'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET jit TO 'off'
AS $function$
declare
  place constant text := format('workflow_orchestrator_service.%I', in_part);
  next constant text := format('workflow_orchestrator_service.%I', in_part || '_next');
  columns text;
  low uuid;
  high uuid;
  expired integer;
  since timestamptz;
begin
  kept := 0;
  outcome := 'gone';
  -- Does not stop readers and writers; stops a second call, autovacuum, and a change of the partition.
  begin
    execute format('lock table only %s in share update exclusive mode', place);
  exception when undefined_table then
    return;
  end;
  select workflow_orchestrator_service.uuid_floor(p.begins_at), workflow_orchestrator_service.uuid_floor(p.ends_at) into low, high
  from workflow_orchestrator_service.engine_partitions() p
  where p.table_name = 'workflow_orchestrator_service.workflow_instances' and p.part = in_part and p.ends_at <= in_horizon;
  if not found then return; end if;

  execute format(
    'select count(*) from (select from %s i where workflow_orchestrator_service.is_expired(i.status, i.completed_at, $1) limit $2) e', place)
  into expired using in_horizon, in_few + 1;
  execute format(
    'select count(*) from (select from %s i where not workflow_orchestrator_service.is_expired(i.status, i.completed_at, $1) limit $2) k', place)
  into kept using in_horizon, in_most + 1;
  if kept > 0 and expired = 0 then
    outcome := 'kept';
    return;
  end if;
  if kept > 0 and (expired <= in_few or kept > in_most) then
    outcome := 'trim';
    return;
  end if;

  if kept > 0 then
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into columns
    from pg_attribute a
    where a.attrelid = 'workflow_orchestrator_service.workflow_instances'::regclass and a.attnum > 0 and not a.attisdropped;
    execute format(
      'create table %s (like workflow_orchestrator_service.workflow_instances including defaults including constraints
        including storage including indexes) with (fillfactor = 85)', next);
    -- Says what the partition's bounds will say, so that attaching it under the lock need not look at the rows.
    execute format('alter table %s add constraint bounds check (id >= %L::uuid and id < %L::uuid)', next, low, high);
    execute format(
      'insert into %1$s (%2$s) select %2$s from %3$s i where not workflow_orchestrator_service.is_expired(i.status, i.completed_at, $1)',
      next, columns, place) using in_horizon;
    execute format('analyze %s', next);
  end if;

  perform workflow_orchestrator_service.stop_users_of('workflow_orchestrator_service.workflow_instances');
  since := clock_timestamp();
  if kept > 0 then
    execute format(
      'with changed as (
         delete from %1$s n
         where n.version is distinct from (select o.version from only %3$s o where o.shard = n.shard and o.id = n.id)
         returning n.shard, n.id)
       insert into %1$s (%2$s) select %2$s from changed c join lateral (
         select * from only %3$s o where o.shard = c.shard and o.id = c.id) i using (shard, id)',
      next, columns, place);
  end if;
  execute format('alter table workflow_orchestrator_service.workflow_instances detach partition %s', place);
  execute format('drop table %s', place);
  if kept > 0 then
    execute format('alter table %s rename to %I', next, in_part);
    execute format(
      'alter table workflow_orchestrator_service.workflow_instances attach partition %s for values from (%L) to (%L)', place, low, high);
    execute format('alter table %s drop constraint bounds', place);
  end if;
  outcome := case when kept > 0 then 'swapped' else 'dropped' end;
  locked_ms := extract(epoch from clock_timestamp() - since) * 1000;
end $function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.engine_retire_instances_v2(in_part text, in_horizon timestamp with time zone, in_at timestamp with time zone, in_few integer, in_most integer, OUT outcome text, OUT kept integer, OUT locked_ms double precision)
 RETURNS record
 LANGUAGE plpgsql
 SET lock_timeout TO '5s'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET jit TO 'off'
AS $function$
declare
  place constant text := format('workflow_orchestrator_service.%I', in_part);
  next constant text := format('workflow_orchestrator_service.%I', in_part || '_next');
  columns text;
  look record;
  since timestamptz;
begin
  kept := 0;
  outcome := 'gone';
  -- Does not stop readers and writers; stops a second call, autovacuum, and a change of the partition.
  begin
    execute format('lock table only %s in share update exclusive mode', place);
  exception when undefined_table then
    return;
  end;
  select * into look
  from workflow_orchestrator_service.engine_look_at_instances_v1(in_part, in_horizon, in_at, in_few, in_most);
  kept := look.kept;
  if look.verdict in ('gone', 'kept', 'trim') then
    outcome := look.verdict;
    return;
  end if;

  if kept > 0 then
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into columns
    from pg_attribute a
    where a.attrelid = 'workflow_orchestrator_service.workflow_instances'::regclass and a.attnum > 0 and not a.attisdropped;
    execute format(
      'create table %s (like workflow_orchestrator_service.workflow_instances including defaults including constraints
        including storage including indexes) with (fillfactor = 85)', next);
    -- Says what the partition's bounds will say, so that attaching it under the lock need not look at the rows.
    execute format('alter table %s add constraint bounds check (id >= %L::uuid and id < %L::uuid)', next, look.low, look.high);
    execute format(
      'insert into %1$s (%2$s) select %2$s from %3$s i
       where not workflow_orchestrator_service.is_expired(i.status, i.completed_at, i.expires_at, $1, $2)',
      next, columns, place) using in_horizon, in_at;
    execute format('analyze %s', next);
  end if;

  perform workflow_orchestrator_service.stop_users_of('workflow_orchestrator_service.workflow_instances');
  since := clock_timestamp();
  if kept > 0 then
    execute format(
      'with changed as (
         delete from %1$s n
         where n.version is distinct from (select o.version from only %3$s o where o.shard = n.shard and o.id = n.id)
         returning n.shard, n.id)
       insert into %1$s (%2$s) select %2$s from changed c join lateral (
         select * from only %3$s o where o.shard = c.shard and o.id = c.id) i using (shard, id)',
      next, columns, place);
  end if;
  execute format('alter table workflow_orchestrator_service.workflow_instances detach partition %s', place);
  execute format('drop table %s', place);
  if kept > 0 then
    execute format('alter table %s rename to %I', next, in_part);
    execute format(
      'alter table workflow_orchestrator_service.workflow_instances attach partition %s for values from (%L) to (%L)',
      place, look.low, look.high);
    execute format('alter table %s drop constraint bounds', place);
  end if;
  outcome := case when kept > 0 then 'swapped' else 'dropped' end;
  locked_ms := extract(epoch from clock_timestamp() - since) * 1000;
end $function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.first_starts_v1(in_keys jsonb)
 RETURNS TABLE(n bigint, instance_id uuid, workflow_definition_id uuid, request_hash text, created_at timestamp with time zone)
 LANGUAGE sql
 STABLE
AS $function$
  select x.n, k.instance_id, k.workflow_definition_id, k.request_hash, k.created_at
  from jsonb_array_elements(in_keys) with ordinality x (e, n)
  join workflow_orchestrator_service.idempotency_keys k
    on k.shard = (e->>0)::smallint and k.namespace = e->>1 and k.workflow_id = e->>2 and k.key = e->>3
$function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.flush_v1(in_lane uuid, in_seq bigint, in_node text, in_shards smallint[], in_latest jsonb, in_starts jsonb, in_changes jsonb, in_steps jsonb, in_transitions jsonb, in_extras jsonb, OUT outcome text, OUT at timestamp with time zone)
 RETURNS record
 LANGUAGE plpgsql
 SET lock_timeout TO '3s'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_material TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
declare
  part jsonb;
begin
  at := now();
  perform 1 from cluster.lanes l where l.lane_id = in_lane and l.closed_at is null for no key update;
  if not found then
    outcome := 'fenced';
    return;
  end if;
  if exists (select 1 from cluster.flush_marks m where m.lane_id = in_lane and m.seq = in_seq) then
    outcome := 'already';
    return;
  end if;
  if in_seq > 1 and not exists (select 1 from cluster.flush_marks m where m.lane_id = in_lane and m.seq = in_seq - 1) then
    outcome := 'gap';
    return;
  end if;
  if (select count(*) from cluster.shard_leases l where l.shard = any (in_shards) and l.lane_id = in_lane) <> cardinality(in_shards) then
    outcome := 'fenced';
    return;
  end if;
  if in_latest is not null and workflow_orchestrator_service.heads_are_stale(in_latest) then
    outcome := 'stale';
    return;
  end if;
  insert into cluster.flush_marks (lane_id, seq) values (in_lane, in_seq);
  if in_seq % 1000 = 0 then
    delete from cluster.flush_marks m where m.lane_id = in_lane and m.seq < in_seq - 1000;
  end if;

  if in_starts is not null then
    insert into workflow_orchestrator_service.workflow_instances
      (shard, id, namespace, workflow_definition_id, workflow_id, status, ready, priority, current_step_id, correlation_id,
       started_by, trigger_event_id, input, started_at, updated_at)
    select (e->>0)::smallint, (e->>1)::uuid, e->>2, (e->>3)::uuid, e->>4, e->>5, true, (e->>6)::smallint, e->>7, e->>8,
      e->>9, (e->>10)::uuid, e->11, to_timestamp((e->>12)::float8 / 1000), at
    from jsonb_array_elements(in_starts) e;
  end if;

  if in_changes is not null then
    -- A field that is absent keeps what the row has; `state` is large and written only when the instance goes to sleep.
    update workflow_orchestrator_service.workflow_instances i set
      status = e->>2,
      ready = (e->>3)::boolean,
      current_step_id = e->>4,
      awaiting_task_id = e->>5,
      state = case when e->>6 is null then i.state else nullif(e->7, 'null') end,
      state_seq = coalesce((e->>6)::integer, i.state_seq),
      output = coalesce(nullif(e->8, 'null'), i.output),
      error = coalesce(nullif(e->9, 'null'), i.error),
      cancelation = coalesce(nullif(e->10, 'null'), i.cancelation),
      compensation_state = coalesce(nullif(e->11, 'null'), i.compensation_state),
      completed_at = coalesce(to_timestamp((e->>12)::float8 / 1000), i.completed_at),
      started_at = coalesce(to_timestamp((e->>13)::float8 / 1000), i.started_at),
      parked = nullif(e->14, 'null'),
      updated_at = at,
      version = i.version + 1
    from jsonb_array_elements(in_changes) e
    where i.shard = (e->>0)::smallint and i.id = (e->>1)::uuid;
  end if;

  if in_steps is not null then
    insert into workflow_orchestrator_service.workflow_instance_steps
      (shard, instance_id, seq, path, step_id, type, attempt, status, input, output, error, outcome, started_at, completed_at,
       node_id, epoch, recorded_at)
    select (e->>0)::smallint, (e->>1)::uuid, (e->>2)::integer, e->>3, coalesce(e->>4, e->>3), e->>5, (e->>6)::integer, e->>7,
      nullif(e->8, 'null'), nullif(e->9, 'null'), nullif(e->10, 'null'), nullif(e->11, 'null'),
      to_timestamp((e->>12)::float8 / 1000), to_timestamp((e->>13)::float8 / 1000), in_node, (e->>14)::integer, at
    from jsonb_array_elements(in_steps) e;
  end if;

  if in_transitions is not null then
    insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event, transition_data)
    select (e->>0)::smallint, e->>1, (e->>2)::uuid, 'workflow', e->>3, e->>4, e->>5, nullif(e->6, 'null')
    from jsonb_array_elements(in_transitions) e;
  end if;

  if in_extras is not null then
    part := in_extras->'timersArmed';
    if part is not null then
      insert into workflow_orchestrator_service.timers (shard, due_at, instance_id, timer_key)
      select (e->>0)::smallint, to_timestamp((e->>1)::float8 / 1000), (e->>2)::uuid, e->>3 from jsonb_array_elements(part) e;
    end if;
    part := in_extras->'timersCleared';
    if part is not null then
      delete from workflow_orchestrator_service.timers t using jsonb_array_elements(part) e
      where t.shard = (e->>0)::smallint and t.due_at = to_timestamp((e->>1)::float8 / 1000)
        and t.instance_id = (e->>2)::uuid and t.timer_key = e->>3;
    end if;
    part := in_extras->'waitsOpened';
    if part is not null then
      insert into workflow_orchestrator_service.workflow_event_subscriptions
        (shard, workflow_instance_id, path, namespace, event_pattern, filter_condition, status, timeout_at, wait_step_id,
         timeout_handler_step_id, created_at)
      select (e->>0)::smallint, (e->>1)::uuid, e->>2, e->>3, e->>4, e->>5, 'active', to_timestamp((e->>6)::float8 / 1000), e->>7, e->>8, at
      from jsonb_array_elements(part) e;
    end if;
    part := in_extras->'waitsEnded';
    if part is not null then
      update workflow_orchestrator_service.workflow_event_subscriptions s
      set status = e->>3, fulfilled_by_event_id = (e->>4)::uuid, fulfilled_at = at
      from jsonb_array_elements(part) e
      where s.shard = (e->>0)::smallint and s.workflow_instance_id = (e->>1)::uuid and s.path = e->>2;
    end if;
    part := in_extras->'waitsAbandoned';
    if part is not null then
      update workflow_orchestrator_service.workflow_event_subscriptions s set status = 'cancelled', fulfilled_at = at
      from jsonb_array_elements(part) e
      where s.shard = (e->>0)::smallint and s.workflow_instance_id = (e->>1)::uuid and s.status = 'active';
    end if;
    part := in_extras->'inboxConsumed';
    if part is not null then
      delete from workflow_orchestrator_service.inbox b using jsonb_array_elements(part) e
      where b.shard = (e->>0)::smallint and b.id = (e->>1)::bigint;
    end if;
    part := in_extras->'payloadsClaimed';
    if part is not null then
      update workflow_orchestrator_service.payloads p set claimed = true from jsonb_array_elements(part) e
      where p.shard = (e->>0)::smallint and p.id = (e->>1)::uuid;
    end if;
    part := in_extras->'errands';
    if part is not null then
      insert into workflow_orchestrator_service.errands (runner, shard, instance_id, path, step_id, task_id, attempt, input, timeout_ms, created_at)
      select e->>0, (e->>1)::smallint, (e->>2)::uuid, e->>3, e->>4, e->>5, (e->>6)::integer, e->7, (e->>8)::bigint, at
      from jsonb_array_elements(part) e;
    end if;
    part := in_extras->'shardsReleased';
    if part is not null then
      update cluster.shard_leases l set lane_id = null, epoch = l.epoch + 1, changed_at = at
      from jsonb_array_elements(part) e where l.shard = (e->>0)::smallint and l.lane_id = in_lane;
      insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event, transition_data)
      select (e->>0)::smallint, 'default', workflow_orchestrator_service.shard_entity((e->>0)::smallint), 'shard', 'HELD', 'FREE',
        'handed_over', jsonb_build_object('node', in_node, 'lane', in_lane)
      from jsonb_array_elements(part) e;
    end if;
  end if;
  outcome := 'done';
end $function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.flush_v2(in_lane uuid, in_seq bigint, in_node text, in_shards smallint[], in_latest jsonb, in_starts jsonb, in_changes jsonb, in_steps jsonb, in_transitions jsonb, in_extras jsonb, OUT outcome text, OUT at timestamp with time zone)
 RETURNS record
 LANGUAGE plpgsql
 SET lock_timeout TO '3s'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_material TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
declare
  part jsonb;
begin
  at := now();
  perform 1 from cluster.lanes l where l.lane_id = in_lane and l.closed_at is null for no key update;
  if not found then
    outcome := 'fenced';
    return;
  end if;
  if exists (select 1 from cluster.flush_marks m where m.lane_id = in_lane and m.seq = in_seq) then
    outcome := 'already';
    return;
  end if;
  if in_seq > 1 and not exists (select 1 from cluster.flush_marks m where m.lane_id = in_lane and m.seq = in_seq - 1) then
    outcome := 'gap';
    return;
  end if;
  if (select count(*) from cluster.shard_leases l where l.shard = any (in_shards) and l.lane_id = in_lane) <> cardinality(in_shards) then
    outcome := 'fenced';
    return;
  end if;
  if in_latest is not null and workflow_orchestrator_service.heads_are_stale(in_latest) then
    outcome := 'stale';
    return;
  end if;
  insert into cluster.flush_marks (lane_id, seq) values (in_lane, in_seq);
  if in_seq % 1000 = 0 then
    delete from cluster.flush_marks m where m.lane_id = in_lane and m.seq < in_seq - 1000;
  end if;

  if in_starts is not null then
    insert into workflow_orchestrator_service.workflow_instances
      (shard, id, namespace, workflow_definition_id, workflow_id, status, ready, priority, current_step_id, correlation_id,
       started_by, trigger_event_id, input, started_at, updated_at, parent_instance_id, parent_path, start_variables, retention_ms)
    select (e->>0)::smallint, (e->>1)::uuid, e->>2, (e->>3)::uuid, e->>4, e->>5, true, (e->>6)::smallint, e->>7, e->>8,
      e->>9, (e->>10)::uuid, e->11, to_timestamp((e->>12)::float8 / 1000), at, (e->>13)::uuid, e->>14, nullif(e->15, 'null'), (e->>16)::bigint
    from jsonb_array_elements(in_starts) e;
  end if;

  if in_changes is not null then
    -- A field that is absent keeps what the row has; `state` is large and written only when the instance goes to sleep.
    update workflow_orchestrator_service.workflow_instances i set
      status = e->>2,
      ready = (e->>3)::boolean,
      current_step_id = e->>4,
      awaiting_task_id = e->>5,
      state = case when e->>6 is null then i.state else nullif(e->7, 'null') end,
      state_seq = coalesce((e->>6)::integer, i.state_seq),
      -- What had ended and goes on (e->17) has of its end only what this row says.
      output = coalesce(nullif(e->8, 'null'), case when e->>17 is null then i.output end),
      error = coalesce(nullif(e->9, 'null'), case when e->>17 is null then i.error end),
      cancelation = coalesce(nullif(e->10, 'null'), i.cancelation),
      compensation_state = coalesce(nullif(e->11, 'null'), case when e->>17 is null then i.compensation_state end),
      completed_at = coalesce(to_timestamp((e->>12)::float8 / 1000), case when e->>17 is null then i.completed_at end),
      started_at = coalesce(to_timestamp((e->>13)::float8 / 1000), i.started_at),
      parked = nullif(e->14, 'null'),
      priority = coalesce((e->>15)::smallint, i.priority),
      workflow_definition_id = coalesce((e->>16)::uuid, i.workflow_definition_id),
      -- Another version keeps its instances for another time.
      retention_ms = case when e->>16 is null then i.retention_ms else (e->>18)::bigint end,
      expires_at = case
        when e->>12 is not null then to_timestamp((e->>12)::float8 / 1000)
          + case when e->>16 is null then i.retention_ms else (e->>18)::bigint end * interval '1 millisecond'
        when e->>17 is null then i.expires_at end,
      updated_at = at,
      version = i.version + 1
    from jsonb_array_elements(in_changes) e
    where i.shard = (e->>0)::smallint and i.id = (e->>1)::uuid;
  end if;

  if in_steps is not null then
    insert into workflow_orchestrator_service.workflow_instance_steps
      (shard, instance_id, seq, path, step_id, type, attempt, status, input, output, error, outcome, started_at, completed_at,
       node_id, epoch, recorded_at)
    select (e->>0)::smallint, (e->>1)::uuid, (e->>2)::integer, e->>3, coalesce(e->>4, e->>3), e->>5, (e->>6)::integer, e->>7,
      nullif(e->8, 'null'), nullif(e->9, 'null'), nullif(e->10, 'null'), nullif(e->11, 'null'),
      to_timestamp((e->>12)::float8 / 1000), to_timestamp((e->>13)::float8 / 1000), in_node, (e->>14)::integer, at
    from jsonb_array_elements(in_steps) e;
  end if;

  if in_transitions is not null then
    insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event, transition_data)
    select (e->>0)::smallint, e->>1, (e->>2)::uuid, 'workflow', e->>3, e->>4, e->>5, nullif(e->6, 'null')
    from jsonb_array_elements(in_transitions) e;
  end if;

  if in_extras is not null then
    -- What comes with every start and end is asked for first, and of most flushes nothing is left then.
    part := in_extras->'tallies';
    if part is not null then
      insert into workflow_orchestrator_service.definition_tallies (definition_id, kind, step_id, code, bucket, n, tallied_at)
      select (e->>0)::uuid, e->>1, e->>2, e->>3, (e->>4)::smallint, (e->>5)::integer, at from jsonb_array_elements(part) e;
      in_extras := nullif(in_extras - 'tallies', '{}');
    end if;
  end if;
  if in_extras is not null then
    part := in_extras->'timersArmed';
    if part is not null then
      insert into workflow_orchestrator_service.timers (shard, due_at, instance_id, timer_key)
      select (e->>0)::smallint, to_timestamp((e->>1)::float8 / 1000), (e->>2)::uuid, e->>3 from jsonb_array_elements(part) e;
    end if;
    part := in_extras->'timersCleared';
    if part is not null then
      delete from workflow_orchestrator_service.timers t using jsonb_array_elements(part) e
      where t.shard = (e->>0)::smallint and t.due_at = to_timestamp((e->>1)::float8 / 1000)
        and t.instance_id = (e->>2)::uuid and t.timer_key = e->>3;
    end if;
    part := in_extras->'waitsOpened';
    if part is not null then
      insert into workflow_orchestrator_service.workflow_event_subscriptions
        (shard, workflow_instance_id, path, namespace, event_pattern, filter_condition, status, timeout_at, wait_step_id,
         timeout_handler_step_id, created_at)
      select (e->>0)::smallint, (e->>1)::uuid, e->>2, e->>3, e->>4, e->>5, 'active', to_timestamp((e->>6)::float8 / 1000), e->>7, e->>8, at
      from jsonb_array_elements(part) e;
    end if;
    part := in_extras->'waitsEnded';
    if part is not null then
      update workflow_orchestrator_service.workflow_event_subscriptions s
      set status = e->>3, fulfilled_by_event_id = (e->>4)::uuid, fulfilled_at = at
      from jsonb_array_elements(part) e
      where s.shard = (e->>0)::smallint and s.workflow_instance_id = (e->>1)::uuid and s.path = e->>2;
    end if;
    part := in_extras->'waitsAbandoned';
    if part is not null then
      update workflow_orchestrator_service.workflow_event_subscriptions s set status = 'cancelled', fulfilled_at = at
      from jsonb_array_elements(part) e
      where s.shard = (e->>0)::smallint and s.workflow_instance_id = (e->>1)::uuid and s.status = 'active';
    end if;
    part := in_extras->'inboxConsumed';
    if part is not null then
      delete from workflow_orchestrator_service.inbox b using jsonb_array_elements(part) e
      where b.shard = (e->>0)::smallint and b.id = (e->>1)::bigint;
    end if;
    part := in_extras->'payloadsClaimed';
    if part is not null then
      update workflow_orchestrator_service.payloads p set claimed = true from jsonb_array_elements(part) e
      where p.shard = (e->>0)::smallint and p.id = (e->>1)::uuid;
    end if;
    part := in_extras->'errands';
    if part is not null then
      insert into workflow_orchestrator_service.errands
        (runner, shard, instance_id, path, step_id, task_id, attempt, input, timeout_ms, log, created_at)
      select e->>0, (e->>1)::smallint, (e->>2)::uuid, e->>3, e->>4, e->>5, (e->>6)::integer, e->7, (e->>8)::bigint, e->9, at
      from jsonb_array_elements(part) e;
    end if;
    part := in_extras->'inboxPosted';
    if part is not null then
      insert into workflow_orchestrator_service.inbox (shard, kind, instance_id, fact, from_shard, created_at)
      select (e->>0)::smallint, e->>1, (e->>2)::uuid, e->3, (e->>4)::smallint, at from jsonb_array_elements(part) e;
    end if;
    part := in_extras->'logs';
    if part is not null then
      insert into workflow_orchestrator_service.execution_logs
        (shard, instance_id, id, namespace, level, message, details, source, step_id, path, attempt, logged_at, expires_at, recorded_at)
      select (e->>0)::smallint, (e->>1)::uuid, (e->>2)::uuid, e->>3, e->>4, e->>5, nullif(e->6, 'null'), e->>7, e->>8, e->>9,
        (e->>10)::integer, to_timestamp((e->>11)::float8 / 1000), to_timestamp((e->>12)::float8 / 1000), at
      from jsonb_array_elements(part) e;
    end if;
    part := in_extras->'permitsPut';
    if part is not null then
      insert into workflow_orchestrator_service.concurrency_permits as p
        (shard, limit_id, instance_id, limit_key, state, priority, max_held, asked_at, changed_at)
      select (e->>0)::smallint, (e->>1)::uuid, (e->>2)::uuid, e->>3, e->>4, (e->>5)::smallint, (e->>6)::integer,
        to_timestamp((e->>7)::float8 / 1000), at
      from jsonb_array_elements(part) e
      on conflict (shard, limit_id, instance_id)
        do update set state = excluded.state, priority = excluded.priority, max_held = excluded.max_held, changed_at = excluded.changed_at;
    end if;
    part := in_extras->'permitsDropped';
    if part is not null then
      delete from workflow_orchestrator_service.concurrency_permits p using jsonb_array_elements(part) e
      where p.shard = (e->>0)::smallint and p.limit_id = (e->>1)::uuid and p.instance_id = (e->>2)::uuid;
    end if;
    part := in_extras->'shardsReleased';
    if part is not null then
      update cluster.shard_leases l set lane_id = null, epoch = l.epoch + 1, changed_at = at
      from jsonb_array_elements(part) e where l.shard = (e->>0)::smallint and l.lane_id = in_lane;
      insert into audit.fsm_transitions (shard, namespace, entity_id, entity_type, from_state, to_state, transition_event, transition_data)
      select (e->>0)::smallint, 'default', workflow_orchestrator_service.shard_entity((e->>0)::smallint), 'shard', 'HELD', 'FREE',
        'handed_over', jsonb_build_object('node', in_node, 'lane', in_lane)
      from jsonb_array_elements(part) e;
    end if;
  end if;
  outcome := 'done';
end $function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.flush_v3(in_lane uuid, in_seq bigint, in_node text, in_shards smallint[], in_latest jsonb, in_starts jsonb, in_changes jsonb, in_steps jsonb, in_transitions jsonb, in_extras jsonb, in_events jsonb, in_routing bigint, OUT outcome text, OUT at timestamp with time zone)
 RETURNS record
 LANGUAGE plpgsql
 SET lock_timeout TO '3s'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET enable_material TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
declare
  part jsonb;
begin
  at := now();
  if in_routing is not null
    and not exists (select 1 from event_processing_service.routing_revision r where r.revision = in_routing)
    and not exists (select 1 from cluster.flush_marks m where m.lane_id = in_lane and m.seq = in_seq) then
    outcome := 'stale_routing';
    return;
  end if;
  select f.outcome into outcome from workflow_orchestrator_service.flush_v2(
    in_lane, in_seq, in_node, in_shards, in_latest, in_starts, in_changes, in_steps, in_transitions, in_extras) f;
  if outcome <> 'done' then return; end if;

  part := in_events->'waitsOpened';
  if part is not null then
    insert into workflow_orchestrator_service.workflow_event_subscriptions
      (shard, workflow_instance_id, path, namespace, event_pattern, filter_condition, status, timeout_at, wait_step_id,
       timeout_handler_step_id, created_at, match_key, since)
    select (e->>0)::smallint, (e->>1)::uuid, e->>2, e->>3, e->>4, e->>5, 'active', to_timestamp((e->>6)::float8 / 1000), e->>7, e->>8,
      at, e->>9, to_timestamp((e->>10)::float8 / 1000)
    from jsonb_array_elements(part) e;
  end if;
  part := in_events->'waitsEnded';
  if part is not null then
    update workflow_orchestrator_service.workflow_event_subscriptions s
    set status = e->>3, fulfilled_by_event_id = (e->>4)::uuid, fulfilled_at = at
    from jsonb_array_elements(part) e
    where s.shard = (e->>0)::smallint and s.workflow_instance_id = (e->>1)::uuid and s.path = e->>2;
  end if;
  part := in_events->'waitsAbandoned';
  if part is not null then
    -- What is open has not ended. By its status it would be sought among the open waits of the whole shard.
    update workflow_orchestrator_service.workflow_event_subscriptions s set status = 'cancelled', fulfilled_at = at
    from jsonb_array_elements(part) e
    where s.shard = (e->>0)::smallint and s.workflow_instance_id = (e->>1)::uuid and s.fulfilled_at is null;
  end if;
  part := in_events->'lookBackFloors';
  if part is not null then
    insert into event_processing_service.look_back_floors as f (shard, floor)
    select (e->>0)::smallint, to_timestamp(max((e->>1)::float8) / 1000) from jsonb_array_elements(part) e group by 1
    on conflict (shard) do update set floor = excluded.floor;
  end if;
  part := in_events->'eventsPublished';
  if part is not null then
    perform event_processing_service.insert_events_v1(part, at, in_routing);
  end if;
  part := in_events->'routed';
  if part is not null then
    insert into event_processing_service.event_routings (shard, event_id, replay_id, namespace, decisions, routed_at)
    select (e->>0)::smallint, (e->>1)::uuid, coalesce((e->>2)::uuid, '00000000-0000-0000-0000-000000000000'), e->>3, e->4, at
    from jsonb_array_elements(part) e
    -- A dead letter is routed again, not the event.
    on conflict (shard, event_id, replay_id)
      do update set decisions = event_routings.decisions || excluded.decisions, routed_at = excluded.routed_at;
  end if;
  part := in_events->'deliveries';
  if part is not null then
    insert into event_processing_service.event_deliveries
      (id, shard, namespace, event_id, subscription_id, replay_id, next_attempt_at, created_at, updated_at)
    select (e->>0)::uuid, (e->>1)::smallint, e->>2, (e->>3)::uuid, (e->>4)::uuid, (e->>5)::uuid, at, at, at
    from jsonb_array_elements(part) e;
  end if;
  part := in_events->'deadLettered';
  if part is not null then
    insert into event_processing_service.dead_letter_queue
      (id, namespace, event_id, event_instance_id, subscriber_id, original_event, error_message, error_type, error_code,
       error_context, created_at, updated_at)
    select (e->>0)::uuid, e->>1, e->>2, (e->>3)::uuid, e->>4, e->5, e->>6, e->>7, e->>8, nullif(e->9, 'null'), at, at
    from jsonb_array_elements(part) e;
  end if;
  part := in_events->'deadLettersSettled';
  if part is not null then
    -- [id, failure message or null, type, code, strategy, by].
    update event_processing_service.dead_letter_queue d set
      status = case when e->>1 is null then 'resolved' else 'pending' end,
      resolution_timestamp = case when e->>1 is null then at end,
      resolution_strategy = case when e->>1 is null then e->>4 end,
      resolved_by = case when e->>1 is null then e->>5 end,
      error_message = coalesce(e->>1, d.error_message),
      error_type = coalesce(e->>2, d.error_type),
      error_code = coalesce(e->>3, d.error_code),
      retry_count = d.retry_count + 1,
      retry_history = d.retry_history || jsonb_build_array(jsonb_build_object('timestamp', at, 'error', e->1)),
      updated_at = at
    from jsonb_array_elements(part) e
    where d.id = (e->>0)::uuid and d.status = 'reprocessing';
  end if;
  part := in_events->'occurrencesPut';
  if part is not null then
    insert into workflow_orchestrator_service.schedule_occurrences as o
      (shard, schedule_id, planned_at, status, reason, instance_id, backfill_id, occurred_at)
    select (e->>0)::smallint, (e->>1)::uuid, to_timestamp((e->>2)::float8 / 1000), e->>3, e->>4, (e->>5)::uuid, (e->>6)::uuid, at
    from jsonb_array_elements(part) e
    on conflict (shard, schedule_id, planned_at) do update
      set status = excluded.status, reason = excluded.reason, instance_id = excluded.instance_id,
        backfill_id = coalesce(excluded.backfill_id, o.backfill_id), occurred_at = excluded.occurred_at;
  end if;
  part := in_events->'firings';
  if part is not null then
    insert into workflow_orchestrator_service.trigger_firings as f (shard, trigger_id, fired, last_fired_at)
    select (e->>0)::smallint, (e->>1)::uuid, sum((e->>2)::bigint), to_timestamp(max((e->>3)::float8) / 1000)
    from jsonb_array_elements(part) e group by 1, 2
    on conflict (trigger_id, shard)
      do update set fired = f.fired + excluded.fired, last_fired_at = greatest(f.last_fired_at, excluded.last_fired_at);
  end if;
end $function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.heads_are_stale(heads jsonb)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  select exists (
    select 1 from jsonb_array_elements(heads) e
    left join workflow_orchestrator_service.workflow_heads h
      on h.namespace = e->>0 and h.workflow_id = e->>1
    where h.revision is distinct from (e->>2)::bigint)
$function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.is_expired(status text, completed_at timestamp with time zone, expires_at timestamp with time zone, horizon timestamp with time zone, at timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select status in ('COMPLETED', 'FAILED', 'CANCELLED') and completed_at is not null
    and case when expires_at is null then completed_at < horizon else expires_at < at end
$function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.is_expired(status text, completed_at timestamp with time zone, horizon timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select status in ('COMPLETED', 'FAILED', 'CANCELLED') and completed_at is not null and completed_at < horizon
$function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.shard_entity(shard smallint)
 RETURNS uuid
 LANGUAGE sql
 IMMUTABLE
AS $function$ select lpad(to_hex(shard::integer), 32, '0')::uuid $function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.stop_users_of(in_table regclass)
 RETURNS void
 LANGUAGE plpgsql
 SET lock_timeout TO '100ms'
AS $function$
begin
  for attempt in 1 .. 5 loop
    begin
      execute format('lock table only %s in access exclusive mode', in_table);
      return;
    exception when lock_not_available then
      if attempt = 5 then raise; end if;
    end;
    perform pg_sleep(0.5);
  end loop;
end $function$;

CREATE OR REPLACE FUNCTION workflow_orchestrator_service.uuid_floor(instant timestamp with time zone)
 RETURNS uuid
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select (lpad(to_hex(floor(extract(epoch from instant) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$function$;
