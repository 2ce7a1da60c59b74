/**
 * The limit program of events: what the engine writes for one event, many times, with nothing else to do.
 *
 * A specimen is what the engine wrote for one event while nothing else went on: its intake, and each of its flushes. Copies
 * have other ids, are made before the clock starts, and go through the engine's own functions in the engine's order: an
 * event's next rows go into a flush only after its last ones are committed; each intake and each flush takes what has come
 * up meanwhile, up to the engine's bounds, and intakes run beside flushes.
 */
import { acceptEvents } from "../../src/engine/queries/events.ts";
import { flushByteLimit, flushRowLimit } from "../../src/engine/runtime/lane.ts";
import { type Connection, Database } from "../../src/foundation/database/index.ts";
import { silentLogger } from "../../src/foundation/log.ts";
import { type LimitLane, openLimitLane } from "./lane.ts";
import * as sql from "./queries.ts";
import { isFlush, partsOf, renaming, type WrittenCall } from "./replay.ts";
import type { BenchDatabase } from "./server.ts";

export interface Specimen {
  /** What was written before the event came: of the instance that waits for it. */
  before: readonly WrittenCall[];
  /** From the event's intake on. */
  after: readonly WrittenCall[];
}

const concurrency = 1_000;
const intakeLimit = 1_000;
const lists = ["starts", "changes", "steps", "transitions"] as const;

/** What one commit of one event writes, as JSON text. */
interface RowSet {
  shards: readonly number[];
  lists: Partial<Record<(typeof lists)[number], string>>;
  extras: readonly [kind: string, rows: readonly string[]][];
  events: readonly [kind: string, rows: readonly string[]][];
  /** What is counted of it, without the number: a flush has one row for all that are equal. */
  tallies: readonly string[];
  /** The shard whose inbox the event leaves with it. */
  leaves: number | undefined;
  rows: number;
  bytes: number;
}

interface Copy {
  before: RowSet[];
  event: { id: string; row: string; inboxId?: number };
  after: RowSet[];
  at: number;
}

/** Seconds that it takes to write `count` events. */
export async function runEventLimit(
  database: Pick<BenchDatabase, "url">,
  { specimens, count }: { specimens: readonly Specimen[]; count: number },
): Promise<number> {
  const db = new Database({ url: database.url, poolSize: 1, applicationName: "bench limit", log: silentLogger });
  const lane = await openLimitLane(database);
  const intake = await db.connect();
  const [known] = await db.query<{ revision: number }>(sql.readRoutingRevision);
  const run = async (many: number): Promise<number> => {
    const copies = Array.from({ length: many }, (_, n) => copyOf(specimens[n % specimens.length]!));
    await writeBefore(lane, copies);
    const beganAt = performance.now();
    await drive(copies, { lane, intake, revision: known!.revision });
    return (performance.now() - beganAt) / 1000;
  };
  await run(concurrency);
  const seconds = await run(count);
  await intake.close();
  await lane.close();
  await db.close();
  return seconds;
}

function copyOf({ before, after }: Specimen): Copy {
  const renamed = renaming();
  const [first, ...flushes] = after;
  if (first?.statement !== acceptEvents) throw new Error("a specimen begins with its intake");
  const row = renamed(String(first.values[0]).slice(1, -1));
  const sets = (calls: readonly WrittenCall[]) => calls.flatMap((call) => rowSetOf(call, renamed) ?? []);
  return { before: sets(before), event: { id: (JSON.parse(row) as string[])[1]!, row }, after: sets(flushes), at: 0 };
}

function rowSetOf(call: WrittenCall, renamed: (text: string) => string): RowSet | undefined {
  if (!isFlush(call)) throw new Error(`a specimen has no ${call.statement.name}`);
  const parts = partsOf(call, renamed);
  const { tallies = [], inboxConsumed = [], ...extras } = kinds(parts.extras);
  const { lookBackFloors: _floors, ...events } = kinds(parts.events);
  const set: RowSet = {
    shards: parts.shards,
    lists: {},
    extras: asTexts(extras),
    events: asTexts(events),
    tallies: tallies.map((row) => JSON.stringify(row.slice(0, -1)).slice(0, -1)),
    leaves: inboxConsumed[0] === undefined ? undefined : Number(inboxConsumed[0][0]),
    rows: inboxConsumed.length,
    bytes: 0,
  };
  for (const list of lists) {
    const text = parts[list];
    if (text === null) continue;
    set.lists[list] = text.slice(1, -1);
    set.bytes += text.length;
    set.rows += 1;
  }
  for (const [, rows] of [...set.extras, ...set.events]) {
    set.rows += rows.length;
    for (const row of rows) set.bytes += row.length;
  }
  return set.rows === 0 ? undefined : set;
}

type Kinds = Record<string, unknown[][]>;

/** Floors among them are written every few seconds, whatever goes on. */
const kinds = (text: string | null | undefined): Kinds => JSON.parse(text ?? "{}") as Kinds;
const asTexts = (of: Kinds): [string, string[]][] =>
  Object.entries(of).map(([kind, rows]) => [kind, rows.map((row) => JSON.stringify(row))]);

async function writeBefore(lane: LimitLane, copies: readonly Copy[]): Promise<void> {
  for (let step = 0; copies.some(({ before }) => step < before.length); step++) {
    for (let from = 0; from < copies.length; from += 200) {
      const sets = copies.slice(from, from + 200).flatMap(({ before }) => before[step] ?? []);
      if (sets.length > 0)
        await flush(
          lane,
          sets.map((set) => ({ set })),
        );
    }
  }
}

/** Flushes one after the other; beside them intakes, one after the other. */
async function drive(
  copies: readonly Copy[],
  what: { lane: LimitLane; intake: Connection; revision: number },
): Promise<void> {
  let admitted = 0;
  let ended = 0;
  const arriving: Copy[] = [];
  const ready: Copy[] = [];
  let changed = Promise.withResolvers<void>();
  const tell = () => {
    changed.resolve();
    changed = Promise.withResolvers<void>();
  };
  const admit = () => {
    const copy = copies[admitted++];
    if (copy !== undefined) arriving.push(copy);
  };
  while (admitted < concurrency) admit();

  async function take(): Promise<void> {
    const batch = arriving.splice(0, intakeLimit);
    const rows = `[${batch.map(({ event }) => event.row).join(",")}]`;
    const answers = await what.intake.query<{ id: string; inboxId: number }>(acceptEvents, [rows, what.revision]);
    if (answers.length !== batch.length) throw new Error("an event was not taken in");
    const ids = new Map(answers.map(({ id, inboxId }) => [id, inboxId]));
    for (const copy of batch) {
      copy.event.inboxId = ids.get(copy.event.id)!;
      ready.push(copy);
    }
  }
  async function write(): Promise<void> {
    const batch: Copy[] = [];
    for (let rows = 0, bytes = 0; ready.length > 0 && rows < flushRowLimit && bytes < flushByteLimit; ) {
      const copy = ready.shift()!;
      rows += copy.after[copy.at]!.rows;
      bytes += copy.after[copy.at]!.bytes;
      batch.push(copy);
    }
    await flush(
      what.lane,
      batch.map((copy) => ({ set: copy.after[copy.at]!, inboxId: copy.event.inboxId! })),
    );
    for (const copy of batch) {
      copy.at++;
      if (copy.at < copy.after.length) ready.push(copy);
      else {
        ended++;
        admit();
      }
    }
  }
  async function work(queue: readonly Copy[], step: () => Promise<void>): Promise<void> {
    while (ended < copies.length) {
      if (queue.length > 0) {
        await step();
        tell();
      } else await changed.promise;
    }
  }
  await Promise.all([work(arriving, take), work(ready, write)]);
}

async function flush(lane: LimitLane, written: readonly { set: RowSet; inboxId?: number }[]): Promise<void> {
  const shards = new Set<number>();
  const texts: Record<(typeof lists)[number], string[]> = { starts: [], changes: [], steps: [], transitions: [] };
  const extras = new Map<string, string[]>();
  const events = new Map<string, string[]>();
  const tallies = new Map<string, number>();
  for (const { set, inboxId } of written) {
    for (const shard of set.shards) shards.add(shard);
    for (const list of lists) if (set.lists[list] !== undefined) texts[list].push(set.lists[list]);
    for (const [kind, rows] of set.extras) append(extras, kind, rows);
    for (const [kind, rows] of set.events) append(events, kind, rows);
    for (const tally of set.tallies) tallies.set(tally, (tallies.get(tally) ?? 0) + 1);
    if (set.leaves !== undefined) append(extras, "inboxConsumed", [`[${set.leaves},${inboxId}]`]);
  }
  for (const [tally, n] of tallies) append(extras, "tallies", [`${tally},${n}]`]);
  const rows = (of: readonly string[]) => (of.length === 0 ? null : `[${of.join(",")}]`);
  const object = (of: ReadonlyMap<string, string[]>) =>
    of.size === 0 ? null : `{${Array.from(of, ([kind, list]) => `"${kind}":[${list.join(",")}]`).join(",")}}`;
  await lane.flush({
    shards: [...shards].sort((a, b) => a - b),
    starts: rows(texts.starts),
    changes: rows(texts.changes),
    steps: rows(texts.steps),
    transitions: rows(texts.transitions),
    extras: object(extras),
    ...(events.size === 0 ? {} : { events: object(events) }),
  });
}

function append(map: Map<string, string[]>, kind: string, rows: readonly string[]): void {
  const list = map.get(kind);
  if (list === undefined) map.set(kind, [...rows]);
  else for (const row of rows) list.push(row);
}
