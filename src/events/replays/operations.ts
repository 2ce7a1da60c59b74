/** The verbs on replays that people ask for; `work.ts` does what they ask. */
import type { Db } from "../../foundation/database/index.ts";
import type { InputError } from "../../foundation/errors.ts";
import { isUuid, uuidv7 } from "../../foundation/ids.ts";
import { filterFault, patternFault, patternForm } from "../filters.ts";
import { replayErrors } from "./errors.ts";
import { pagesOf } from "./pages.ts";
import * as queries from "./queries.ts";

export interface NewReplay {
  namespace: string;
  eventPattern: string;
  from: string;
  to?: string;
  filter?: string;
  targets?: string[];
  /** Only what the one target, a subscription, has not got. */
  onlyMissing?: boolean;
}

export type ReplayView = ReturnType<typeof viewOf>;

/** Any node may take it on from the commit on. Throws `replay_invalid`. */
export async function createReplay(db: Db, given: NewReplay & { requestedBy: string }): Promise<ReplayView> {
  const { fromAt, toAt = "infinity" } = checkReplay(given);
  const { namespace, eventPattern, filter = null, targets = null, onlyMissing = false } = given;
  const [row] = await db.query<queries.ReplayRow>(queries.insertReplay, [
    uuidv7(Date.now()),
    namespace,
    eventPattern,
    fromAt,
    toAt,
    filter,
    targets,
    onlyMissing,
    given.requestedBy,
  ]);
  return viewOf(row!);
}

/** Looks at so many events at the most. */
const mostPreviewed = 200_000;

/** How many events there are to replay. */
export async function previewReplay(db: Db, given: NewReplay): Promise<{ found: number; complete: boolean }> {
  const { fromAt, toAt = new Date().toISOString() } = checkReplay(given);
  const { eventPattern, filter = null, targets = null, namespace } = given;
  const wanted = { namespace, eventPattern, fromAt, toAt, filter, targets, onlyMissing: false, cursor: null };
  let found = 0;
  let seen = 0;
  for await (const { rows, events } of pagesOf(db, wanted)) {
    found += events.length;
    seen += rows;
    if (seen >= mostPreviewed) return { found, complete: false };
  }
  return { found, complete: true };
}

/** Gives the times as the database takes them; its own clock says what is now. */
function checkReplay({ eventPattern, from, to, filter }: NewReplay): { fromAt: string; toAt: string | undefined } {
  const errors: InputError[] = [];
  const pattern = patternFault(eventPattern);
  if (pattern !== undefined) errors.push({ pointer: "/eventPattern", message: pattern, expected: patternForm });
  const fault = filter === undefined ? undefined : filterFault(filter);
  if (fault !== undefined) errors.push({ pointer: "/filter", ...fault });
  const fromMs = Date.parse(from);
  const toMs = to === undefined ? Date.now() : Date.parse(to);
  if (fromMs < 0) errors.push({ pointer: "/from", message: "is before 1970", expected: "a later instant" });
  if (fromMs >= toMs) {
    errors.push({
      pointer: "/from",
      message: "is not before the end",
      expected: "an instant before `to`, or before now",
    });
  }
  if (errors.length === 0)
    return {
      fromAt: new Date(fromMs).toISOString(),
      toAt: to === undefined ? undefined : new Date(toMs).toISOString(),
    };
  throw replayErrors.replay_invalid(`The replay cannot be made: ${errors[0]!.pointer} ${errors[0]!.message}.`, {
    errors,
  });
}

interface Named {
  namespace: string;
  id: string;
}

/** Throws `replay_not_found`. */
export async function getReplay(db: Db, { namespace, id }: Named): Promise<ReplayView> {
  const [row] = isUuid(id) ? await db.query<queries.ReplayRow>(queries.readReplay, [namespace, id]) : [];
  if (row !== undefined) return viewOf(row);
  throw replayErrors.replay_not_found(`There is no replay ${id.slice(0, 64)} in this namespace.`);
}

/** Newest first; `next` is the id below which the next page begins. */
export async function listReplays(
  db: Db,
  { namespace, before, limit }: { namespace: string; before?: string; limit: number },
): Promise<{ items: ReplayView[]; next: string | undefined }> {
  const rows = await db.query<queries.ReplayRow>(queries.listReplays, [namespace, before ?? null, limit + 1]);
  const items = rows.slice(0, limit).map(viewOf);
  return { items, next: rows.length > limit ? items.at(-1)?.id : undefined };
}

/** Ends it where it stands. Throws `replay_not_found`, `replay_ended`. */
export async function cancelReplay(db: Db, named: Named): Promise<ReplayView> {
  const values = [named.namespace, named.id];
  const [row] = isUuid(named.id) ? await db.query<queries.ReplayRow>(queries.cancelReplay, values) : [];
  if (row !== undefined) return viewOf(row);
  const { status } = await getReplay(db, named);
  throw replayErrors.replay_ended(`The replay is ${status}; only a running one can be cancelled.`);
}

function viewOf(row: queries.ReplayRow) {
  const { filter, targets, error, completedAt, fromAt, toAt, cursor: _, ...same } = row;
  return {
    ...same,
    from: fromAt,
    to: toAt,
    ...(filter !== null && { filter }),
    ...(targets !== null && { targets }),
    ...(error !== null && { error }),
    ...(completedAt !== null && { completedAt }),
  };
}
