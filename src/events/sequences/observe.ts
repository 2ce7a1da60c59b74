/** What the rows of an event say of a member: whether it is processed, and if not, why not. No I/O. */
import type { InstanceStatus, Json } from "../../engine/index.ts";
import { isFinal } from "../../engine/index.ts";
import type { Failure, Observation } from "./model.ts";

/** One line of the ledger. */
interface Decision {
  target: { kind: string; id: string };
  outcome: string;
  reason?: string;
  instanceId?: string;
}

export interface EventFacts {
  /** In the order in which they were written. */
  routings: { replayId: string; decisions: Decision[] }[];
  /** The newest last. */
  deliveries: { subscriptionId: string; status: string; error?: Json }[];
  /** The newest last. */
  deadLetters: { id: string; subscriberId: string; status: string; message: string; code: string }[];
}

export interface Expectation {
  waitForInstances: boolean;
  /** The replay by which it was last routed again. */
  replayId: string | null;
}

/** Undefined: there is none any more. */
export type InstanceStatuses = ReadonlyMap<string, InstanceStatus | undefined>;

export const zeroId = "00000000-0000-0000-0000-000000000000";

/** What each target did last. */
function lastDecisions({ routings }: EventFacts): Decision[] {
  const last = new Map<string, Decision>();
  for (const { decisions } of routings) {
    for (const decision of decisions) {
      // What a replay passes over was not meant by it.
      if (decision.outcome === "skipped" && last.has(decision.target.id)) continue;
      last.set(decision.target.id, decision);
    }
  }
  return [...last.values()];
}

const starts = (decision: Decision) => decision.outcome === "started" && decision.instanceId !== undefined;

/** The instances that it started, to be asked for before `observe` where they are waited for. */
export function startedBy(facts: EventFacts): string[] {
  return lastDecisions(facts)
    .filter(starts)
    .map(({ instanceId }) => instanceId!);
}

/**
 * An event is processed when its routing is recorded, no target failed, and nothing is on its way to a subscriber. A dead
 * letter that was resolved or discarded excuses the failure it stands for.
 */
export function observe(facts: EventFacts, expected: Expectation, instances: InstanceStatuses): Observation {
  const { routings, deliveries, deadLetters } = facts;
  const isRouted = (replayId: string) => routings.some((routing) => routing.replayId === replayId);
  if (!isRouted(zeroId) || (expected.replayId !== null && !isRouted(expected.replayId))) return underWay("routing");
  if (deadLetters.some(({ status }) => status === "reprocessing")) return underWay("routing");

  const lastDeliveries = new Map(deliveries.map((delivery) => [delivery.subscriptionId, delivery]));
  if ([...lastDeliveries.values()].some(({ status }) => status === "pending")) return underWay("deliveries");

  const decisions = lastDecisions(facts);
  const started = expected.waitForInstances ? decisions.filter(starts) : [];
  const statusOf = ({ instanceId }: Decision) => instances.get(instanceId!);
  if (started.some((one) => isOpen(statusOf(one)))) return underWay("instances");

  const letters = new Map(deadLetters.map((letter) => [letter.subscriberId.split(":").at(-1)!, letter]));
  const isExcused = (target: string) => ["resolved", "discarded"].includes(letters.get(target)?.status ?? "");
  const failures: Failure[] = [
    ...decisions
      .filter(({ outcome, target }) => outcome === "failed" && !isExcused(target.id))
      .map(({ target, reason }) =>
        failure("TARGET_FAILED", `${target.kind} ${target.id}: ${reason ?? "it failed"}`, target.id),
      ),
    ...[...lastDeliveries.values()]
      .filter(({ status, subscriptionId }) => status === "failed" && !isExcused(subscriptionId))
      .map(({ subscriptionId, error }) =>
        failure("DELIVERY_FAILED", `subscription ${subscriptionId}: ${sayError(error)}`, subscriptionId),
      ),
    ...[...letters.values()]
      .filter(({ status }) => status === "pending")
      .map(({ subscriberId, message }) =>
        failure("DEAD_LETTER", `${subscriberId}: ${message}`, subscriberId.split(":").at(-1)!),
      ),
    ...started
      .filter((one) => statusOf(one) !== "COMPLETED")
      .map((one) =>
        failure(
          "INSTANCE_FAILED",
          `the instance ${one.instanceId} is ${statusOf(one) ?? "not there any more"}`,
          one.target.id,
        ),
      ),
  ];
  const [first] = failures;
  if (first === undefined) return { kind: "processed" };
  const targets = [...new Set(failures.flatMap((one) => one.targets))];
  const more = targets.length > 1 ? ` (and ${targets.length - 1} more)` : "";
  return { kind: "failed", error: { ...first, message: `${first.message}${more}`, targets } };
}

function isOpen(status: InstanceStatus | undefined): boolean {
  return status !== undefined && !isFinal(status);
}

function underWay(waitsFor: "routing" | "deliveries" | "instances"): Observation {
  return { kind: "under_way", waitsFor };
}

function failure(code: string, message: string, target: string): Failure {
  return { code, message: message.slice(0, 1_000), targets: [target] };
}

/** Of a delivery's last attempt. */
function sayError(error: Json | undefined): string {
  if (typeof error === "string") return error;
  if (typeof error === "object" && error !== null && !Array.isArray(error)) {
    const text = error.error ?? error.message;
    if (typeof text === "string") return text;
  }
  return error === undefined || error === null ? "it was not delivered" : JSON.stringify(error);
}
