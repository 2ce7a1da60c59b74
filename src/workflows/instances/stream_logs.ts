/**
 * Follows the log of one instance: what was written after the last line that the client has seen, and what is written
 * until the instance has ended.
 *
 * A line has the id of the moment in which it was said, and is written with the result of its step. So a line of a step
 * that ran for long comes after younger ones of its neighbours, and "after the last id" would pass it by. Each look reads
 * again from the beginning of the oldest step that was running at the look before, and sends what it has not sent.
 *
 * The engine's hints say when to look; a look every second makes up for lost ones.
 */
import type { FastifyReply } from "fastify";
import { type Engine, type InstanceView, isFinal, type LogFilter } from "../../engine/index.ts";
import { sse } from "../../foundation/http/index.ts";
import { uuidTimeMs } from "../../foundation/ids.ts";
import { createBell } from "./bell.ts";
import { drained } from "./stream.ts";

export interface LogStreamOptions {
  engine: Engine;
  /** `after` is the last line that the client has seen; older ones that are there count as seen. */
  filter: Omit<LogFilter, "limit">;
  reply: FastifyReply;
  signal: AbortSignal;
}

const lookEveryMs = 1_000;
const pageSize = 500;
/** A step that runs for less than a second is not in the instance yet; flushes of neighbours take their time. */
const slackMs = 5_000;

/** Resolves when the stream has ended. */
export async function streamLogs({ engine, filter, reply, signal }: LogStreamOptions): Promise<void> {
  const { namespace, instanceId } = filter;
  const stream = sse(reply, { signal });
  const bell = createBell();
  const unwatch = engine.watch({ instanceId }, bell.ring);
  let open = true;
  void stream.ended.then(() => {
    open = false;
    bell.ring();
  });
  /** Those of the window that is read again. */
  const seen = new Set<string>();
  let newest = filter.after;

  /** Reads the lines after an id; sends those that are new, as fast as the client reads, or only notes them. */
  async function read(after: string | undefined, what: { until?: string } = {}): Promise<void> {
    for (let last = after; open; ) {
      const items = await engine.logs({ ...filter, after: last, limit: pageSize });
      for (const item of items) {
        last = item.id;
        if (seen.has(item.id)) continue;
        if (what.until !== undefined && item.id > what.until) return;
        if (what.until === undefined) {
          if (reply.raw.writableNeedDrain) await Promise.race([drained(reply), stream.ended]);
          if (!stream.send({ id: item.id, event: "log", data: item })) return;
        }
        seen.add(item.id);
        if (newest === undefined || item.id > newest) newest = item.id;
      }
      if (items.length < pageSize) return;
    }
  }

  try {
    let from = filter.after;
    for (let first = true; open; first = false) {
      // The instance first: what was written before its end is there when its end is seen.
      const view = await engine.getInstance({ namespace, instanceId });
      if (view === undefined) break;
      const next = windowOf(view, newest);
      if (first && filter.after !== undefined) await read(next, { until: filter.after });
      await read(from);
      if (isFinal(view.status)) {
        stream.send({ event: "end", data: { instanceId, status: view.status } });
        break;
      }
      from = next;
      if (from !== undefined) for (const id of seen) if (id <= from) seen.delete(id);
      await bell.rung(lookEveryMs);
    }
  } finally {
    unwatch();
    stream.end();
  }
}

/** The id after which lines may still come; undefined: all of them. */
function windowOf({ state }: InstanceView, newest: string | undefined): string | undefined {
  if (newest === undefined) return undefined;
  let ms = uuidTimeMs(newest) - slackMs;
  for (const { status, startedAt } of Object.values(state.steps)) {
    if (status === "RUNNING" && startedAt !== undefined) ms = Math.min(ms, Date.parse(startedAt));
  }
  const hex = Math.max(0, ms - 1)
    .toString(16)
    .padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}
