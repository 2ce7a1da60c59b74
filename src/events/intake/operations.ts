/** Takes events in: admission, the check by definitions, the engine, and dead letters where a namespace is lenient. */
import type { EventInput, PublishAnswer } from "../../engine/index.ts";
import type { Db } from "../../foundation/database/index.ts";
import { uuidv7 } from "../../foundation/ids.ts";
import type { DefinitionSource } from "../definitions/source.ts";
import { eventErrors } from "../errors.ts";
import { judge, type Objection } from "./judge.ts";
import * as queries from "./queries.ts";
import type { Submitted } from "./submitted.ts";

export interface Intake {
  db: Db;
  /** The engine's: all or none, answers in order, after the commit. */
  publish(events: EventInput[]): Promise<PublishAnswer[]>;
  definitions: DefinitionSource;
  /** Waits until so many events may come in, or throws. Absent: they always may. */
  admit?(namespace: string, count: number): Promise<void>;
}

export interface Published {
  /** The event's row; absent for a dead letter. */
  id?: string;
  eventId: string;
  status: "accepted" | "duplicate" | "dead_lettered";
  timestamp: string;
  deadLetterId?: string;
}

interface Refused {
  submitted: Submitted;
  objection: Objection;
  place: number;
}

/** Faults of one answer. */
const maxErrors = 100;

/**
 * Publishes all of them or none; answers are in their order. Throws `event_refused` when one does not fit its definition,
 * unless the namespace is lenient: then those are kept as dead letters. They are written after the others were taken, so
 * that whoever has no answer and publishes again finds each of them once, as long as it has an id.
 */
export async function publishEvents(
  { db, publish, definitions, admit }: Intake,
  { namespace, events }: { namespace: string; events: readonly Submitted[] },
): Promise<Published[]> {
  if (events.length === 0) return [];
  await admit?.(namespace, events.length);
  const names = events.map(({ event }) => event.pattern);
  const checks = await definitions.checksFor(namespace, names);
  const taken: { input: EventInput; place: number }[] = [];
  const refused: Refused[] = [];
  for (const [place, submitted] of events.entries()) {
    const { objection, version } = judge(submitted, checks);
    if (objection !== undefined) refused.push({ submitted, objection, place });
    else taken.push({ place, input: { ...submitted.event, namespace, ...(version !== undefined && { version }) } });
  }
  if (refused.length > 0 && checks.validation !== "lenient") refuse(refused, events.length);
  const answers = new Array<Published>(events.length);
  if (taken.length > 0) {
    const published = await publish(taken.map(({ input }) => input));
    for (const [index, { place }] of taken.entries()) answers[place] = published[index]!;
  }
  if (refused.length > 0) await keep(db, { namespace, refused, answers });
  return answers;
}

/** The same for events that the program has made, all of one namespace; pointers of a refusal lead into the list of them. */
export async function publishInputs(intake: Intake, inputs: readonly EventInput[]): Promise<Published[]> {
  const [first] = inputs;
  if (first === undefined) return [];
  const events = inputs.map(({ namespace: _, ...event }, index) => ({
    event,
    at: { name: `/${index}/pattern`, payload: `/${index}/payload`, source: `/${index}/source` },
  }));
  return await publishEvents(intake, { namespace: first.namespace, events });
}

function refuse(refused: readonly Refused[], count: number): never {
  const errors = refused.flatMap(({ objection }) => objection.errors);
  const { message } = refused[0]!.objection;
  const others = refused.length === 1 ? "" : ` (and ${refused.length - 1} more of the batch)`;
  const detail = `${message}${others}.`;
  throw eventErrors.event_refused(count === 1 ? capital(detail) : `Nothing of the batch was taken: ${detail}`, {
    errors: errors.slice(0, maxErrors),
  });
}

/** Dead letters, and their answers. Of the same event given twice the first one counts. */
async function keep(
  db: Db,
  { namespace, refused, answers }: { namespace: string; refused: readonly Refused[]; answers: Published[] },
): Promise<void> {
  const rows: unknown[] = [];
  const places = new Map<string, number[]>();
  for (const { submitted, objection, place } of refused) {
    const id = uuidv7(Date.now());
    const { eventId = id, sourceKey = "" } = submitted.event;
    const key = JSON.stringify([eventId, sourceKey]);
    const same = places.get(key);
    if (same !== undefined) {
      same.push(place);
      continue;
    }
    places.set(key, [place]);
    const original = { ...submitted.event, eventId };
    const context = { errors: objection.errors.slice(0, maxErrors) };
    rows.push([rows.length, id, eventId, original, capital(`${objection.message}.`), objection.code, context]);
  }
  const kept = await db.query<queries.DeadLetterRow>(queries.insertDeadLetters, [namespace, JSON.stringify(rows)]);
  const ofKey = [...places].map(([key, found]) => ({ eventId: (JSON.parse(key) as [string])[0], found }));
  for (const { n, id, createdAt } of kept) {
    const { eventId, found } = ofKey[n]!;
    for (const place of found) {
      answers[place] = { eventId, status: "dead_lettered", timestamp: createdAt, deadLetterId: id };
    }
  }
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
