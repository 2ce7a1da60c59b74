/** A database as it is after weeks of events: 200,000 of them over five partitions, and what belongs to them. */
import type { Db } from "../../src/foundation/database/index.ts";
import { bigNamespace, shardCount } from "./many_instances.ts";

const eventCount = 200_000;
const days = 21;
const schema = "event_processing_service";

/** Each thousandth event. It has a correlation, a source and an eventId of its own; a cause too. */
export interface EventSample {
  n: number;
  shard: number;
  id: string;
}

const atMs = `(((extract(epoch from now()) - ${days} * 86400) * 1000)::bigint + n::bigint * (${days} * 86400000) / ${eventCount})`;
const idOf = `(lpad(to_hex(ms), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0') || '8' || substr(md5(n::text), 1, 12)
     || lpad(to_hex(n % ${shardCount}), 3, '0'))::uuid`;

/** `h` is noise from 0 to 65,535 that has nothing to do with `n`. */
const texts = [
  "set synchronous_commit = off",
  "set timezone = 'UTC'",
  "select workflow_orchestrator_service.engine_ensure_partitions(now() - interval '22 days', now() + interval '8 days')",
  `create temporary table made_events as
   select n, (n % ${shardCount})::smallint as shard, ('x' || substr(md5(n::text), 13, 4))::bit(16)::int as h,
     to_timestamp(ms / 1000.0) as at, ${idOf} as id,
     case when n % 10 < 8 then '${bigNamespace}' else 'small-' || n % 7 end as namespace
   from (select n, ${atMs} as ms from generate_series(1, ${eventCount}) n) g`,
  `insert into ${schema}.event_instances
     (shard, id, namespace, event_id, pattern, source, source_key, "timestamp", payload, metadata, accepted_at)
   select shard, id, namespace, case when n % 2 = 0 then 'event-' || n else id::text end, 'orders.n' || h % 50 || '.paid',
     '{"type": "external"}', case when h % 4 > 0 or n % 1000 = 0 then 'source-' || n % 1000 end, at,
     jsonb_build_object('order', n, 'text', repeat(md5(n::text), 10)),
     case when h % 3 > 0 or n % 1000 = 0 then jsonb_build_object('correlationId', 'c-' || n / 3, 'causationId', 'event-' || n / 5 * 5)
       else '{}' end, at
   from made_events`,
  `insert into ${schema}.event_routings (shard, event_id, namespace, decisions, routed_at)
   select shard, id, namespace, '[]', at from made_events`,
  `insert into ${schema}.event_deliveries (id, shard, namespace, event_id, subscription_id, status)
   select gen_random_uuid(), shard, namespace, id, '0197e000-0000-7000-8000-000000000001', 'delivered' from made_events where n % 2 = 0`,
  `insert into ${schema}.dead_letter_queue
     (id, namespace, event_id, event_instance_id, subscriber_id, original_event, error_message, error_type, error_code)
   select gen_random_uuid(), namespace, 'event-' || n, case when n % 4 = 0 then id end,
     case when n % 4 = 0 then 'trigger:x' else 'intake' end, '{}', 'm', 'VALIDATION', 'UNKNOWN_EVENT'
   from made_events where n % 2 = 0`,
  `insert into ${schema}.event_definitions (id, namespace, event_id, name, pattern, version, version_order, status)
   select ('0197e000-0000-7000-8000-' || lpad(d::text, 12, '0'))::uuid, '${bigNamespace}', 'E' || d / 10, 'E', 'orders.n' || d / 10 || '.paid',
     '1.' || d % 10 || '.0', '011.01' || d % 10 || '.010~', case when d % 10 > 7 then 'draft' else 'active' end
   from generate_series(0, 19999) d`,
  `insert into ${schema}.event_settings (namespace) select 'n' || d from generate_series(1, 5000) d`,
];

/** Fills a migrated database; nothing is analyzed. */
export async function insertManyEvents(connection: Db): Promise<EventSample[]> {
  for (const text of texts) await connection.unnamed(text);
  return await connection.unnamed<EventSample>("select n, shard, id from made_events where n % 1000 = 0 order by n");
}
