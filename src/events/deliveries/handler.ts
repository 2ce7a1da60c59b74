/** Subscribers inside this program. */
import { type EventView, type TaskLog, taskLog, toErrorInfo } from "../../engine/index.ts";
import type { Logger } from "../../foundation/log.ts";
import type { Parcel, Reply } from "./model.ts";

export interface SubscriberContext {
  /** The same for every attempt of this delivery, and for no other: hand it to whatever must act once. */
  readonly deliveryId: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  readonly subscriptionId: string;
  readonly namespace: string;
  /** Set where the event is sent once more by a replay. */
  readonly replayId: string | undefined;
  /** Aborted when the time is up or the program stops. */
  readonly signal: AbortSignal;
  readonly log: TaskLog;
}

/**
 * Takes an event. It has taken it when it returns; what it throws is a failure, whose category (as of a `TaskError`)
 * decides whether it is tried again. It runs at least once for each event.
 */
export type SubscriberHandler = (event: EventView, ctx: SubscriberContext) => unknown | Promise<unknown>;

interface Run {
  handler: SubscriberHandler;
  parcel: Parcel;
  subscriptionId: string;
  attempt: number;
  timeoutMs: number;
  signal: AbortSignal;
  log: Logger;
}

/** Never rejects. A handler that does not end in time goes on alone; its outcome is not waited for. */
export async function runHandler({ handler, parcel, timeoutMs, signal, log, ...about }: Run): Promise<Reply> {
  const beganMs = performance.now();
  const { deliveryId, namespace, replayId } = parcel;
  const timeout = AbortSignal.timeout(timeoutMs);
  const until = AbortSignal.any([timeout, signal]);
  const { sourceKey: _, ...event } = parcel.event;
  const fields = { deliveryId, subscriptionId: about.subscriptionId, attempt: about.attempt };
  const ctx: SubscriberContext = {
    ...about,
    deliveryId,
    namespace,
    replayId: replayId ?? undefined,
    signal: until,
    log: taskLog(log, fields, () => {}),
  };
  const took = () => Math.round(performance.now() - beganMs);
  const { promise: ended, reject } = Promise.withResolvers<never>();
  until.addEventListener("abort", () => reject(until.reason), { once: true });
  try {
    await Promise.race([(async () => handler(event, ctx))(), ended]);
    return { delivered: true, durationMs: took() };
  } catch (error) {
    if (signal.aborted) return failed({ code: "ABORTED", type: "SYSTEM", message: "The program stops" });
    if (timeout.aborted) {
      return failed({ code: "TIMEOUT", type: "TIMEOUT", message: `The handler took longer than ${timeoutMs} ms` });
    }
    const { code, category, message, retriable, stackTrace } = toErrorInfo(error, new Date().toISOString());
    return { ...failed({ code, type: category, message, ...(stackTrace && { stackTrace }) }), permanent: !retriable };
  }

  function failed(failure: NonNullable<Reply["failure"]>): Reply {
    return { delivered: false, durationMs: took(), failure };
  }
}
