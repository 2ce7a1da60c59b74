/**
 * Follows one instance: what it is, each attempt of a step as it is recorded, and its end.
 *
 * The engine's hints say when to look; a look every two seconds makes up for lost ones. Each look reads the instance
 * first and its history after, so when the instance is final every row of it has been sent before `end`.
 */
import { once } from "node:events";
import type { FastifyReply } from "fastify";
import { type Engine, type HistoryItem, type InstanceView, isFinal } from "../../engine/index.ts";
import { type SseStream, sse } from "../../foundation/http/index.ts";
import { createBell } from "./bell.ts";

export interface StreamOptions {
  engine: Engine;
  namespace: string;
  instanceId: string;
  reply: FastifyReply;
  signal: AbortSignal;
  /** The last row that the client has seen. */
  afterSeq: number;
}

const lookEveryMs = 2_000;
const pageSize = 100;
/** A value larger than this is left out of an event; the history has it. */
const largestEventBytes = 256 * 1024;

/** Resolves when the stream has ended. */
export async function streamInstance(options: StreamOptions): Promise<void> {
  const { engine, namespace, instanceId, reply, signal } = options;
  const what = { namespace, instanceId };
  const stream = sse(reply, { signal });
  const bell = createBell();
  const unwatch = engine.watch({ instanceId }, bell.ring);
  void stream.ended.then(bell.ring);
  let open = true;
  void stream.ended.then(() => {
    open = false;
  });
  try {
    let { afterSeq } = options;
    let shownVersion = -1;
    while (open) {
      const view = await engine.getInstance(what);
      if (view === undefined) break;
      if (view.version !== shownVersion) {
        stream.send({ event: "instance", data: brief(view) });
        shownVersion = view.version;
      }
      afterSeq = await sendHistory({ ...options, stream, afterSeq, isOpen: () => open });
      if (isFinal(view.status)) {
        stream.send({ event: "end", data: fitting(view) });
        break;
      }
      await bell.rung(lookEveryMs);
    }
  } finally {
    unwatch();
    stream.end();
  }
}

/** Sends the rows after `afterSeq`, as fast as the client reads, and gives the number of the last one. */
async function sendHistory({
  engine,
  namespace,
  instanceId,
  reply,
  stream,
  isOpen,
  afterSeq,
}: StreamOptions & { stream: SseStream; isOpen(): boolean }): Promise<number> {
  let seq = afterSeq;
  while (isOpen()) {
    const items = await engine.history({ namespace, instanceId, afterSeq: seq, limit: pageSize });
    for (const item of items) {
      if (reply.raw.writableNeedDrain) await Promise.race([drained(reply), stream.ended]);
      if (!stream.send({ id: String(item.seq), event: "step", data: fitting(item) })) return seq;
      seq = item.seq;
    }
    if (items.length < pageSize) return seq;
  }
  return seq;
}

/** A connection that breaks ends the stream, which whoever waits here is told by `ended`. */
export async function drained({ raw }: FastifyReply): Promise<void> {
  await once(raw, "drain").catch(() => {});
}

/** The instance without what may be large. */
function brief({ input: _input, output: _output, state, ...rest }: InstanceView): object {
  const { steps: _steps, variables: _variables, ...where } = state;
  return { ...rest, state: where };
}

/** The item or instance, without its large values when it would be too much for one event. */
function fitting(whole: HistoryItem | InstanceView): object {
  if (Buffer.byteLength(JSON.stringify(whole)) <= largestEventBytes) return whole;
  if ("state" in whole) return { ...brief(whole), shortened: true };
  const { input: _input, output: _output, outcome: _outcome, ...rest } = whole;
  return { ...rest, shortened: true };
}
