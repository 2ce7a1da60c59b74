/** Statistics of definitions: sums that are kept, and the tallies that have not been moved into them. */

import { statement } from "../../foundation/database/index.ts";

/** All classes of the versions ($1) of a workflow. Two index ranges for each version; nothing is counted. */
export const readStatistics = statement(
  "engine.read_statistics",
  `select s.kind, s.step_id as "stepId", s.code, s.bucket, sum(s.n)::float8 as n, min(s.since) as since from (
     select k.kind, k.step_id, k.code, k.bucket, k.n, k.since
     from workflow_orchestrator_service.definition_statistics k where k.definition_id = any ($1::uuid[])
     union all
     select t.kind, coalesce(t.step_id, ''), coalesce(t.code, ''), coalesce(t.bucket, -1), t.n, t.tallied_at
     from workflow_orchestrator_service.definition_tallies t where t.definition_id = any ($1::uuid[])) s
   group by s.kind, s.step_id, s.code, s.bucket`,
);

/**
 * Moves tallies into the sums, at most 20,000 of them, oldest pages of the table first. What is moved is deleted in the same statement, so each counts once,
 * however many nodes move at a time. Rows of sums are locked in the order of their key.
 */
export const moveTallies = statement(
  "engine.move_tallies",
  `with moved as (
     delete from workflow_orchestrator_service.definition_tallies t
     where t.ctid = any (array(
       select d.ctid from workflow_orchestrator_service.definition_tallies d limit 20000 for update skip locked))
     returning t.*),
   sums as (
     select m.definition_id, m.kind, coalesce(m.step_id, '') as step_id, coalesce(m.code, '') as code,
       coalesce(m.bucket, -1) as bucket, sum(m.n) as n, min(m.tallied_at) as since
     from moved m group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5),
   kept as (
     insert into workflow_orchestrator_service.definition_statistics as k (definition_id, kind, step_id, code, bucket, n, since)
     select s.definition_id, s.kind, s.step_id, s.code, s.bucket, s.n, s.since from sums s
     on conflict (definition_id, kind, step_id, code, bucket)
       do update set n = k.n + excluded.n, since = least(k.since, excluded.since))
   select count(*)::integer as moved from moved`,
);

/**
 * Of each version the $1 most frequent failures are kept by their codes; what is rarer counts as "OTHER" of its step. Codes
 * come from handlers, who may put anything into them. Looks at the sums of failures alone.
 */
export const foldRareFailures = statement(
  "engine.fold_rare_failures",
  `with ranked as (
     select k.definition_id, k.step_id, k.code,
       row_number() over (partition by k.definition_id order by k.n desc, k.step_id, k.code) as place
     from workflow_orchestrator_service.definition_statistics k where k.kind = 'failure' and k.code <> 'OTHER'),
   rare as (
     delete from workflow_orchestrator_service.definition_statistics k using ranked r
     where r.place > $1 and k.definition_id = r.definition_id and k.kind = 'failure' and k.step_id = r.step_id and k.code = r.code
     returning k.definition_id, k.step_id, k.n, k.since)
   insert into workflow_orchestrator_service.definition_statistics as k (definition_id, kind, step_id, code, bucket, n, since)
   select r.definition_id, 'failure', r.step_id, 'OTHER', -1, sum(r.n), min(r.since) from rare r group by r.definition_id, r.step_id
   order by r.definition_id, r.step_id
   on conflict (definition_id, kind, step_id, code, bucket)
     do update set n = k.n + excluded.n, since = least(k.since, excluded.since)`,
);
