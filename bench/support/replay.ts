/**
 * The limit of a workload whose rows are too many kinds to be prepared by hand: what the engine wrote is written again,
 * the same calls with the same rows in the same commits, for other instances in another database.
 *
 * What is left out is everything that is not a write: decisions, reads, and waiting for handlers.
 */
import { acceptEvents } from "../../src/engine/queries/events.ts";
import { flush, flushWithEvents } from "../../src/engine/queries/lanes.ts";
import { acceptStarts, savePayload } from "../../src/engine/queries/work.ts";
import type { Statement } from "../../src/foundation/database/index.ts";
import { uuidv7 } from "../../src/foundation/ids.ts";
import type { FlushParts, LimitLane } from "./lane.ts";

/** One call that wrote something. */
export interface WrittenCall {
  statement: Statement;
  values: readonly unknown[];
}

/** The statements by which the engine writes instances; beats and the like are not among them. */
export const writing: ReadonlySet<Statement> = new Set([
  flush,
  flushWithEvents,
  acceptStarts,
  acceptEvents,
  savePayload,
]);

type Prepared = (lane: LimitLane) => Promise<void>;

/** The calls of one run with other ids, on the same shards; give it to `replay`. */
export function prepare(calls: readonly WrittenCall[]): Prepared[] {
  const renamed = renaming();
  return calls.map((call): Prepared => {
    const { statement, values } = call;
    if (isFlush(call)) {
      const parts = partsOf(call, renamed);
      return (lane) => lane.flush(parts);
    }
    const own = values.map((value) => (typeof value === "string" ? renamed(value) : value));
    return (lane) => lane.send(statement, own);
  });
}

/** Gives texts other ids, the same for the same as long as it is used. */
export function renaming(): (text: string) => string {
  const ids = new Map<string, string>();
  const now = Date.now();
  const rename = (id: string): string => {
    const known = ids.get(id);
    if (known !== undefined) return known;
    // The slot leads to the shard, which the rows name too.
    const fresh = uuidv7(now, Number.parseInt(id.slice(-3), 16) & 0x3ff);
    ids.set(id, fresh);
    return fresh;
  };
  return (text) => text.replace(instanceId, rename);
}

export const isFlush = ({ statement }: WrittenCall): boolean => statement === flush || statement === flushWithEvents;

/** The parts of a flush of the engine. */
export function partsOf({ statement, values }: WrittenCall, renamed: (text: string) => string): FlushParts {
  const [, , , shards, latest, ...parts] = values;
  if (latest !== null) throw new Error("a replay knows no versions");
  const [starts, changes, steps, transitions, extras, events] = parts.map((part) =>
    typeof part === "string" ? renamed(part) : null,
  ) as (string | null)[];
  return {
    shards: JSON.parse(`[${String(shards).slice(1, -1)}]`) as number[],
    starts: starts!,
    changes: changes!,
    steps: steps!,
    transitions: transitions!,
    extras: extras!,
    ...(statement === flushWithEvents ? { events: events! } : {}),
  };
}

/** Every id but those of definitions, which begin with zeros. */
const instanceId = /(?!00000000)[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g;

/** Milliseconds that it takes to write a run once more. */
export async function replay(lane: LimitLane, prepared: readonly Prepared[]): Promise<number> {
  const beganAt = performance.now();
  for (const send of prepared) await send(lane);
  return performance.now() - beganAt;
}
