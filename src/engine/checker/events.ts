/**
 * Events: each accepted one is routed once, reaches every target that takes it once, and no wait misses one. What is
 * told beside the rows says which targets and waits an event is for.
 */

import { uuidTimeMs } from "../../foundation/ids.ts";
import { stepIdOf } from "../machine/state.ts";
import { acceptedWithinMs } from "../store/contract_events.ts";
import {
  type CheckedEvent,
  type CheckedEvents,
  type CheckedRows,
  type CheckedStep,
  type CheckedWait,
  type CheckOptions,
  groupBy,
  isFinal,
} from "./rows.ts";

interface Seen {
  rows: CheckedRows;
  events: CheckedEvents;
  byId: Map<string, CheckedEvent>;
  /** Of each instance, in the order of their numbers. */
  stepsOf: ReadonlyMap<string, CheckedStep[]>;
  options: CheckOptions;
  faults: string[];
}

export function checkEvents(
  rows: CheckedRows,
  stepsOf: ReadonlyMap<string, CheckedStep[]>,
  options: CheckOptions,
  faults: string[],
): void {
  const { events } = rows;
  if (events === undefined) return;
  const byId = new Map(events.accepted.map((event) => [event.id, event]));
  const seen: Seen = { rows, events, byId, stepsOf, options, faults };
  checkAcceptance(seen);
  checkRoutings(seen);
  checkTargets(seen);
  checkTurns(seen);
  const waitsOf = groupBy(rows.waits, ({ instanceId }) => instanceId);
  for (const [instanceId, waits] of waitsOf) checkInstance(seen, instanceId, waits);
}

/** What was answered is there, once for each source and id. */
function checkAcceptance({ events, byId, options, faults }: Seen): void {
  for (const id of options.published ?? [])
    if (!byId.has(id)) faults.push(`event ${id} was accepted and does not exist`);
  const keys = new Map<string, string>();
  for (const { id, key } of events.accepted) {
    if (key === null) continue;
    const first = keys.get(key);
    if (first !== undefined) faults.push(`events ${first} and ${id} have the same key ${key}`);
    keys.set(key, id);
  }
}

/** Once, and once more for each replay. */
function checkRoutings({ events, byId, options, faults }: Seen): void {
  const routed = new Map<string, number>();
  for (const { eventId, replayId, targets } of events.routings) {
    const key = `${eventId} ${replayId ?? ""}`;
    routed.set(key, (routed.get(key) ?? 0) + 1);
    if (!byId.has(eventId)) faults.push(`event ${eventId} was routed and not accepted`);
    const twice = targets.find((target, at) => targets.indexOf(target) !== at);
    if (twice !== undefined) faults.push(`event ${eventId} was decided about twice for ${twice}`);
  }
  for (const [key, times] of routed) if (times > 1) faults.push(`event ${key} was routed ${times} times`);
  if (!options.settled) return;
  for (const { id } of events.accepted) if (!routed.has(`${id} `)) faults.push(`event ${id} was never routed`);
}

/** Each (event, target) once; those that were there all the time, surely. */
function checkTargets({ rows, events, byId, options, faults }: Seen): void {
  const taken = new Map<string, number>();
  const take = (eventId: string, targetId: string) => {
    const key = `${eventId} ${targetId}`;
    taken.set(key, (taken.get(key) ?? 0) + 1);
    const event = byId.get(eventId);
    if (event === undefined) faults.push(`target ${targetId} took event ${eventId}, which was not accepted`);
    else if (options.targetsOf?.(event).some(({ id }) => id === targetId) === false)
      faults.push(`target ${targetId} took event ${eventId}, which is not for it`);
  };
  for (const { triggerEventId, triggerId } of rows.instances) {
    if (triggerEventId !== undefined && triggerEventId !== null) take(triggerEventId, triggerId ?? "nobody");
  }
  for (const { eventId, subscriptionId, replayId } of events.deliveries)
    if (replayId === null) take(eventId, subscriptionId);
  for (const [key, times] of taken) if (times > 1) faults.push(`event and target ${key} met ${times} times`);
  if (!options.settled) return;
  for (const event of events.accepted) {
    for (const { id, sure } of options.targetsOf?.(event) ?? [])
      if (sure && !taken.has(`${event.id} ${id}`)) faults.push(`event ${event.id} did not reach target ${id}`);
  }
}

/** What the same trigger starts of one partition key begins in the order in which the events were accepted. */
function checkTurns({ rows, options, faults }: Seen): void {
  const begun = new Map<string, number>();
  for (const [at, { entityId, from, entityType }] of rows.transitions.entries())
    if (entityType === "workflow" && from === null) begun.set(entityId, at);
  const starts = new Map<string, number>();
  for (const { id, triggerEventId, triggerId } of rows.instances) {
    const at = begun.get(id);
    if (triggerEventId !== undefined && triggerEventId !== null && at !== undefined)
      starts.set(`${triggerEventId} ${triggerId}`, at);
  }
  const triggers = new Set(rows.instances.flatMap(({ triggerId }) => triggerId ?? []));
  for (const { first, second } of options.inTurn ?? []) {
    for (const trigger of triggers) {
      const [one, other] = [starts.get(`${first} ${trigger}`), starts.get(`${second} ${trigger}`)];
      if (one !== undefined && other !== undefined && one > other)
        faults.push(`trigger ${trigger} began with event ${second} before ${first}, which was accepted before it`);
    }
  }
}

/** What one instance consumed, and what it missed. */
function checkInstance(seen: Seen, instanceId: string, waits: readonly CheckedWait[]): void {
  const { rows, byId, stepsOf, options, faults } = seen;
  const instance = rows.instances.find(({ id }) => id === instanceId);
  if (instance === undefined) return;
  /** By event: the number of the row that consumed it. */
  const consumed = new Map<string, number>();
  const take = (eventId: string, seq: number) => {
    if (consumed.has(eventId))
      faults.push(
        `instance ${instanceId} consumed event ${eventId} twice, in rows ${consumed.get(eventId)} and ${seq}`,
      );
    consumed.set(eventId, seq);
    if (!byId.has(eventId)) faults.push(`instance ${instanceId} consumed event ${eventId}, which was not accepted`);
  };
  if (instance.triggerEventId !== undefined && instance.triggerEventId !== null) take(instance.triggerEventId, 0);
  const rowOf = new Map<string, { seq: number; eventId: string }>();
  for (const { seq, path, epoch, outcome } of stepsOf.get(instanceId) ?? []) {
    if (outcome?.eventId === undefined) continue;
    if (epoch === 0) consumed.set(outcome.eventId, seq);
    else take(outcome.eventId, seq);
    rowOf.set(path, { seq, eventId: outcome.eventId });
  }
  for (const wait of waits) {
    const { path, status, eventId = null } = wait;
    const isTrigger = path.startsWith("~cancel/");
    const row = rowOf.get(path);
    if (isTrigger && eventId !== null) take(eventId, Number.MAX_SAFE_INTEGER);
    if (!isTrigger && status === "fulfilled" && (row?.eventId ?? null) !== eventId)
      faults.push(`instance ${instanceId}: the wait "${path}" had event ${eventId}, its row says ${row?.eventId}`);
    if (options.fits === undefined) continue;
    const fits = (event: CheckedEvent) => options.fits!(instance, wait, event);
    if (eventId !== null && byId.has(eventId) && !fits(byId.get(eventId)!))
      faults.push(`instance ${instanceId}: the wait "${path}" had event ${eventId}, which does not fit it`);
    if (status === "active" && !isFinal(instance.status) && instance.status !== "PAUSED" && !instance.parked) {
      if (!options.quiet) continue;
      const missed = seen.events.accepted.find((event) => !consumed.has(event.id) && fits(event));
      if (missed !== undefined)
        faults.push(`instance ${instanceId} (${stepIdOf(path)}): the wait "${path}" has missed event ${missed.id}`);
    }
    if (isTrigger || row === undefined || wait.openedAt === undefined) continue;
    const before = wait.openedAt - options.toleranceMs - (options.visibleMs ?? 0);
    const earlier = seen.events.accepted.find(
      (event) =>
        event.id < row.eventId &&
        event.acceptedAt < before &&
        !wasLongOnItsWay(event) &&
        (consumed.get(event.id) ?? Number.POSITIVE_INFINITY) > row.seq &&
        fits(event),
    );
    if (earlier !== undefined)
      faults.push(
        `instance ${instanceId}: the wait "${path}" took event ${row.eventId}, and not ${earlier.id} before it`,
      );
  }
}

/** It counts as accepted before it was: whoever looked back meanwhile could not see it. */
function wasLongOnItsWay({ id, acceptedAt }: CheckedEvent): boolean {
  return acceptedAt >= uuidTimeMs(id) + acceptedWithinMs;
}
