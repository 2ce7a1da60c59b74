/**
 * Words and laws of event sequences; no I/O.
 *
 *     created ──start──▶ in_progress ──all members are settled──▶ completed
 *        │                │    │  ▲
 *        │                │    │  └──resume, retry, skip──┐
 *        └──cancel──┬─────┘    └──a required one failed──▶ failed
 *                   ▼
 *               cancelled
 *
 *     pending ──▶ published ──▶ processed | failed        skipped: a person passed it over
 */
import type { Json } from "../../engine/index.ts";

export const sequenceStatuses = ["created", "in_progress", "completed", "failed", "cancelled"] as const;
export type SequenceStatus = (typeof sequenceStatuses)[number];
export const memberStatuses = ["pending", "published", "processed", "failed", "skipped"] as const;
export type MemberStatus = (typeof memberStatuses)[number];
export const rollbackTypes = ["compensating_events", "retry", "manual"] as const;

export interface RollbackStrategy {
  type: (typeof rollbackTypes)[number];
  /** Of `retry`: how often each required member is routed again. */
  maxRetries?: number;
  compensatingEvents?: { pattern: string; payloadTemplate: Json }[];
}

export interface Failure {
  message: string;
  code: string;
  /** Ids of the triggers and subscriptions that failed. */
  targets: string[];
}

export type WaitsFor = "routing" | "deliveries" | "instances";

/** What was seen of a published member. */
export type Observation =
  | { kind: "under_way"; waitsFor: WaitsFor }
  | { kind: "processed" }
  | { kind: "failed"; error: Failure };

export interface MemberState {
  position: number;
  order: number;
  required: boolean;
  status: MemberStatus;
  retries: number;
}

export type Action =
  | { kind: "settle"; position: number; status: "processed" }
  | { kind: "settle"; position: number; status: "failed"; error: Failure }
  | { kind: "wait"; position: number; waitsFor: WaitsFor }
  | { kind: "publish"; positions: number[] }
  /** The member is published, or routed, once more. */
  | { kind: "retry"; position: number; error: Failure }
  | { kind: "complete" }
  /** By the first required member that failed. `compensates`: before that the compensating events are published. */
  | { kind: "fail"; position: number; compensates: boolean; isFinal: boolean };

/**
 * What is to be done about a sequence that is in progress. The members of one order go together; those of the next are
 * published when all before them are processed, skipped, or failed without being required.
 *
 * A required member that failed is tried again where the strategy says so. Otherwise nothing more is published; the members
 * that are under way are awaited, so that what compensates comes after what it compensates; then the sequence fails.
 *
 * Asked again after its actions were done, it has none but waits.
 */
export function advance(
  strategy: RollbackStrategy | undefined,
  members: readonly MemberState[],
  observed: ReadonlyMap<number, Observation>,
): Action[] {
  const actions: Action[] = [];
  const now = members.map((member) => ({ ...member }));
  for (const member of now) {
    const seen = member.status === "published" ? observed.get(member.position) : undefined;
    if (seen === undefined) continue;
    const { position } = member;
    if (seen.kind === "under_way") {
      actions.push({ kind: "wait", position, waitsFor: seen.waitsFor });
    } else if (seen.kind === "processed") {
      member.status = "processed";
      actions.push({ kind: "settle", position, status: "processed" });
    } else if (member.required && member.retries < retriesOf(strategy)) {
      actions.push({ kind: "retry", position, error: seen.error });
    } else {
      member.status = "failed";
      actions.push({ kind: "settle", position, status: "failed", error: seen.error });
    }
  }
  return [...actions, ...next(strategy, now)];
}

function next(strategy: RollbackStrategy | undefined, members: readonly MemberState[]): Action[] {
  if (members.some(({ status }) => status === "published")) return [];
  const culprit = members.find(({ required, status }) => required && status === "failed");
  if (culprit !== undefined) {
    const compensates = strategy?.type === "compensating_events";
    return [{ kind: "fail", position: culprit.position, compensates, isFinal: strategy?.type !== "manual" }];
  }
  const pending = members.filter(({ status }) => status === "pending");
  if (pending.length === 0) return [{ kind: "complete" }];
  const order = Math.min(...pending.map((member) => member.order));
  return [{ kind: "publish", positions: pending.filter((one) => one.order === order).map((one) => one.position) }];
}

export function retriesOf(strategy: RollbackStrategy | undefined): number {
  return strategy?.type === "retry" ? (strategy.maxRetries ?? usualRetries) : 0;
}

export const usualRetries = 3;

/** The publisher's id of a member's event: the same however often it is published. */
export function memberEventId(sequence: string, { order, position }: { order: number; position: number }): string {
  return `seq:${sequence}:${order}:${position}`;
}

export function compensationEventId(sequence: string, position: number): string {
  return `seq:${sequence}:compensation:${position}`;
}

export function sourceKeyOf(sequence: string): string {
  return `event-sequences/${sequence}`;
}

const soonestMs = 20;
const latestMs = 10_000;

/** When to look again at what is under way: after a quarter of the time for which nothing has changed. */
export function pauseAfter(unchangedMs: number): number {
  return Math.min(latestMs, Math.max(soonestMs, unchangedMs / 4));
}
