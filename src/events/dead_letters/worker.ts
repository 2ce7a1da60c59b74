/**
 * What this room does by itself: hands many letters on where somebody asked for it, and tries letters of triggers again
 * whose errors may pass, at most five times.
 */
import { isTransient } from "../../foundation/database/index.ts";
import { isFault, partialProblem, toAppError } from "../../foundation/http/index.ts";
import type { Logger } from "../../foundation/log.ts";
import { Loop } from "../../foundation/loop.ts";
import { subscriberOf, transientTypes } from "./model.ts";
import * as queries from "./queries.ts";
import * as many from "./queries_many.ts";
import { type DeadLetters, reprocessLetter } from "./reprocess.ts";

export interface DeadLetterWorker {
  start(): void;
  /** Resolves when what is under way is recorded. It is not started again. */
  stop(): Promise<void>;
  /** Does what there is to do now, and resolves when nothing is left for this node. */
  tick(): Promise<void>;
  wake(): void;
}

const everyMs = 15_000;
const claimMs = 60_000;
const cleanEveryMs = 3_600_000;
const leastAlarmMs = 100;
const mostFailuresKept = 100;

export function createDeadLetterWorker(
  parts: DeadLetters & { log: Logger; nodeId: string; keepMs: number },
): DeadLetterWorker {
  const { db, engine, log, nodeId, keepMs } = parts;
  let stopping = false;
  let cleanedMs = Number.NEGATIVE_INFINITY;
  let alarm: NodeJS.Timeout | undefined;

  async function look(): Promise<void> {
    clearTimeout(alarm);
    const nextMs = await retryTriggers();
    const passedBy: string[] = [];
    while (!stopping) {
      const values = [nodeId, claimMs, passedBy];
      const [operation] = await db.query<many.ReprocessingRow>(many.claimReprocessing, values);
      if (operation === undefined) break;
      passedBy.push(operation.id);
      await work(operation);
    }
    if (performance.now() - cleanedMs > cleanEveryMs) await clean();
    if (!stopping && nextMs !== undefined && nextMs < everyMs) {
      alarm = setTimeout(() => loop.wake(), Math.max(leastAlarmMs, nextMs));
    }
  }

  /** Gives the time until the next one is due. */
  async function retryTriggers(): Promise<number | undefined> {
    const letters = await db.query<queries.TriggerLetterRow>(queries.readTriggerLetters, [transientTypes]);
    const due = letters.filter(({ inMs }) => inMs <= 0);
    if (due.length > 0) {
      await db.transaction(async (tx) => {
        const taken = await tx.query<{ id: string }>(queries.takeTriggerLetters, [due.map(({ id }) => id)]);
        const mine = new Set(taken.map(({ id }) => id));
        const requests = due
          .filter(({ id }) => mine.has(id))
          .map(({ id, namespace, eventInstanceId, subscriberId }) => {
            const subscriber = subscriberOf(subscriberId);
            const targets = "id" in subscriber ? [subscriber.id] : [];
            const resolution = { strategy: "automatic_retry" as const, by: "system" };
            return { namespace, id: eventInstanceId, targets, deadLetterId: id, resolution };
          });
        if (requests.length > 0) await engine.routeAgain(tx, requests);
      });
      engine.wakeRouters();
    }
    const waiting = letters.filter(({ inMs }) => inMs > 0).map(({ inMs }) => inMs);
    return waiting.length === 0 ? undefined : Math.min(...waiting);
  }

  /** Page by page; a page that a crash cut short is begun again, and what was handed on is not pending then. */
  async function work(operation: many.ReprocessingRow): Promise<void> {
    const { id, namespace, filter, batchSize } = operation;
    const failures = [...operation.failures];
    let after = operation.cursor ?? undefined;
    try {
      while (!stopping) {
        // Ids are in the order of time: below the operation's own are the letters that were there before it.
        const page = await queries.letterIds(db, { ...filter, namespace, after, before: id, limit: batchSize });
        const last = page.at(-1);
        if (last === undefined) return void (await db.execute(many.completeReprocessing, [id, nodeId]));
        const failed = await handOn(operation, page);
        failures.push(...failed.slice(0, mostFailuresKept - failures.length));
        const counts = [page.length - failed.length, failed.length];
        const values = [id, nodeId, claimMs, last, ...counts, JSON.stringify(failures)];
        const [row] = await db.query<{ status: string }>(many.recordReprocessing, values);
        if (row?.status !== "running") return;
        after = last;
      }
    } catch (error) {
      log.warn({ err: error, reprocessingId: id }, "a reprocessing of dead letters was interrupted; it goes on soon");
    } finally {
      await db.execute(many.releaseReprocessing, [id, nodeId]).catch(() => undefined);
    }
  }

  async function handOn(
    { namespace, concurrency, requestedBy: by }: many.ReprocessingRow,
    page: readonly string[],
  ): Promise<many.ReprocessingRow["failures"]> {
    const failed: many.ReprocessingRow["failures"] = [];
    const left = [...page];
    const line = async () => {
      for (let id = left.shift(); id !== undefined; id = left.shift()) {
        try {
          await reprocessLetter(parts, { namespace, id, by });
        } catch (error) {
          // A database that does not answer fails no letter: the page is begun again.
          if (isTransient(error)) throw error;
          const refusal = toAppError(error);
          if (isFault(refusal)) log.error({ err: error, deadLetterId: id }, "a dead letter was not handed on");
          failed.push({ id, problem: partialProblem(refusal) });
        }
      }
    };
    const ends = await Promise.allSettled(Array.from({ length: concurrency }, line));
    const fault = ends.find((end) => end.status === "rejected");
    if (fault !== undefined) throw fault.reason;
    return failed;
  }

  async function clean(): Promise<void> {
    while (!stopping && (await db.execute(queries.removeOldLetters, [keepMs])).rowCount > 0);
    await db.execute(many.removeOldReprocessings, [keepMs]);
    cleanedMs = performance.now();
  }

  const loop = new Loop({ name: "dead letters", everyMs, log, run: look });
  return {
    start: () => loop.start(),
    wake: () => loop.wake(),
    tick: () => loop.tick(),
    async stop() {
      stopping = true;
      clearTimeout(alarm);
      await loop.stop();
      clearTimeout(alarm);
    },
  };
}
