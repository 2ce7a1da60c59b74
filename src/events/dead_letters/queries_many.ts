/** The SQL of reprocessing many dead letters. Whoever changes a row while it is running holds its claim; only `cancel` does not. */
import { statement } from "../../foundation/database/index.ts";
import type { PartialProblem } from "../../foundation/http/index.ts";
import type { LetterFilter } from "./model.ts";

export interface ReprocessingRow {
  id: string;
  namespace: string;
  filter: LetterFilter;
  batchSize: number;
  concurrency: number;
  status: "running" | "completed" | "cancelled";
  requestedBy: string;
  matched: number;
  done: number;
  succeeded: number;
  failed: number;
  failures: { id: string; problem: PartialProblem }[];
  cursor: string | null;
  createdAt: string;
  completedAt: string | null;
}

const columns = `r.id, r.namespace, r.filter, r.batch_size as "batchSize", r.concurrency, r.status,
  r.requested_by as "requestedBy", r.matched, r.done, r.succeeded, r.failed, r.failures, r.cursor,
  r.created_at as "createdAt", r.completed_at as "completedAt"`;

export const insertReprocessing = statement(
  "events.insert_reprocessing",
  `insert into event_processing_service.dead_letter_reprocessings as r
     (id, namespace, filter, batch_size, concurrency, requested_by, matched)
   values ($1, $2, $3, $4, $5, $6, $7)
   returning ${columns}`,
);

export const readReprocessing = statement(
  "events.read_reprocessing",
  `select ${columns} from event_processing_service.dead_letter_reprocessings r where r.id = $2 and r.namespace = $1`,
);

/** Newest first; `$2` is the id below which to go on, null for the first page. */
export const listReprocessings = statement(
  "events.list_reprocessings",
  `select ${columns} from event_processing_service.dead_letter_reprocessings r
   where r.namespace = $1 and ($2::uuid is null or r.id < $2) order by r.id desc limit $3`,
);

export const cancelReprocessing = statement(
  "events.cancel_reprocessing",
  `update event_processing_service.dead_letter_reprocessings r set status = 'cancelled', completed_at = now()
   where r.id = $2 and r.namespace = $1 and r.status = 'running'
   returning ${columns}`,
);

/** Claims the oldest one that nobody works on, for `$2` milliseconds; `$3` are those that this node has had. */
export const claimReprocessing = statement(
  "events.claim_reprocessing",
  `update event_processing_service.dead_letter_reprocessings r
   set claimed_by = $1, claimed_until = now() + $2::float8 * interval '1 millisecond'
   where r.id = (
     select o.id from event_processing_service.dead_letter_reprocessings o
     where o.status = 'running' and o.id <> all ($3::uuid[]) and (o.claimed_until is null or o.claimed_until < now())
     order by o.id limit 1
     for no key update skip locked)
   returning ${columns}`,
);

/** Records a page and renews the claim; no row when the claim is lost. */
export const recordReprocessing = statement(
  "events.record_reprocessing",
  `update event_processing_service.dead_letter_reprocessings r
   set cursor = $4, done = r.done + $5::bigint + $6::bigint, succeeded = r.succeeded + $5, failed = r.failed + $6,
     failures = $7, claimed_until = now() + $3::float8 * interval '1 millisecond'
   where r.id = $1 and r.claimed_by = $2
   returning r.status`,
);

export const completeReprocessing = statement(
  "events.complete_reprocessing",
  `update event_processing_service.dead_letter_reprocessings
   set status = 'completed', completed_at = now(), claimed_by = null, claimed_until = null
   where id = $1 and claimed_by = $2 and status = 'running'`,
);

/** Lets another node go on at once. */
export const releaseReprocessing = statement(
  "events.release_reprocessing",
  `update event_processing_service.dead_letter_reprocessings set claimed_by = null, claimed_until = null
   where id = $1 and claimed_by = $2`,
);

export const removeOldReprocessings = statement(
  "events.remove_old_reprocessings",
  `delete from event_processing_service.dead_letter_reprocessings r
   where r.id in (
     select o.id from event_processing_service.dead_letter_reprocessings o
     where o.completed_at < now() - $1::float8 * interval '1 millisecond'
     order by o.completed_at limit 1000
     for update skip locked)`,
);
