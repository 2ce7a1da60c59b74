/** The door of the room. */

export { createDefinitionSource } from "./definitions/source.ts";
export type { SubscriberHandlers } from "./deliveries/deliverer.ts";
export type { SubscriberContext, SubscriberHandler } from "./deliveries/handler.ts";
export { readSubmission } from "./intake/body.ts";
export { type Intake, type Published, publishEvents, publishInputs } from "./intake/operations.ts";
export { createGate, type Gate } from "./queue/gate.ts";
export { createQueueKeeper } from "./queue/loops.ts";
export { isPaused, lookAtQueue } from "./queue/operations.ts";
export { addQueueRoutes } from "./queue/routes.ts";
export { addEventRoutes } from "./routes.ts";
export { createRoutingSource, type LoadTargets, type RoutingSourceOptions } from "./routing/source.ts";
export type { LoadedTarget, TargetChanges } from "./routing/targets.ts";
export { createSequenceWorker, type SequenceWorker } from "./sequences/loops.ts";
export { addSequenceRoutes } from "./sequences/routes.ts";
export { createSubscribers, type Subscribers, type SubscribersOptions } from "./subscribers.ts";
export type { Given as SubscriptionWish } from "./subscriptions/check.ts";
export { loadSubscriptionTargets } from "./subscriptions/targets.ts";
export type { SubscriptionView } from "./subscriptions/views.ts";
