/** What the races left in the database. */

import { statement } from "../../src/foundation/database/index.ts";

/** Each is the number of cases that break a law. */
export const readBroken = statement(
  "race.read_broken",
  `select
     (select count(*) from workflow_orchestrator_service.workflow_event_subscriptions s where s.status = 'active')::integer as open,
     (select count(*) from workflow_orchestrator_service.workflow_event_subscriptions s
      where s.status = 'fulfilled' and s.fulfilled_by_event_id is null)::integer as unexplained,
     (select count(*) from (
        select from workflow_orchestrator_service.workflow_instance_steps s
        where s.type = 'EVENT_WAIT' and s.status <> 'RUNNING' group by s.instance_id having count(*) <> 1) d)::integer as "resumedTwice",
     (select count(*) from (
        select from workflow_orchestrator_service.workflow_event_subscriptions s
        where s.fulfilled_by_event_id is not null group by s.fulfilled_by_event_id having count(*) > 1) d)::integer as "takenTwice",
     (select count(*) from event_processing_service.event_instances e
      where not exists (select from event_processing_service.event_routings r where r.shard = e.shard and r.event_id = e.id))::integer
       as unrouted,
     (select count(*) from workflow_orchestrator_service.inbox b where b.kind in ('EVENT', 'EVENT_MATCH'))::integer as left`,
);

/** Whether the wait of an instance is open. */
export const isWaiting = statement(
  "race.is_waiting",
  `select exists (select from workflow_orchestrator_service.workflow_event_subscriptions s
     where s.shard = $1 and s.workflow_instance_id = $2 and s.status = 'active') as open`,
);
