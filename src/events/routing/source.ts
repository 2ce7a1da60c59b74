/** The routing table of one node: loaded when first asked for, and again when its revision is behind. */
import type { RoutingSource, RoutingTable } from "../../engine/index.ts";
import type { Db } from "../../foundation/database/index.ts";
import type { Logger } from "../../foundation/log.ts";
import { loadWaitShapes, readRevision, type ShapeRow } from "./queries.ts";
import { createTable, type Shapes, shapesOf } from "./table.ts";
import { noTargets, type TargetChanges, type Targets, withChanges } from "./targets.ts";

/**
 * Gives what changed after a revision. Zero: all that may take events. Rows carry the revision that `routing_changed()`
 * gave to the transaction that changed them; what was removed or disabled is told for at least two days.
 */
export type LoadTargets = (db: Db, sinceRevision: number) => Promise<TargetChanges>;

export interface RoutingSourceOptions {
  db: Db;
  loadTriggers: LoadTargets;
  loadSubscriptions: LoadTargets;
  /** All shapes, or undefined when there are as many as are known already. By default those of the database. */
  loadShapes?: (db: Db, known: number | undefined) => Promise<ShapeRow[] | undefined>;
  /** Whether nothing is to be routed. By default never. */
  isPaused?: (db: Db) => Promise<boolean>;
  log: Logger;
  now?: () => number;
}

/** What is known is thrown away after this time, so that nobody has to be told about what was removed before. */
const keepMs = 24 * 3_600_000;

interface Known {
  table: RoutingTable;
  shapes: Shapes;
  shapeCount: number;
  triggers: Targets;
  subscriptions: Targets;
  /** When everything was loaded, and not only what had changed. */
  fullAt: number;
}

/**
 * A load reads the revision first and the rows after it. So rows may be newer than the revision says, and are then
 * read once more; they are never older, because a change and its revision are one transaction, and the lock of the
 * revision's row lets these follow one another. Loads that overlap are shared. A load that fails rejects for those who
 * asked, changes nothing, and the next one who asks tries again.
 */
export function createRoutingSource(options: RoutingSourceOptions): RoutingSource {
  const { log, now = Date.now } = options;
  let known: Known | undefined;
  let loading: Promise<Known> | undefined;

  async function load(): Promise<Known> {
    const startedAt = now();
    const isFull = known === undefined || startedAt - known.fullAt >= keepMs;
    const next = await readNext(options, isFull ? undefined : known, startedAt);
    const { revision } = next.table;
    const counts = { triggers: next.triggers.byId.size, subscriptions: next.subscriptions.byId.size };
    log.debug({ revision, ...counts, shapes: next.shapeCount, isFull, tookMs: now() - startedAt }, "routing loaded");
    known = next;
    return next;
  }

  function sharedLoad(): Promise<Known> {
    loading ??= load().finally(() => {
      loading = undefined;
    });
    return loading;
  }

  return {
    async table() {
      return (known ?? (await sharedLoad())).table;
    },
    async refresh(revision) {
      if (known !== undefined && known.table.revision >= revision) return known.table;
      // One that began before this call may have read an older revision; one that begins now has not.
      const { table } = await sharedLoad();
      return table.revision >= revision ? table : (await sharedLoad()).table;
    },
  };
}

async function readNext(options: RoutingSourceOptions, known: Known | undefined, startedAt: number): Promise<Known> {
  const { db, loadTriggers, loadSubscriptions, loadShapes = loadWaitShapes, isPaused = never } = options;
  const [row] = await db.query<{ revision: number }>(readRevision);
  const revision = row?.revision ?? 0;
  const since = known?.table.revision ?? 0;
  const [triggerChanges, subscriptionChanges, shapeRows, paused] = await Promise.all([
    loadTriggers(db, since),
    loadSubscriptions(db, since),
    loadShapes(db, known?.shapeCount),
    isPaused(db),
  ]);
  const triggers = withChanges(known?.triggers ?? noTargets, triggerChanges);
  const subscriptions = withChanges(known?.subscriptions ?? noTargets, subscriptionChanges);
  const shapes = shapeRows === undefined ? (known?.shapes ?? new Map()) : shapesOf(shapeRows);
  return {
    table: createTable({ revision, paused, shapes, triggers, subscriptions }),
    shapes,
    shapeCount: shapeRows?.length ?? known?.shapeCount ?? 0,
    triggers,
    subscriptions,
    fullAt: known?.fullAt ?? startedAt,
  };
}

const never = async () => false;
