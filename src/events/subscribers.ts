/** Subscriptions, deliveries, dead letters and replays, put together for one node. */
import type { Engine } from "../engine/index.ts";
import type { Database } from "../foundation/database/index.ts";
import type { HttpServer } from "../foundation/http/index.ts";
import type { Logger } from "../foundation/log.ts";
import type { Resolve } from "../foundation/outbound/index.ts";
import { addDeadLetterRoutes } from "./dead_letters/routes.ts";
import { createDeadLetterWorker, type DeadLetterWorker } from "./dead_letters/worker.ts";
import { createDeliverer, type Deliverer, type SubscriberHandlers } from "./deliveries/deliverer.ts";
import { addDeliveryRoutes } from "./deliveries/routes.ts";
import { createReplay } from "./replays/operations.ts";
import { addReplayRoutes } from "./replays/routes.ts";
import { createReplayWorker, type ReplayWorker } from "./replays/worker.ts";
import type { Given } from "./subscriptions/check.ts";
import { ensureSubscription } from "./subscriptions/operations.ts";
import { addSubscriptionRoutes } from "./subscriptions/routes.ts";
import type { SubscriptionView } from "./subscriptions/views.ts";

export interface SubscribersOptions {
  db: Database;
  log: Logger;
  engine: Pick<Engine, "nodeId" | "publish" | "routeAgain" | "wakeRouters">;
  /** In-process subscribers of this program, by name. */
  handlers: SubscriberHandlers;
  allowPrivateAddresses: boolean;
  retentionMs: number;
  drainMs: number;
  /** In place of the system's name resolution. */
  resolve?: Resolve;
}

export interface Subscribers {
  readonly deliverer: Deliverer;
  readonly deadLetters: DeadLetterWorker;
  readonly replays: ReplayWorker;
  start(): void;
  /** Lets what is under way end, for the drain time. */
  stop(): Promise<void>;
  /** Deliveries were written: look soon. Cheap; to be called after commits. */
  wake(): void;
  addRoutes(http: HttpServer): void;
  /** The subscription of this name, as it is wanted. */
  ensure(what: { namespace: string; given: Given & { name: string }; createdBy: string }): Promise<SubscriptionView>;
}

export function createSubscribers(options: SubscribersOptions): Subscribers {
  const { db, log, engine, handlers, allowPrivateAddresses, retentionMs: keepMs, drainMs, resolve } = options;
  const { nodeId } = engine;
  const deliverer = createDeliverer({
    db,
    log,
    nodeId,
    handlers,
    allowPrivateAddresses,
    keepMs,
    drainMs,
    onRoutingChange: () => engine.wakeRouters(),
    ...(resolve !== undefined && { resolve }),
  });
  const letters = { db, engine, wakeDeliveries: deliverer.wake };
  const deadLetters = createDeadLetterWorker({ ...letters, log, nodeId, keepMs });
  const replays = createReplayWorker({ db, log, engine, keepMs });
  return {
    deliverer,
    deadLetters,
    replays,
    start() {
      deliverer.start();
      deadLetters.start();
      replays.start();
    },
    async stop() {
      await Promise.all([replays.stop(), deadLetters.stop(), deliverer.stop()]);
    },
    wake: deliverer.wake,
    addRoutes(http) {
      addSubscriptionRoutes(http, {
        db,
        engine,
        judge: deliverer.judge,
        wakeDeliveries: deliverer.wake,
        sweepDeliveries: deliverer.sweepSoon,
        wakeReplays: replays.wake,
        async replayMissing(tx, { subscriptionId, since, ...what }) {
          // The database's clock may be a little ahead of this node's.
          const from = new Date(Math.min(Date.parse(since), Date.now() - 1)).toISOString();
          const replay = await createReplay(tx, { ...what, from, targets: [subscriptionId], onlyMissing: true });
          return replay.id;
        },
      });
      addDeliveryRoutes(http, { db, log, deliverer });
      addDeadLetterRoutes(http, letters, deadLetters.wake);
      addReplayRoutes(http, { db, wake: replays.wake });
    },
    async ensure({ namespace, given, createdBy }) {
      const { judge } = deliverer;
      const made = await db.transaction((tx) => ensureSubscription(tx, { namespace, given, judge, createdBy }));
      engine.wakeRouters();
      deliverer.wake();
      return made;
    },
  };
}
