/** The SQL of bulk operations. Whoever changes a row while it is running holds its claim; only `cancel` does not. */
import { statement } from "../../../foundation/database/index.ts";
import type { BulkAction, BulkFailure, BulkFilter, BulkParameters, BulkStatus } from "./model.ts";

export interface BulkSummaryRow {
  id: string;
  action: BulkAction;
  status: BulkStatus;
  filter: BulkFilter | null;
  parameters: BulkParameters;
  requestedBy: string;
  matched: number;
  done: number;
  succeeded: number;
  failed: number;
  createdAt: string;
  completedAt: string | null;
}

export interface BulkRow extends BulkSummaryRow {
  failures: BulkFailure[];
}

/** An operation as its worker needs it. */
export interface ClaimedRow extends BulkRow {
  namespace: string;
  ids: string[] | null;
  cursor: string | null;
  inHand: string[];
}

const summaryColumns = `b.id, b.action, b.status, b.filter, b.parameters, b.requested_by as "requestedBy", b.matched,
  b.done, b.succeeded, b.failed, b.created_at as "createdAt", b.completed_at as "completedAt"`;

/** One that matches nothing is completed at once. */
export const insertBulk = statement(
  "workflows.insert_bulk_operation",
  `insert into workflow_orchestrator_service.bulk_operations
     (id, namespace, action, filter, ids, parameters, requested_by, matched, status, completed_at)
   values ($1, $2, $3, $4, $5, $6, $7, $8, case when $8::bigint = 0 then 'completed' else 'running' end,
     case when $8::bigint = 0 then now() end)`,
);

export const readBulk = statement(
  "workflows.read_bulk_operation",
  `select ${summaryColumns}, b.failures from workflow_orchestrator_service.bulk_operations b
   where b.id = $1 and b.namespace = $2`,
);

/** Newest first; `$2` is the id below which to go on, null for the first page. */
export const listBulks = statement(
  "workflows.list_bulk_operations",
  `select ${summaryColumns} from workflow_orchestrator_service.bulk_operations b
   where b.namespace = $1 and ($2::uuid is null or b.id < $2) order by b.id desc limit $3`,
);

/** What the worker has in hand at this moment is still recorded; then it sees the status and stops. */
export const cancelBulk = statement(
  "workflows.cancel_bulk_operation",
  `update workflow_orchestrator_service.bulk_operations b set status = 'cancelled', completed_at = now()
   where b.id = $1 and b.namespace = $2 and b.status = 'running'
   returning ${summaryColumns}, b.failures`,
);

/**
 * Claims the oldest operation that nobody works on, for `$2` milliseconds; `$3` are those that this node has had in this
 * run and does not want again.
 */
export const claimBulk = statement(
  "workflows.claim_bulk_operation",
  `update workflow_orchestrator_service.bulk_operations b
   set claimed_by = $1, claimed_until = now() + $2::float8 * interval '1 millisecond'
   where b.id = (
     select o.id from workflow_orchestrator_service.bulk_operations o
     where o.status = 'running' and o.id <> all ($3::uuid[])
       and (o.claimed_until is null or o.claimed_until < now())
     order by o.id limit 1
     for no key update skip locked)
   returning ${summaryColumns}, b.failures, b.namespace, b.ids, b.cursor, b.in_hand as "inHand"`,
);

/** Gives the status, or no row when the claim is another's by now. */
export const renewBulk = statement(
  "workflows.renew_bulk_operation",
  `update workflow_orchestrator_service.bulk_operations b
   set claimed_until = now() + $3::float8 * interval '1 millisecond'
   where b.id = $1 and b.claimed_by = $2
   returning b.status`,
);

/** Says what is about to be acted on; no row when the claim is lost or the operation is not running any more. */
export const takeBulkInHand = statement(
  "workflows.take_bulk_in_hand",
  `update workflow_orchestrator_service.bulk_operations b
   set in_hand = $4, claimed_until = now() + $3::float8 * interval '1 millisecond'
   where b.id = $1 and b.claimed_by = $2 and b.status = 'running'
   returning b.status`,
);

/** Records what became of a page and renews the claim. Gives the status; no row when the claim is lost. */
export const recordBulk = statement(
  "workflows.record_bulk_progress",
  `update workflow_orchestrator_service.bulk_operations b
   set cursor = $4, in_hand = '{}', done = b.done + $5::bigint + $6::bigint, succeeded = b.succeeded + $5,
     failed = b.failed + $6, failures = $7, claimed_until = now() + $3::float8 * interval '1 millisecond'
   where b.id = $1 and b.claimed_by = $2
   returning b.status`,
);

export const completeBulk = statement(
  "workflows.complete_bulk_operation",
  `update workflow_orchestrator_service.bulk_operations
   set status = 'completed', completed_at = now(), claimed_by = null, claimed_until = null
   where id = $1 and claimed_by = $2 and status = 'running'`,
);

/** Lets another node go on at once. */
export const releaseBulk = statement(
  "workflows.release_bulk_operation",
  `update workflow_orchestrator_service.bulk_operations set claimed_by = null, claimed_until = null
   where id = $1 and claimed_by = $2`,
);

/** In the order of ids; nodes that meet step aside for one another. */
export const removeOldBulks = statement(
  "workflows.remove_old_bulk_operations",
  `delete from workflow_orchestrator_service.bulk_operations b
   where b.id in (
     select o.id from workflow_orchestrator_service.bulk_operations o
     where o.completed_at < now() - $1::float8 * interval '1 millisecond'
     order by o.completed_at, o.id limit 1000
     for update skip locked)`,
);
