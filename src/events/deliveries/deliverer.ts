/**
 * What a node does about deliveries: claim what is due, send it, record what came of it, come back.
 *
 *     bell, alarm, slow poll ─▶ claim ─▶ send (many side by side) ─▶ record (together) ─▶ bell
 *
 * - Subscribers do not hold one another up: of each only so many deliveries are under way, and a claim takes the first of
 *   every subscription before the second of any.
 * - An answer that was lost with its node is no answer: the claim runs out, and the same delivery is sent again with the
 *   same webhook-id.
 * - With nothing to do a node asks twice in every ten seconds.
 */
import type { Database } from "../../foundation/database/index.ts";
import { uuidv7 } from "../../foundation/ids.ts";
import type { Logger } from "../../foundation/log.ts";
import { Loop } from "../../foundation/loop.ts";
import { type AddressJudge, allowEvery, type Resolve, refuseNonPublic } from "../../foundation/outbound/index.ts";
import { disableSubscription, removeDeletedSubscriptions } from "../subscriptions/queries.ts";
import { eventOf } from "./events.ts";
import { runHandler, type SubscriberHandler } from "./handler.ts";
import { entryOf, type Parcel, type Reply, verdictOf } from "./model.ts";
import * as queries from "./queries.ts";
import { createRecorder } from "./record.ts";
import { createWebhookSender, type WebhookSender } from "./webhook.ts";

export type SubscriberHandlers = Readonly<Record<string, SubscriberHandler>>;

export interface DelivererOptions {
  db: Database;
  log: Logger;
  nodeId: string;
  /** In-process subscribers of this program, by name. */
  handlers: SubscriberHandlers;
  allowPrivateAddresses: boolean;
  /** How long what has ended is kept. */
  keepMs: number;
  /** How long what is under way may still take when the node stops. */
  drainMs: number;
  /** Routing has changed, because a subscription was disabled. */
  onRoutingChange(): void;
  resolve?: Resolve;
}

export interface Deliverer {
  readonly judge: AddressJudge;
  readonly sender: WebhookSender;
  readonly handlers: SubscriberHandlers;
  start(): void;
  /** Lets what is under way end, for the drain time; the rest is another node's. It is not started again. */
  stop(): Promise<void>;
  /** Sends what is due now, and resolves when all of it is recorded. */
  tick(): Promise<void>;
  /** Deliveries were inserted, or subscriptions changed: look soon. */
  wake(): void;
  /** A subscription was disabled or deleted: what is pending for it is cancelled soon. */
  sweepSoon(): void;
}

const everyMs = 10_000;
/** Alarms are not rung more often; a delivery that other nodes are claiming looks due for an instant. */
const leastAlarmMs = 50;
const busyAlarmMs = 1_000;
const mostUnderWay = 512;
const mostPerClaim = 100;
const cleanEveryMs = 3_600_000;
const sweepSize = 1_000;

export function createDeliverer(options: DelivererOptions): Deliverer {
  const { db, log, nodeId, handlers, keepMs, drainMs, onRoutingChange, resolve } = options;
  const judge = options.allowPrivateAddresses ? allowEvery : refuseNonPublic;
  const sender = createWebhookSender({ judge, ...(resolve !== undefined && { resolve }) });
  const names = Object.keys(handlers);
  const giveUp = new AbortController();
  const underWay = new Map<string, Promise<void>>();
  const givenUp: string[] = [];
  let ended = 0;
  let stopping = false;
  let needsSweep = false;
  let cleanedMs = Number.NEGATIVE_INFINITY;
  let alarm: NodeJS.Timeout | undefined;

  const recorder = createRecorder({
    db,
    nodeId,
    log,
    async after(hopeless) {
      for (const { id, failingSince } of hopeless) await disable(id, `It has only failed since ${failingSince}`);
      loop.wake();
    },
  });

  async function disable(id: string, reason: string): Promise<void> {
    const disabled = await db.transaction((tx) => tx.query(disableSubscription, [id, reason]));
    if (disabled.length === 0) return;
    log.warn({ subscriptionId: id, reason }, "a subscription was disabled");
    needsSweep = true;
    onRoutingChange();
  }

  async function look(): Promise<void> {
    clearTimeout(alarm);
    let begun = 0;
    while (!stopping && underWay.size < mostUnderWay) {
      const room = Math.min(mostPerClaim, mostUnderWay - underWay.size);
      const claimed = await db.query<queries.ClaimedRow>(queries.claimDeliveries, [names, nodeId, room]);
      for (const row of claimed) {
        const sending = deliver(row).finally(() => {
          underWay.delete(row.id);
          ended++;
        });
        underWay.set(row.id, sending);
      }
      begun += claimed.length;
      if (claimed.length < room) break;
    }
    if (needsSweep) await sweep();
    if (performance.now() - cleanedMs > cleanEveryMs) await clean();
    if (!stopping) await setAlarm(begun > 0);
  }

  /** While there is much to do it is looked again soon anyway; else at the time of the next delivery. */
  async function setAlarm(isBusy: boolean): Promise<void> {
    if (isBusy || underWay.size >= mostUnderWay) {
      alarm = setTimeout(() => loop.wake(), busyAlarmMs);
      return;
    }
    const [next] = await db.query<{ inMs: number | null }>(queries.nextDue, [names]);
    const inMs = next?.inMs ?? null;
    if (inMs !== null && inMs < everyMs) alarm = setTimeout(() => loop.wake(), Math.max(leastAlarmMs, inMs));
  }

  /** Never rejects. */
  async function deliver(row: queries.ClaimedRow): Promise<void> {
    const at = new Date().toISOString();
    const attempt = row.attempts + 1;
    const reply = await replyTo(row, attempt);
    if (giveUp.signal.aborted && reply.failure?.code === "ABORTED") return void givenUp.push(row.id);
    const { status, delayMs } = verdictOf(reply, { attempt, policy: row.retryPolicy, chance: Math.random() });
    const entry = entryOf(reply, { at, attempt });
    recorder.add({
      id: row.id,
      attempt,
      status,
      delayMs,
      entry,
      letterId: uuidv7(Date.now()),
      error: reply.failure ?? null,
    });
    if (reply.gone !== true) return;
    await recorder.settled();
    await disable(row.subscriptionId, "The endpoint answered 410 Gone").catch((error: unknown) =>
      log.warn({ err: error, subscriptionId: row.subscriptionId }, "a subscription that is gone was not disabled"),
    );
    loop.wake();
  }

  async function replyTo(row: queries.ClaimedRow, attempt: number): Promise<Reply> {
    const { id: deliveryId, namespace, replayId, event, endpoint, handler, subscriptionId, timeoutMs } = row;
    if (event === null) {
      const message = "The event was removed by retention before it could be sent";
      return {
        delivered: false,
        permanent: true,
        durationMs: 0,
        failure: { code: "EVENT_GONE", type: "NOT_FOUND", message },
      };
    }
    const parcel: Parcel = { deliveryId, namespace, replayId, event: eventOf(event) };
    const { signal } = giveUp;
    if (endpoint !== null) return await sender.send(parcel, { ...row, endpoint }, signal);
    // The claim took only what a handler of this node takes.
    const own = handlers[handler!]!;
    return await runHandler({ handler: own, parcel, subscriptionId, attempt, timeoutMs, signal, log });
  }

  async function sweep(): Promise<void> {
    needsSweep = false;
    for (;;) {
      const [swept] = await db.query<{ count: number }>(queries.cancelOrphans, [sweepSize]);
      if ((swept?.count ?? 0) === 0) return;
    }
  }

  /** Off the hot path, and what another node has left undone. */
  async function clean(): Promise<void> {
    await sweep();
    while (!stopping && (await db.execute(queries.removeOldDeliveries, [keepMs])).rowCount > 0);
    await db.execute(removeDeletedSubscriptions);
    cleanedMs = performance.now();
  }

  const loop = new Loop({ name: "deliveries", everyMs, log, run: look });

  async function settled(): Promise<void> {
    while (underWay.size > 0) await Promise.all(underWay.values());
    await recorder.settled();
  }

  return {
    judge,
    sender,
    handlers,
    start: () => loop.start(),
    wake: () => loop.wake(),
    sweepSoon() {
      needsSweep = true;
      loop.wake();
    },
    async tick() {
      let seen: number;
      do {
        seen = ended;
        await recorder.settled();
        await loop.tick();
        if (underWay.size > 0) await Promise.race(underWay.values());
        // What has ended since made room for more.
      } while (underWay.size > 0 || ended !== seen);
      await recorder.settled();
    },
    async stop() {
      stopping = true;
      clearTimeout(alarm);
      await loop.stop();
      const timer = setTimeout(() => giveUp.abort(), drainMs);
      await settled();
      clearTimeout(timer);
      clearTimeout(alarm);
      if (givenUp.length > 0) await db.execute(queries.releaseDeliveries, [nodeId, givenUp]).catch(() => undefined);
      await sender.close();
    },
  };
}
