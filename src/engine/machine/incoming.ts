/** What comes from outside for waits and cancellation triggers: signals for whichever fits, events for one of them. */

import { ofEvent, ofSignal } from "./arrival.ts";
import { cancelByEvent, isCancellable } from "./cancelling.ts";
import { isConsumed } from "./consumption.ts";
import type { ArrivedEvent, Fact } from "./facts.ts";
import { fulfilTrigger, takenBy, triggerIndex, triggerOf } from "./triggers.ts";
import { programStep, type Turn } from "./turn.ts";
import { fits, fulfil, sinceOf } from "./waits.ts";

/** The first trigger or wait that it fits takes it; else it stays in the mailbox for those that open later. */
export function signal(turn: Turn, fact: Extract<Fact, { kind: "signal" }>): void {
  const { state, decision } = turn;
  if (fact.keyed) {
    if (state.keyedSignals.includes(fact.signalId)) {
      decision.ignored = "a signal with this key came before";
      return;
    }
    state.keyedSignals.push(fact.signalId);
    decision.full = true;
  }
  const mail = { signalId: fact.signalId, type: fact.type, payload: fact.payload, receivedAt: fact.receivedAt };
  const arrival = ofSignal(mail);
  const trigger = isCancellable(turn) ? triggerOf(turn, arrival) : undefined;
  if (trigger !== undefined) {
    cancelByEvent(turn, trigger, mail.signalId);
    return;
  }
  for (const live of Object.values(state.live)) {
    if (live.phase !== "waiting") continue;
    const step = programStep(turn, live);
    const warnings: string[] = [];
    if (fits(turn, live, step, { arrival, warnings })) {
      fulfil(turn, live, step, arrival, warnings);
      return;
    }
    decision.warnings.push(...warnings);
  }
  state.mailbox.push(mail);
  decision.full = true;
}

/**
 * An event that was found for one wait, of a step or of a trigger. It may have been found before, or for a wait that is
 * over by now, and whoever found it has not looked at the condition.
 */
export function event(turn: Turn, { path, event: found }: Extract<Fact, { kind: "event" }>): void {
  const index = triggerIndex(path);
  const refusal = isConsumed(turn.state, found)
    ? "the instance has consumed this event"
    : index === undefined
      ? giveToWait(turn, path, found)
      : giveToTrigger(turn, { path, index }, found);
  if (refusal !== undefined) turn.decision.ignored = refusal;
}

/** Why a wait does not take an event; undefined when it has taken it. */
function giveToWait(turn: Turn, path: string, found: ArrivedEvent): string | undefined {
  const live = turn.state.live[path];
  if (live?.phase !== "waiting") return `late: the wait "${path}" is not open`;
  const step = programStep(turn, live);
  const early = earlier(found, sinceOf(turn, live, step));
  if (early !== undefined) return early;
  const arrival = ofEvent(found);
  if (!step.wait!.matches(found.type)) return otherName(found, step.wait!);
  const warnings: string[] = [];
  if (!fits(turn, live, step, { arrival, warnings })) {
    turn.decision.warnings.push(...warnings);
    return falseCondition;
  }
  fulfil(turn, live, step, arrival, warnings);
  return undefined;
}

/** The same for a cancellation trigger, which lets the whole instance be cancelled. */
function giveToTrigger(turn: Turn, at: { path: string; index: number }, found: ArrivedEvent): string | undefined {
  const { state, program } = turn;
  const trigger = program.cancelOn[at.index];
  if (trigger === undefined) return `late: there is no cancellation trigger ${at.index}`;
  if (!isCancellable(turn)) return `late: the instance is ending as ${state.ending}`;
  const early = earlier(found, state.startedAt);
  if (early !== undefined) return early;
  if (!trigger.matches(found.type)) return otherName(found, trigger);
  const how = takenBy(turn, at.index, ofEvent(found));
  if (how === undefined) return falseCondition;
  fulfilTrigger(turn, at.path, found.id);
  cancelByEvent(turn, how, found.eventId);
  return undefined;
}

const falseCondition = "condition is false";

function earlier({ acceptedAt }: ArrivedEvent, since: number): string | undefined {
  if (acceptedAt >= since) return undefined;
  const iso = (ms: number) => new Date(ms).toISOString();
  return `the event was accepted at ${iso(acceptedAt)}, and the wait takes those since ${iso(since)}`;
}

function otherName({ type }: ArrivedEvent, { pattern }: { pattern: string }): string {
  return `the wait is for "${pattern}", and the event is "${type}"`;
}
