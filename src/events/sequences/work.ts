/**
 * One look at one sequence, by the node that has claimed it.
 *
 *     what happened to its events ─▶ advance ─▶ publish ─▶ record, release
 *
 * What is promised:
 * - Events have ids that follow from the sequence and their place in it. A node that dies between publishing and recording is
 *   followed by one that publishes the same again, and is told what the first one published (for seven days).
 * - What was decided is written only if the claim and the revision are still those it was decided from; what a person changed
 *   meanwhile stands. A member that was published meanwhile is noted as such in any case.
 * - Routing again is part of the transaction that counts it.
 */
import { type Engine, type EventInput, type InstanceStatus, isFinal } from "../../engine/index.ts";
import type { Database } from "../../foundation/database/index.ts";
import { AppError } from "../../foundation/errors.ts";
import { ExpressionError } from "../../foundation/expressions/index.ts";
import { compensatingEvents, eventOf } from "./compensation.ts";
import { againOf, columnsOf, publishFailed, saveMembers } from "./members.ts";
import { type Action, advance, type Failure, memberEventId, type Observation, pauseAfter } from "./model.ts";
import { type InstanceStatuses, observe, startedBy } from "./observe.ts";
import * as queries from "./queries.ts";

export interface Working {
  db: Database;
  engine: Engine;
  nodeId: string;
  publish: Publish;
}

/** Takes events of one namespace in, all or none; in their order. Throws what a producer would be told. */
export type Publish = (events: EventInput[]) => Promise<Accepted[]>;

interface Accepted {
  /** The event's row; absent where it was not taken and is a dead letter. */
  id?: string;
}

export interface Claimed {
  sequence: queries.ClaimedRow;
  members: queries.MemberRow[];
  /** By the ids of the events of its published members. */
  facts: ReadonlyMap<string, queries.FactsRow>;
}

/** What became of a look: it was recorded, or there was nothing to record, and when to look again. */
export type Looked = { recorded: true; againMs: number | undefined } | { recorded: false; pauseMs: number };

type Act<K extends Action["kind"]> = Extract<Action, { kind: K }>;

/** Throws what a producer is told when the queue is full or the engine has too much to do: the same look is made later. */
export async function workOn(working: Working, claimed: Claimed): Promise<Looked> {
  const { sequence, members } = claimed;
  const observed = await observeMembers(working, claimed);
  const actions = advance(sequence.strategy ?? undefined, members, observed);
  const byPosition = new Map(members.map((member) => [member.position, member]));
  const changed = new Map<number, queries.MemberRow>();
  const put = (position: number, facts: Partial<queries.MemberRow>) => {
    const before = changed.get(position) ?? byPosition.get(position)!;
    changed.set(position, { ...before, ...facts });
  };

  for (const action of actions) {
    if (action.kind === "settle") {
      const error = action.status === "failed" ? action.error : null;
      put(action.position, { status: action.status, error, waitingFor: null });
    } else if (action.kind === "wait" && byPosition.get(action.position)!.waitingFor !== action.waitsFor) {
      put(action.position, { waitingFor: action.waitsFor });
    }
  }
  const publishing = actions.find((action): action is Act<"publish"> => action.kind === "publish");
  if (publishing !== undefined) {
    const pending = publishing.positions.map((position) => byPosition.get(position)!);
    for (const [position, facts] of await publishMembers(working, { sequence, members: pending })) put(position, facts);
  }
  const failing = actions.find((action): action is Act<"fail"> => action.kind === "fail");
  const current = members.map((member) => changed.get(member.position) ?? member);
  const ended = failing === undefined ? undefined : await endOf(working, { sequence, members: current, failing });
  const isComplete = actions.some(({ kind }) => kind === "complete");
  const retries = actions.filter((action): action is Act<"retry"> => action.kind === "retry");
  if (changed.size === 0 && retries.length === 0 && ended === undefined && !isComplete) {
    return { recorded: false, pauseMs: pauseAfter(sequence.unchangedMs) };
  }
  const outcome: Outcome = ended ?? { status: isComplete ? "completed" : "in_progress", ends: isComplete };
  await record(working, { sequence, outcome, changed, retries, byPosition });
  if (retries.length > 0) working.engine.wakeRouters();
  return { recorded: true, againMs: outcome.status === "in_progress" ? soonMs : undefined };
}

async function observeMembers(
  { engine }: Working,
  { sequence, members, facts }: Claimed,
): Promise<Map<number, Observation>> {
  const observed = new Map<number, Observation>();
  for (const { status, eventId, position, waitForInstances, replayId } of members) {
    const known = status === "published" && eventId !== null ? facts.get(eventId) : undefined;
    if (known === undefined) continue;
    const instances: InstanceStatuses = waitForInstances
      ? await statusesOf(engine, { namespace: sequence.namespace, ids: startedBy(known) })
      : new Map();
    observed.set(position, observe(known, { waitForInstances, replayId }, instances));
  }
  return observed;
}

async function statusesOf(
  engine: Engine,
  { namespace, ids }: { namespace: string; ids: readonly string[] },
): Promise<Map<string, InstanceStatus | undefined>> {
  const statuses = new Map<string, InstanceStatus | undefined>();
  for (const instanceId of ids) {
    const view = await engine.getInstance({ namespace, instanceId });
    statuses.set(instanceId, view?.status);
    // One that is open is reason enough to wait.
    if (view !== undefined && !isFinal(view.status)) break;
  }
  for (const id of ids) if (!statuses.has(id)) statuses.set(id, "RUNNING");
  return statuses;
}

type Facts = [position: number, facts: Partial<queries.MemberRow>];

/** The members of one order. Events that were given are there; the others are published, together if they can be. */
async function publishMembers(
  { publish }: Working,
  { sequence, members }: { sequence: queries.SequenceRow; members: readonly queries.MemberRow[] },
): Promise<Facts[]> {
  const own = members.filter(({ given }) => !given);
  const facts: Facts[] = members.filter(({ given }) => given).map(({ position }) => [position, onItsWay]);
  const events = own.map((member) => eventOf(sequence, member, memberEventId(sequence.id, member)));
  const failed = (position: number, message: string): Facts => {
    const error: Failure = { code: publishFailed, message, targets: [] };
    return [position, { status: "failed", error, waitingFor: null }];
  };
  const accepted = (position: number, { id }: Accepted): Facts =>
    id === undefined ? failed(position, setAside) : [position, { ...onItsWay, eventId: id }];
  if (events.length === 0) return facts;
  try {
    const answers = await publish(events);
    return [...facts, ...own.map(({ position }, n) => accepted(position, answers[n]!))];
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
  // One of them is refused: each by itself, so that only that one fails.
  for (const [n, { position }] of own.entries()) {
    try {
      const [answer] = await publish([events[n]!]);
      facts.push(accepted(position, answer!));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      facts.push(failed(position, error.message));
    }
  }
  return facts;
}

const setAside = "the event does not fit its definition, and was kept as a dead letter";
const onItsWay = { status: "published", waitingFor: "routing" } as const;

/** What would be refused the next time too. */
function isRefusal(error: unknown): error is AppError {
  return error instanceof AppError && !["limited", "unavailable", "internal"].includes(error.kind);
}

interface Outcome {
  status: queries.SequenceRow["status"];
  rollback?: queries.Rollback;
  error?: NonNullable<queries.SequenceRow["error"]>;
  ends: boolean;
}

interface Ending {
  sequence: queries.SequenceRow;
  members: readonly queries.MemberRow[];
  failing: Act<"fail">;
}

/** How a sequence fails: with its compensating events published, where that is its strategy. */
async function endOf({ db, publish }: Working, { sequence, members, failing }: Ending): Promise<Outcome> {
  const { order, position, error: why } = members.find((member) => member.position === failing.position)!;
  const error = { message: "it failed", code: "FAILED", targets: [], ...why, order, position };
  const outcome: Outcome = { status: "failed", error, ends: failing.isFinal };
  if (!failing.compensates) return outcome;
  const ids = members.flatMap(({ eventId }) => eventId ?? []);
  const rows = await db.query<queries.EventRow>(queries.readEvents, [sequence.namespace, ...columnsOf(ids)]);
  try {
    const wanted = compensatingEvents({ sequence, members, events: rows, error });
    const answers = await publish(wanted);
    const events = wanted.map(({ pattern }, n) => ({ pattern, eventId: answers[n]!.id }));
    const missing = events.find(({ eventId }) => eventId === undefined);
    const rest = missing === undefined ? {} : { error: `${missing.pattern}: ${setAside}` };
    return { ...outcome, rollback: { status: "completed", events, ...rest } };
  } catch (thrown) {
    if (!(thrown instanceof ExpressionError || isRefusal(thrown))) throw thrown;
    return { ...outcome, rollback: { status: "failed", error: thrown.message } };
  }
}

interface Recording {
  sequence: queries.SequenceRow;
  outcome: Outcome;
  changed: Map<number, queries.MemberRow>;
  retries: readonly Act<"retry">[];
  byPosition: ReadonlyMap<number, queries.MemberRow>;
}

const soonMs = pauseAfter(0);

async function record({ db, engine, nodeId }: Working, recording: Recording): Promise<void> {
  const { sequence, outcome, changed, retries, byPosition } = recording;
  const { id, namespace, sequenceId, revision } = sequence;
  const { status, rollback, error, ends } = outcome;
  await db.transaction(async (tx) => {
    const facts = [rollback && JSON.stringify(rollback), error && JSON.stringify(error)];
    const values = [id, nodeId, revision, status, ...facts, ends, soonMs];
    const [held] = await tx.query(
      queries.recordSequence,
      values.map((value) => value ?? null),
    );
    if (held === undefined) {
      const published = [...changed.values()].filter(
        ({ status: now, eventId }) => now === "published" && eventId !== null,
      );
      await tx.execute(queries.notePublished, [JSON.stringify(published.map((one) => [one.id, one.eventId]))]);
      return;
    }
    const resolution = { strategy: "automatic_retry", by: `event sequence ${sequenceId}`.slice(0, 255) } as const;
    for (const { position, error: why } of retries) {
      const what = { engine, namespace, targets: why.targets, resolution };
      changed.set(position, await againOf(tx, byPosition.get(position)!, what));
    }
    await saveMembers(tx, [...changed.values()]);
  });
}
