/** The verbs on the event queue. */
import type { Engine } from "../../engine/index.ts";
import type { Database, Db } from "../../foundation/database/index.ts";
import { uuidv7 } from "../../foundation/ids.ts";
import type { Look } from "./admission.ts";
import { queueErrors } from "./errors.ts";
import type { Gate } from "./gate.ts";
import {
  configFaults,
  joinedAverage,
  mainQueue,
  type QueueConfig,
  type QueueMetrics,
  type QueueStatus,
  type Rates,
  ratesOf,
  type StoredStatus,
  shownStatus,
} from "./model.ts";
import * as queries from "./queries.ts";

export interface QueueParts {
  db: Database;
  engine: Engine;
}

export interface QueueView {
  id: string;
  status: QueueStatus;
  depth: number;
  oldestAcceptedAt?: string;
  oldestWaitingMs?: number;
  config: QueueConfig;
  metrics: QueueMetrics;
  rates: Rates & { since: string };
  checkpointId?: string;
  changedBy?: string;
  createdAt: string;
  updatedAt: string;
}

/** Whether nothing is routed; the routing table asks in the transaction in which it is loaded. */
export async function isPaused(db: Db): Promise<boolean> {
  const [row] = await db.query<{ status: StoredStatus }>(queries.readQueueStatus, [mainQueue]);
  return row?.status === "paused";
}

/** What the gate judges by: two short reads. */
export async function lookAtQueue({ db, engine }: QueueParts): Promise<Omit<Look, "atMs">> {
  const [row] = await db.query<{ status: StoredStatus; config: QueueConfig }>(queries.readQueueStatus, [mainQueue]);
  const { status, config } = row!;
  const { depth } = await engine.eventBacklog(config.maxQueueDepth + 1);
  return { status, config, depth };
}

/** More than that is not counted for people either. */
const mostCounted = 1_000_000;

/** The queue as it is now. Its metrics are measured, and written where enough time has passed. */
export async function getQueue(parts: QueueParts): Promise<QueueView> {
  const { state, metrics, rates, backlog, lastRouted, now } = await measure(parts);
  const { depth, oldestAcceptedAt } = backlog;
  const checkpointId = lastRouted ?? state.checkpointId;
  return {
    id: state.id,
    status: shownStatus(state.status, depth),
    depth,
    ...(oldestAcceptedAt !== null && {
      oldestAcceptedAt,
      oldestWaitingMs: Math.max(0, Date.parse(now) - Date.parse(oldestAcceptedAt)),
    }),
    config: state.config,
    metrics,
    rates,
    ...(checkpointId !== null && { checkpointId }),
    ...(state.changedBy !== null && { changedBy: state.changedBy }),
    createdAt: state.createdAt,
    updatedAt: state.updatedAt,
  };
}

/**
 * Counts what was accepted and routed since the last time, and writes it down. Totals are exact: ledger rows and dead letters,
 * below a horizon counted once and for good, above it each time. The average is of a sample.
 */
async function measure({ db, engine }: QueueParts) {
  const [state] = await db.query<queries.StateRow>(queries.readQueue, [mainQueue]);
  const backlog = await engine.eventBacklog(mostCounted);
  const from = state!.countedUntil;
  const [measured] = await db.query<queries.Measured>(queries.measureQueue, [from, backlog.oldestAcceptedAt]);
  const { metrics: before, sampledAccepted, sampledProcessed, sampledAt } = state!;
  const { now, horizon, processedBelow, processedAbove, errorsBelow, errorsAbove, averageMs, lastRouted } = measured!;
  const { acceptedAbove, acceptedBelow } = measured!;
  const counted = before.totalProcessed + processedBelow;
  const processed = counted + processedAbove;
  // Everything below the last horizon had been routed, so as much had been accepted.
  const accepted = before.totalProcessed + acceptedBelow + acceptedAbove;
  const all = { count: processedBelow + processedAbove, average: averageMs };
  const avgProcessingTimeMs = joinedAverage({ count: before.totalProcessed, average: before.avgProcessingTimeMs }, all);
  const errors = before.totalErrors + errorsBelow;
  const metrics = { totalProcessed: processed, totalErrors: errors + errorsAbove, avgProcessingTimeMs };
  const sinceMs = Date.parse(now) - Date.parse(sampledAt);
  const fresh = ratesOf({ sinceMs, accepted: accepted - sampledAccepted, processed: processed - sampledProcessed });
  if (fresh !== undefined) {
    // Above the horizon it is counted again the next time, so only what is below it adds to the stored average.
    const stored = {
      totalProcessed: counted,
      totalErrors: errors,
      avgProcessingTimeMs: joinedAverage(
        { count: before.totalProcessed, average: before.avgProcessingTimeMs },
        { count: processedBelow, average: averageMs },
      ),
    };
    const values = [JSON.stringify(stored), lastRouted, now, accepted, processed, JSON.stringify(fresh)];
    await db.execute(queries.saveMetrics, [mainQueue, from, horizon, ...values]);
  }
  const rates = { ...(fresh ?? state!.rates), since: sampledAt };
  return { state: state!, metrics, rates, backlog, lastRouted, now };
}

/** Writes the metrics down. */
export async function persistQueue(parts: QueueParts): Promise<void> {
  await measure(parts);
}

interface Change extends QueueParts {
  gate: Gate;
  by: string;
}

/** What pausing, resuming and draining have in common; the same again changes nothing. */
async function change({ db, engine, gate, by }: Change, to: StoredStatus): Promise<void> {
  const changed = await db.transaction(async (tx) => {
    const [state] = await tx.query<queries.StateRow>(queries.lockQueue, [mainQueue]);
    if (state!.status === to) return false;
    await tx.execute(queries.setQueueStatus, [mainQueue, to, by]);
    await tx.execute(queries.routingChanged);
    return true;
  });
  if (!changed) return;
  gate.forget();
  engine.wakeRouters();
}

/** Routing stops, on every node; what is accepted waits. */
export async function pauseQueue(what: Change): Promise<QueueView> {
  await change(what, "paused");
  await checkpointQueue(what, "paused");
  return await getQueue(what);
}

/** Routing goes on, and events are accepted. */
export async function resumeQueue(what: Change): Promise<QueueView> {
  await change(what, "active");
  return await getQueue(what);
}

/** No events are accepted until it is resumed; those that wait are routed. */
export async function drainQueue(what: Change): Promise<QueueView> {
  await change(what, "draining");
  await checkpointQueue(what, "drained");
  return await getQueue(what);
}

/** Throws `event_queue.config_invalid` for settings that do not go together. */
export async function changeQueueConfig(what: Change, wanted: Partial<QueueConfig>): Promise<QueueView> {
  await what.db.transaction(async (tx) => {
    const [state] = await tx.query<queries.StateRow>(queries.lockQueue, [mainQueue]);
    const config = { ...state!.config, ...wanted };
    const [fault, ...more] = configFaults(config);
    if (fault !== undefined) {
      const message = `The settings of the queue do not go together: ${fault.pointer.slice(1)} ${fault.message}.`;
      throw queueErrors.config_invalid(message, { errors: [fault, ...more] });
    }
    await tx.execute(queries.setQueueConfig, [mainQueue, JSON.stringify(config), what.by]);
  });
  what.gate.forget();
  return await getQueue(what);
}

export type CheckpointView = Omit<queries.CheckpointRow, "checkpointId"> & { checkpointId?: string };

const checkpointsKept = 1_000;

/** Writes down how far routing is: the last event, and how many there were. */
export async function checkpointQueue(
  parts: QueueParts,
  reason: queries.CheckpointRow["reason"],
): Promise<CheckpointView> {
  const { metrics, checkpointId } = await getQueue(parts);
  const values = [uuidv7(Date.now()), mainQueue, checkpointId ?? null, metrics.totalProcessed, reason];
  const [row] = await parts.db.query<queries.CheckpointRow>(queries.insertCheckpoint, values);
  await parts.db.execute(queries.removeOldCheckpoints, [mainQueue, checkpointsKept]);
  return checkpointOf(row!);
}

export async function listCheckpoints(
  { db }: Pick<QueueParts, "db">,
  { before, limit }: { before?: string; limit: number },
): Promise<{ items: CheckpointView[]; next: string | undefined }> {
  const values = [mainQueue, before ?? null, limit + 1];
  const rows = await db.query<queries.CheckpointRow>(queries.listCheckpoints, values);
  const items = rows.slice(0, limit).map(checkpointOf);
  return { items, next: rows.length > limit ? items.at(-1)?.id : undefined };
}

function checkpointOf({ checkpointId, ...row }: queries.CheckpointRow): CheckpointView {
  return { ...row, ...(checkpointId !== null && { checkpointId }) };
}
