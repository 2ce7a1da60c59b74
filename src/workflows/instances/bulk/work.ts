/**
 * The work of one bulk operation, by the node that has claimed it.
 *
 *     claim ─▶ page of instances ─▶ in hand? ─▶ act on each ─▶ record, renew ─┐
 *                     ▲                                                       │
 *                     └───────────────────────────────────────────────────────┘
 *
 * What is promised:
 * - After a crash another node goes on after the last page that was recorded.
 * - Cancel, pause, resume and priority may then be asked for twice. The second time changes nothing: an instance that
 *   refuses because it is already as wished counts as done.
 * - Restart, retry and skip are asked for at most once. Their page is written down before anything is done; whoever finds
 *   such a page after a crash counts each of its instances as failed with `instances.outcome_unknown`, and goes on.
 * - A database that does not answer fails no instance: what became of a page cannot be recorded then, and the loop comes
 *   back to it as after a crash.
 */
import { AppError } from "../../../foundation/errors.ts";
import { isFault, partialProblem, toAppError } from "../../../foundation/http/index.ts";
import { instanceErrors } from "../errors.ts";
import type { Instances } from "../operations.ts";
import { eachInParallel, isOverload, patiently } from "../parallel.ts";
import { act } from "./act.ts";
import { actsOnce, type BulkFailure, type BulkStatus, isAlready, mostFailuresKept, pageSizeOf } from "./model.ts";
import * as queries from "./queries.ts";

/** Several requests share a flush or a transaction; more would crowd out other callers. */
const inFlight = 20;
/** How long one instance may hold its page up while the engine has too much to do. */
const patienceMs = 30_000;

export interface Working {
  instances: Instances;
  nodeId: string;
  claimMs: number;
  /** Aborts when the node stops: what is under way is finished and recorded, and another node goes on. */
  signal: AbortSignal;
}

interface Outcome {
  instanceId: string;
  failure?: AppError;
}

/** Works until nothing is left, the operation is cancelled, the claim is lost or the node stops. */
export async function workOff(working: Working, operation: queries.ClaimedRow): Promise<void> {
  const { instances, nodeId, claimMs, signal } = working;
  const { db } = instances;
  const { id, action, inHand } = operation;
  const failures: BulkFailure[] = [...operation.failures];
  let { cursor } = operation;

  /** Whether to go on after it. */
  async function record(outcomes: readonly Outcome[]): Promise<boolean> {
    const failed = outcomes.filter(({ failure }) => failure !== undefined);
    for (const { instanceId, failure } of failed) {
      if (failures.length < mostFailuresKept) failures.push({ instanceId, problem: partialProblem(failure!) });
    }
    cursor = outcomes.at(-1)?.instanceId ?? cursor;
    const counts = [outcomes.length - failed.length, failed.length];
    const values = [id, nodeId, claimMs, cursor, ...counts, JSON.stringify(failures)];
    const [row] = await db.query<{ status: BulkStatus }>(queries.recordBulk, values);
    return row?.status === "running";
  }

  if (inHand.length > 0 && !(await record(inHand.map((instanceId) => ({ instanceId, failure: outcomeUnknown() })))))
    return;
  while (!signal.aborted) {
    const page = await pageOf(instances, { ...operation, cursor });
    if (page.length === 0) {
      await db.execute(queries.completeBulk, [id, nodeId]);
      return;
    }
    if (actsOnce(action)) {
      const taken = await db.query(queries.takeBulkInHand, [id, nodeId, claimMs, page]);
      if (taken.length === 0) return;
    }
    if (!(await record(await actOnPage(working, { operation, page })))) return;
  }
}

function outcomeUnknown(): AppError {
  return instanceErrors.outcome_unknown(
    "The node that acted on this instance went away before it could record what became of it; look at the instance.",
  );
}

/** The next instances after the cursor, the newest first. */
async function pageOf(
  { engine }: Instances,
  { namespace, action, filter, ids, cursor }: queries.ClaimedRow,
): Promise<string[]> {
  const limit = pageSizeOf(action);
  if (ids !== null) {
    const from = cursor === null ? 0 : ids.findIndex((id) => id < cursor);
    return from === -1 ? [] : ids.slice(from, from + limit);
  }
  const page = await engine.listInstances({ ...filter, namespace, limit, after: cursor ?? undefined });
  return page.map(({ id }) => id);
}

/** Acts on the instances of a page, in their order, and gives what became of those that were begun: the first so many. */
async function actOnPage(
  working: Working,
  { operation, page }: { operation: queries.ClaimedRow; page: readonly string[] },
): Promise<Outcome[]> {
  const { instances, nodeId, claimMs, signal } = working;
  let held = true;
  const renewal = setInterval(() => {
    instances.db
      .query<{ status: BulkStatus }>(queries.renewBulk, [operation.id, nodeId, claimMs])
      .then(([row]) => {
        held = row?.status === "running";
      })
      // A claim that cannot be renewed runs out; the record of this page will find that it has.
      .catch((error: unknown) => instances.log.debug({ err: error }, "the claim of a bulk operation was not renewed"));
  }, claimMs / 3);
  try {
    const outcomes: Outcome[] = [];
    await eachInParallel(
      page,
      { limit: inFlight, goesOn: () => held && !signal.aborted },
      async (instanceId, index) => {
        outcomes[index] = { instanceId, ...(await actOnOne(working, { operation, instanceId })) };
      },
    );
    return outcomes;
  } finally {
    clearInterval(renewal);
  }
}

async function actOnOne(
  { instances, signal }: Working,
  { operation, instanceId }: { operation: queries.ClaimedRow; instanceId: string },
): Promise<{ failure?: AppError }> {
  const once = actsOnce(operation.action);
  const passes = once ? isOverload : isPassing;
  try {
    const ask = () => act(instances, { operation, instanceId });
    await patiently(ask, { passes, untilMs: performance.now() + patienceMs, signal });
    return {};
  } catch (error) {
    const failure = toAppError(error);
    // The node stops, so its patience had no time; where asking twice does no harm, another node begins this page again.
    if (!once && signal.aborted && isPassing(failure)) throw error;
    if (!once && failure.kind === "conflict" && (await isAlreadySo(instances, { operation, instanceId }))) return {};
    if (!(error instanceof AppError) && isFault(failure)) {
      instances.log.error(
        { err: error, operationId: operation.id, instanceId },
        "a bulk operation failed on an instance",
      );
    }
    return { failure };
  }
}

/** What another try may find changed, without anybody doing anything. */
function isPassing({ kind }: AppError): boolean {
  return kind === "limited" || kind === "unavailable";
}

async function isAlreadySo(
  { engine }: Instances,
  { operation, instanceId }: { operation: queries.ClaimedRow; instanceId: string },
): Promise<boolean> {
  const view = await engine.getInstance({ namespace: operation.namespace, instanceId });
  return view !== undefined && isAlready(operation, view);
}
