/** The verbs on event sequences that people ask for; `work.ts` does what follows. */
import type { Engine } from "../../engine/index.ts";
import type { Database, Db } from "../../foundation/database/index.ts";
import { isUuid, uuidv7 } from "../../foundation/ids.ts";
import { sequenceErrors } from "./errors.ts";
import { againOf, columnsOf, saveMembers } from "./members.ts";
import type { SequenceStatus } from "./model.ts";
import * as queries from "./queries.ts";
import type { NewSequence } from "./request.ts";
import { type SequenceSummary, type SequenceView, summaryOf, viewOf } from "./views.ts";

export interface SequenceParts {
  db: Database;
  engine: Engine;
}

/**
 * Makes a sequence, and starts it unless that is to come later. The same request with the same `sequenceId` again gives the
 * first one. Throws `exists` for another request with it, `invalid` for events that are not there.
 */
export async function createSequence(
  tx: Db,
  { namespace, createdBy, wanted }: { namespace: string; createdBy: string; wanted: NewSequence },
): Promise<{ created: boolean; sequence: SequenceView }> {
  const events = await givenEvents(tx, { namespace, wanted });
  const id = uuidv7(Date.now());
  const {
    sequenceId = id,
    name,
    description = null,
    version = null,
    metadata,
    strategy,
    members,
    starts,
    hash,
  } = wanted;
  const facts = [JSON.stringify(metadata), strategy === undefined ? null : JSON.stringify(strategy), createdBy, hash];
  const values = [id, namespace, sequenceId, name, description, version, starts ? "in_progress" : "created", ...facts];
  const [row] = await tx.query<queries.SequenceRow>(queries.insertSequence, values);
  if (row === undefined) {
    const first = await readRow(tx, { namespace, ref: sequenceId });
    if (first.requestHash === hash) return { created: false, sequence: await withMembers(tx, first) };
    const message = `The sequence ${sequenceId} exists, and is another one; give another sequenceId.`;
    throw sequenceErrors.exists(message, { details: { id: first.id, sequenceId } });
  }
  const rows = members.map(({ position, order, required, waitForInstances, body = null }) => [
    ...[uuidv7(Date.now()), position, order, required, waitForInstances, events.get(position) ?? null, body],
  ]);
  await tx.execute(queries.insertMembers, [id, JSON.stringify(rows)]);
  return { created: true, sequence: await withMembers(tx, row) };
}

/** The ids of the events that were published already, by the positions of their members. */
async function givenEvents(
  tx: Db,
  { namespace, wanted }: { namespace: string; wanted: NewSequence },
): Promise<Map<number, string>> {
  const given = wanted.members.flatMap(({ position, ref }) => (ref === undefined ? [] : [{ position, ref }]));
  if (given.length === 0) return new Map();
  const ids = given.flatMap(({ ref }) => (isUuid(ref) ? [ref.toLowerCase()] : []));
  const byId = await tx.query<{ id: string }>(queries.readEvents, [namespace, ...columnsOf(ids)]);
  const refs = [...new Set(given.map(({ ref }) => ref))];
  const byName = await tx.query<{ id: string; eventId: string }>(queries.findEvents, [namespace, refs]);
  const found = new Map<number, string>();
  const errors = given.flatMap(({ position, ref }) => {
    const own = byId.find(({ id }) => id === ref.toLowerCase());
    const named = own === undefined ? byName.filter(({ eventId }) => eventId === ref) : [own];
    if (named.length === 1) {
      found.set(position, named[0]!.id);
      return [];
    }
    const message = named.length === 0 ? "is no event of this namespace" : "is an id that several sources have used";
    return [{ pointer: `/events/${position}/eventId`, message, expected: "the id of an event that was published" }];
  });
  if (errors.length === 0) return found;
  const what =
    errors.length === 1 ? `${errors[0]!.pointer} ${errors[0]!.message}` : `${errors.length} events are not there`;
  throw sequenceErrors.invalid(`The sequence cannot be made: ${what}.`, { errors: errors.slice(0, 100) });
}

export interface Reference {
  namespace: string;
  /** An id, or a sequenceId. */
  ref: string;
}

/** Throws `not_found`. */
export async function getSequence(db: Db, reference: Reference): Promise<SequenceView> {
  return await withMembers(db, await readRow(db, reference));
}

async function readRow(db: Db, { namespace, ref }: Reference): Promise<queries.SequenceRow> {
  if (isUuid(ref)) {
    const [row] = await db.query<queries.SequenceRow>(queries.readSequence, [namespace, ref.toLowerCase()]);
    if (row !== undefined) return row;
  }
  const [row] = await db.query<queries.SequenceRow>(queries.readSequenceByName, [namespace, ref]);
  if (row !== undefined) return row;
  throw sequenceErrors.not_found(`There is no event sequence ${ref.slice(0, 255)} in this namespace.`);
}

async function withMembers(db: Db, row: queries.SequenceRow): Promise<SequenceView> {
  return viewOf(row, await db.query<queries.MemberRow>(queries.readMembers, [[row.id]]));
}

/** Newest first; `next` is the id below which the next page begins. */
export async function listSequences(
  db: Db,
  filter: queries.ListFilter,
): Promise<{ items: SequenceSummary[]; next: string | undefined }> {
  const rows = await queries.listSequenceRows(db, { ...filter, limit: filter.limit + 1 });
  const items = rows.slice(0, filter.limit).map(summaryOf);
  return { items, next: rows.length > filter.limit ? items.at(-1)?.id : undefined };
}

interface Changed {
  status: SequenceStatus;
  rollback?: queries.Rollback | null;
  error?: queries.SequenceRow["error"];
  /** Whether nothing comes after it. */
  ends?: boolean;
}

interface Locked {
  tx: Db;
  sequence: queries.SequenceRow;
  members: queries.MemberRow[];
}

/** One change of one sequence, in the order of its lock. Whoever works on it meanwhile writes nothing of what it decided. */
async function change(
  { db }: Pick<SequenceParts, "db">,
  reference: Reference,
  decide: (locked: Locked) => Promise<Changed | undefined>,
): Promise<SequenceView> {
  return await db.transaction(async (tx) => {
    const { id } = await readRow(tx, reference);
    await tx.execute(queries.lockSequence, [id]);
    const sequence = await readRow(tx, { ...reference, ref: id });
    const members = await tx.query<queries.MemberRow>(queries.readMembers, [[id]]);
    const changed = await decide({ tx, sequence, members });
    if (changed === undefined) return viewOf(sequence, members);
    const { status, rollback = null, error = null, ends = false } = changed;
    const facts = [rollback && JSON.stringify(rollback), error && JSON.stringify(error), ends];
    await tx.execute(queries.changeSequence, [id, status, ...facts]);
    return await getSequence(tx, { ...reference, ref: id });
  });
}

/** Started again, it stays as it is. */
export function startSequence(parts: SequenceParts, reference: Reference): Promise<SequenceView> {
  return change(parts, reference, async ({ sequence: { status } }) => {
    if (status === "in_progress") return undefined;
    if (status !== "created") throw notPossible(`The sequence is ${status}; only one that was not started can be.`);
    return { status: "in_progress" };
  });
}

/** Publishes nothing more. What was published stays, and nothing is rolled back. */
export function cancelSequence(parts: SequenceParts, reference: Reference): Promise<SequenceView> {
  return change(parts, reference, async ({ sequence: { status } }) => {
    if (status === "cancelled") return undefined;
    if (status === "created" || status === "in_progress") return { status: "cancelled", ends: true };
    throw notPossible(`The sequence is ${status}; only one that has not ended can be cancelled.`);
  });
}

/** Looks again at the members that failed: what was repaired elsewhere (a dead letter resent, an instance retried) counts. */
export function resumeSequence(parts: SequenceParts, reference: Reference): Promise<SequenceView> {
  return change(parts, reference, async ({ tx, sequence, members }) => {
    demandFailed(sequence);
    const again = culpritsOf(members).map((member) => ({
      ...member,
      status: member.eventId === null ? ("pending" as const) : ("published" as const),
      error: null,
    }));
    await saveMembers(tx, again);
    return { status: "in_progress" };
  });
}

/** Routes the members that failed again, to the targets for which they failed. `wakeRouters` comes after the commit. */
export async function retrySequence(
  parts: SequenceParts,
  { by, ...reference }: Reference & { by: string },
): Promise<SequenceView> {
  const { engine } = parts;
  const view = await change(parts, reference, async ({ tx, sequence, members }) => {
    demandFailed(sequence);
    const { namespace } = sequence;
    const again: queries.MemberRow[] = [];
    for (const member of culpritsOf(members)) {
      const targets = member.error?.targets ?? [];
      const resolution = { strategy: "manual_retry", by } as const;
      again.push(await againOf(tx, member, { engine, namespace, targets, resolution }));
    }
    await saveMembers(tx, again);
    return { status: "in_progress" };
  });
  engine.wakeRouters();
  return view;
}

/**
 * Passes over a member, whatever becomes of it; without a position over those by which the sequence failed. A failed sequence
 * goes on when no required member of it is failed any more.
 */
export function skipMember(
  parts: SequenceParts,
  { position, ...reference }: Reference & { position?: number },
): Promise<SequenceView> {
  return change(parts, reference, async ({ tx, sequence, members }) => {
    if (sequence.status !== "in_progress") demandFailed(sequence);
    const named = position === undefined ? culpritsOf(members) : members.filter((one) => one.position === position);
    const open = named.filter(({ status }) => ["pending", "published", "failed"].includes(status));
    if (open.length === 0) {
      const which = position === undefined ? "No member has failed" : `There is no open member at position ${position}`;
      throw notPossible(`${which}; one that is pending, published or failed can be passed over.`);
    }
    await saveMembers(
      tx,
      open.map((member) => ({ ...member, status: "skipped" as const, waitingFor: null })),
    );
    const left = culpritsOf(members).some((one) => !open.includes(one));
    const { status, error, completedAt } = sequence;
    return left ? { status, error, ends: completedAt !== null } : { status: "in_progress" };
  });
}

/** Leaves a failed sequence as it is for good. */
export function failSequence(parts: SequenceParts, reference: Reference): Promise<SequenceView> {
  return change(parts, reference, async ({ sequence }) => {
    if (sequence.rollback?.status === "given_up") return undefined;
    demandFailed(sequence);
    return { status: "failed", error: sequence.error, rollback: { status: "given_up" }, ends: true };
  });
}

function culpritsOf(members: readonly queries.MemberRow[]): queries.MemberRow[] {
  return members.filter(({ required, status }) => required && status === "failed");
}

/** Whether a person may decide how it goes on. */
function demandFailed({ status, rollback }: queries.SequenceRow): void {
  if (status !== "failed") throw notPossible(`The sequence is ${status}; this is for one that failed.`);
  if (rollback?.status === "completed") {
    throw notPossible("The sequence failed and its compensating events are published, so it cannot go on.");
  }
  if (rollback?.status === "given_up") throw notPossible("The sequence failed for good, as somebody decided.");
}

function notPossible(message: string): Error {
  return sequenceErrors.not_possible(message);
}
