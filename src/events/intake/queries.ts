/** The SQL of the intake: what it keeps of events that it refuses. The engine writes those that it takes. */
import { statement } from "../../foundation/database/index.ts";

export interface DeadLetterRow {
  /** The place in what was given, from 0. */
  n: number;
  id: string;
  createdAt: string;
}

/**
 * Dead letters of the intake, all of one namespace; no two of them have the same event id and source. One that is there
 * already stays as it was, and is given. Concurrent calls with the same events take turns; the order of the rows is that
 * of their keys.
 */
export const insertDeadLetters = statement(
  "events.insert_intake_dead_letters",
  `with given as (
     select (e->>0)::integer as n, (e->>1)::uuid as id, e->>2 as event_id, e->3 as original, e->>4 as message, e->>5 as code,
       e->6 as context
     from jsonb_array_elements($2::jsonb) e),
   written as (
     insert into event_processing_service.dead_letter_queue as d
       (id, namespace, event_id, subscriber_id, original_event, error_message, error_type, error_code, error_context)
     select g.id, $1, g.event_id, 'intake', g.original, g.message, 'VALIDATION', g.code, g.context
     from given g order by g.event_id, g.original->>'sourceKey'
     on conflict (namespace, event_id, (coalesce(original_event->>'sourceKey', ''))) where subscriber_id = 'intake'
     do update set namespace = d.namespace
     returning d.id, d.event_id, coalesce(d.original_event->>'sourceKey', '') as source_key, d.created_at)
   select g.n, w.id, w.created_at as "createdAt"
   from given g join written w on w.event_id = g.event_id and w.source_key = coalesce(g.original->>'sourceKey', '')`,
);
