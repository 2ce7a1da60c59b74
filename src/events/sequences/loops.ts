/** What this room does by itself: it looks at the sequences that are due, and publishes what comes next. */
import type { Engine } from "../../engine/index.ts";
import type { Database } from "../../foundation/database/index.ts";
import { AppError } from "../../foundation/errors.ts";
import type { Logger } from "../../foundation/log.ts";
import { Loop } from "../../foundation/loop.ts";
import { columnsOf } from "./members.ts";
import * as queries from "./queries.ts";
import { type Looked, type Publish, workOn } from "./work.ts";

export interface SequenceWorker {
  start(): void;
  /** Begins no look; resolves when those under way are recorded. */
  stop(): Promise<void>;
  /** Looks once at every sequence that is due, and resolves. */
  tick(): Promise<void>;
  /** A sequence was made or changed: look soon. */
  wake(): void;
}

export interface SequenceWorkerOptions {
  db: Database;
  engine: Engine;
  log: Logger;
  publish: Publish;
  /** How long sequences are kept after their end. */
  keepMs: number;
  claimMs?: number;
}

/** How often a node looks for sequences that another one has left; its own are looked at when they are due. */
const everyMs = 10_000;
const usualClaimMs = 30_000;
const atOnce = 20;
/** After a refusal that passes, or an error. */
const troubledPauseMs = 1_000;
const cleanEveryMs = 3_600_000;

/** Every node runs one; a claim sees to it that only one of them looks at a sequence at a time. */
export function createSequenceWorker(options: SequenceWorkerOptions): SequenceWorker {
  const { db, engine, log, publish, keepMs, claimMs = usualClaimMs } = options;
  const { nodeId } = engine;
  const working = { db, engine, nodeId, publish };
  /** When to look again at those that this node looked at, on its monotonic clock. */
  const due = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let cleanedMs = Number.NEGATIVE_INFINITY;

  /** Where nothing is due it costs one statement. */
  async function look(): Promise<void> {
    clearTimeout(timer);
    for (const [id, atMs] of due) if (atMs <= performance.now()) due.delete(id);
    for (let full = true; full && !stopped; ) {
      const claimed = await db.query<queries.ClaimedRow>(queries.claimSequences, [nodeId, claimMs, atOnce]);
      full = claimed.length === atOnce;
      if (claimed.length > 0) await lookAt(claimed);
    }
    const pauseMs = Math.max(0, Math.min(...due.values()) - performance.now());
    if (pauseMs < everyMs && !stopped) timer = setTimeout(() => loop.wake(), pauseMs);
    await clean();
  }

  async function lookAt(sequences: readonly queries.ClaimedRow[]): Promise<void> {
    const members = await db.query<queries.MemberRow>(queries.readMembers, [sequences.map(({ id }) => id)]);
    const ids = members.flatMap(({ status, eventId }) => (status === "published" && eventId !== null ? [eventId] : []));
    const rows = ids.length === 0 ? [] : await db.query<queries.FactsRow>(queries.readFacts, columnsOf(ids));
    const facts = new Map(rows.map((row) => [row.eventId, row]));
    const looked = await Promise.all(
      sequences.map((sequence) =>
        lookAtOne({ sequence, members: members.filter((member) => member.sequence === sequence.id), facts }),
      ),
    );
    const waiting = looked.flatMap((result, n) =>
      result.recorded ? [] : [[sequences[n]!.id, result.pauseMs] as const],
    );
    if (waiting.length > 0) {
      await db.execute(queries.releaseSequences, [
        nodeId,
        waiting.map(([id]) => id),
        waiting.map(([, pause]) => pause),
      ]);
    }
    for (const [n, result] of looked.entries()) {
      const { id } = sequences[n]!;
      const pauseMs = result.recorded ? result.againMs : result.pauseMs;
      if (pauseMs === undefined) due.delete(id);
      else due.set(id, performance.now() + pauseMs + lateMs);
    }
  }

  /** Never rejects. */
  async function lookAtOne(claimed: Parameters<typeof workOn>[1]): Promise<Looked> {
    try {
      return await workOn(working, claimed);
    } catch (error) {
      const passes = error instanceof AppError && ["limited", "unavailable"].includes(error.kind);
      const sequence = claimed.sequence.id;
      if (passes) log.debug({ err: error, sequence }, "an event sequence waits until events are accepted");
      else log.warn({ err: error, sequence }, "an event sequence could not be looked at; it is looked at again soon");
      return { recorded: false, pauseMs: troubledPauseMs };
    }
  }

  async function clean(): Promise<void> {
    if (performance.now() - cleanedMs < cleanEveryMs) return;
    await db.execute(queries.removeOldSequences, [keepMs]);
    cleanedMs = performance.now();
  }

  const loop = new Loop({ name: "event sequences", everyMs, log, run: look });
  return {
    start: () => loop.start(),
    wake: () => loop.wake(),
    tick: () => loop.tick(),
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await loop.stop();
    },
  };
}

/** A look that came a little before its time would find nothing. */
const lateMs = 3;
