/**
 * A database as it is after weeks of events: 200,000 of them over four partitions, each with its deduplication key, a
 * look-up key and its line of the ledger; and as many waits, a third of them open. Values are a function of the row's number.
 */
import type { Db } from "../../src/foundation/database/index.ts";
import { type Sample, shardCount } from "./many_instances.ts";

export const eventCount = 200_000;
export const eventsNamespace = "big";
export const days = 21;
/** Fifty names. */
export const patternOf = (n: number): string => `orders.p${n % 50}`;
/** Two events have the same key. */
export const matchKeyOf = (n: number): string => `key-${Math.floor(n / 2)}`;
export const publisherIdOf = (n: number): string => `e-${n}`;

const events = "event_processing_service";
const engine = "workflow_orchestrator_service";

const texts = [
  "set synchronous_commit = off",
  "set work_mem = '64MB'",
  "set timezone = 'UTC'",
  `create temporary table made as
   select n, (n % ${shardCount})::smallint as shard, to_timestamp(ms / 1000.0) as at,
     (lpad(to_hex(ms), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0') || '8' || substr(md5(n::text), 1, 12)
       || lpad(to_hex(n % ${shardCount}), 3, '0'))::uuid as id
   from (select n, ((extract(epoch from now()) - ${days} * 86400) * 1000)::bigint + n::bigint * (${days} * 86400000) / ${eventCount} as ms
     from generate_series(1, ${eventCount}) n) g`,
  `insert into ${events}.event_instances (shard, id, namespace, event_id, pattern, source_key, "timestamp", payload, metadata, accepted_at)
   select shard, id, '${eventsNamespace}', 'e-' || n, 'orders.p' || n % 50, 'shop', at, '{"order": 17}', '{}', at from made`,
  `insert into ${events}.event_match_keys (namespace, match_key, id, shard)
   select '${eventsNamespace}', 'key-' || n / 2, id, shard from made`,
  `insert into ${events}.event_keys (shard, namespace, source_key, event_id, id, accepted_at, expires_at)
   select shard, '${eventsNamespace}', 'shop', 'e-' || n, id, at, at + interval '7 days' from made`,
  `insert into ${events}.event_routings (shard, event_id, namespace, decisions, routed_at)
   select shard, id, '${eventsNamespace}', '[]', at from made`,
  `insert into ${engine}.workflow_event_subscriptions
     (shard, workflow_instance_id, path, namespace, event_pattern, status, wait_step_id, created_at, match_key)
   select shard, id, 'w', '${eventsNamespace}', 'orders.p' || n % 50, case when n % 3 = 2 then 'active' else 'fulfilled' end, 'w', at,
     'key-' || n / 2 from made`,
  `insert into ${engine}.inbox (shard, kind, instance_id, fact) select shard, 'EVENT', id, '{}' from made where n % 4 = 0`,
  `insert into ${events}.event_wait_shapes (namespace, pattern, paths, registered_at)
   select '${eventsNamespace}', 'orders.p' || n, array['payload.order'], now() - interval '${days} days' from generate_series(0, 999) n`,
  `insert into ${events}.dead_letter_queue (id, namespace, subscriber_id, original_event, error_message, error_type, error_code, status)
   select id, '${eventsNamespace}', 'trigger:x', '{}', 'm', 'VALIDATION', 'C', 'reprocessing' from made where n % 100 = 2`,
  `insert into ${engine}.schedule_occurrences (shard, schedule_id, planned_at, status, occurred_at)
   select shard, id, at, 'fired', at from made where n % 10 = 2`,
  `insert into ${engine}.trigger_firings (shard, trigger_id, fired, last_fired_at) select shard, id, 1, at from made where n % 10 = 2`,
  // The floors are of an hour ago.
  `insert into ${events}.look_back_floors (shard, floor) select g, now() - interval '1 hour' from generate_series(0, ${shardCount - 1}) g
   on conflict (shard) do update set floor = excluded.floor`,
];

/** Fills a migrated database whose partitions are there. Nothing is analyzed. Gives each hundredth event. */
export async function insertManyEvents(connection: Db): Promise<Sample[]> {
  for (const text of texts) await connection.unnamed(text);
  return await connection.unnamed<Sample>("select n, shard, id from made where n % 100 = 2 order by n");
}
