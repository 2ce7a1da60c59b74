/**
 * A turn: one fact meets one instance. The machine decides, the decision's rows go to the lane, and only after their
 * commit does anyone hear of it: handlers, callers, watchers.
 */

import { decide } from "../machine/decide.ts";
import type { Decision, Fact } from "../machine/facts.ts";
import { encodeTimer, parkedChange } from "../store/rows.ts";
import type { ErrorInfo } from "../task.ts";
import type { Core, Delivery } from "./core.ts";
import { encodeDecision } from "./encode.ts";
import type { Resident } from "./resident.ts";
import { emptyWork, isEmpty, type Work } from "./work.ts";

/** What the turn hands on after its commit; wired by `node.ts`, so that the parts do not import each other in circles. */
export interface Reactions {
  runTask(resident: Resident, task: Decision["tasks"][number]): void;
  armTimer(timer: { shard: number; instanceId: string; key: string; dueAt: number }): void;
  /** The instance is to be read from the store again; `replay` is then given to it. */
  reload(what: { shard: number; instanceId: string; replay: Delivery[] }): void;
}

export class LaneLost extends Error {
  override readonly name = "LaneLost";
}

export interface Turns {
  /** Applies a fact to an instance in memory. */
  apply(resident: Resident, delivery: Delivery): void;
  /** Applies a fact whose rows go into a work that the caller has begun (a start) and submits. */
  applyInto(work: Work, resident: Resident, fact: Fact): Decision;
  /** What a decision asked for, once it is in the store. */
  act(resident: Resident, decision: Decision): void;
  /** Takes an instance out of memory; what is queued of it is void. */
  forget(resident: Resident): void;
}

export function createTurns(core: Core, reactions: Reactions): Turns {
  const { residents, time, log } = core;

  function decideNow(resident: Resident, fact: Fact): Decision {
    return decide(resident.program, resident.state, fact, {
      now: time.now(),
      random: core.random,
      instance: resident.facts,
    });
  }

  function apply(resident: Resident, delivery: Delivery): void {
    const owned = core.shards.get(resident.shard);
    if (resident.gone || owned === undefined || (owned.phase === "releasing" && delivery.fact.kind !== "released")) {
      delivery.failed?.(new LaneLost("the shard is not held any more"));
      return;
    }
    const work = emptyWork({ shard: resident.shard, instanceId: resident.id });
    let decision: Decision;
    try {
      decision = decideNow(resident, delivery.fact);
      if (decision.ignored === undefined) bring(work, resident, delivery);
      fill(work, resident, decision);
    } catch (error) {
      park(resident, delivery, error);
      return;
    }
    if (delivery.inboxId !== undefined) work.inboxConsumed.push(`[${resident.shard},${delivery.inboxId}]`);
    send(work, resident, decision, delivery);
  }

  /** What comes with a fact that takes effect; of one that does not, a payload stays unclaimed and is removed. */
  function bring(work: Work, resident: Resident, { payload, errand }: Delivery): void {
    if (payload !== undefined) {
      resident.references.set(payload.value, payload.id);
      work.payloadsClaimed.push(`[${resident.shard},"${payload.id}"]`);
    }
    if (errand !== undefined) work.errands.push(errand);
  }

  function applyInto(work: Work, resident: Resident, fact: Fact): Decision {
    const decision = decideNow(resident, fact);
    fill(work, resident, decision);
    return decision;
  }

  function fill(work: Work, resident: Resident, decision: Decision): void {
    const epoch = core.shards.get(resident.shard)?.epoch ?? 0;
    if (decision.ignored !== undefined) {
      const { shard, id: instanceId } = resident;
      for (const timer of decision.cleared) work.timersCleared.push(encodeTimer({ shard, instanceId, ...timer }));
      return;
    }
    encodeDecision(work, resident, decision, { epoch, now: time.now() });
  }

  /** Submits a turn's rows. A turn that writes nothing takes effect at once, unless earlier rows are still under way. */
  function send(work: Work, resident: Resident, decision: Decision, delivery: Delivery): void {
    if (decision.ignored !== undefined)
      log.debug({ instance: resident.id, fact: delivery.fact.kind, why: decision.ignored }, "ignored");
    resident.pending++;
    work.wanted = () => !resident.gone;
    work.committed = () => {
      resident.pending--;
      forgetConsumed(resident.shard, delivery.inboxId);
      // Whoever brought the fact may have another for the resident, which may rest and be forgotten after this one.
      delivery.settled?.({ ignored: decision.ignored, resident });
      act(resident, decision);
    };
    work.dropped = () => {
      resident.pending--;
      forgetConsumed(resident.shard, delivery.inboxId);
      delivery.failed?.(new LaneLost("the lane was lost before the effect was recorded"));
    };
    work.refused = (error) => {
      resident.pending--;
      forgetConsumed(resident.shard, delivery.inboxId);
      refuse(resident, delivery, error);
    };
    if (resident.pending === 1 && isEmpty(work)) work.committed();
    else core.lane.submit(work);
  }

  function forgetConsumed(shard: number, inboxId: number | undefined): void {
    if (inboxId !== undefined) core.shards.get(shard)?.underWay.delete(inboxId);
  }

  /** What a decision asked for, now that it is in the store. */
  function act(resident: Resident, decision: Decision): void {
    for (const path of decision.aborted) resident.running.get(path)?.abort("cancelled");
    if (resident.gone) return;
    const { id: instanceId, shard } = resident;
    for (const timer of decision.armed) reactions.armTimer({ shard, instanceId, ...timer });
    for (const { path, runner, untilAt } of decision.awaited) resident.awaited.set(path, { runner, untilAt });
    if (decision.ended !== undefined) {
      forget(resident);
      core.observer.ended(instanceId, decision.ended);
      return;
    }
    for (const task of decision.tasks) reactions.runTask(resident, task);
    if (decision.entries.length > 0 || decision.transitions.length > 0) core.observer.changed(instanceId);
    if (decision.unfinished) apply(resident, { fact: { kind: "continued" } });
    else if (!resident.ready && resident.pending === 0 && resident.awaited.size === 0) forget(resident);
  }

  /** The store refused a value. The fact is replaced by a failure, on the state that the store has. */
  function refuse(resident: Resident, delivery: Delivery, error: Error): void {
    const { shard, id: instanceId } = resident;
    const { fact } = delivery;
    log.warn({ err: error, instance: instanceId, fact: fact.kind }, "the store refused a value");
    forget(resident);
    const replay: Delivery[] = [];
    if (fact.kind === "completed" || fact.kind === "failed") {
      const now = time.now();
      const cause: ErrorInfo = {
        code: "UNSTORABLE",
        category: "VALIDATION",
        message: `The result of the step cannot be stored: ${error.message}`,
        retriable: false,
        timestamp: new Date(now).toISOString(),
      };
      const { path, attempt, startedAt, completedAt } = fact;
      replay.push({ ...delivery, fact: { kind: "failed", path, attempt, error: cause, startedAt, completedAt } });
    } else {
      delivery.failed?.(error);
    }
    reactions.reload({ shard, instanceId, replay });
  }

  /** The machine broke on this instance. It is set aside with its error, and the rest goes on. */
  function park(resident: Resident, delivery: Delivery, error: unknown): void {
    log.error({ err: error, instance: resident.id, fact: delivery.fact.kind }, "an instance is parked");
    const work = emptyWork({ shard: resident.shard, instanceId: resident.id });
    const { id, shard, state } = resident;
    work.change = parkedChange(
      { id, shard, status: state.status },
      { error, fact: delivery.fact.kind, at: time.now() },
    );
    if (delivery.inboxId !== undefined) work.inboxConsumed.push(`[${resident.shard},${delivery.inboxId}]`);
    work.committed = () => delivery.settled?.({ ignored: "the instance is parked", resident: undefined });
    work.dropped = () => delivery.failed?.(new LaneLost("the lane was lost"));
    work.refused = (refusal) => delivery.failed?.(refusal);
    forget(resident);
    core.lane.submit(work);
  }

  function forget(resident: Resident): void {
    if (resident.gone) return;
    resident.gone = true;
    residents.delete(resident.id);
    for (const left of core.reads) left.add(resident.id);
  }

  return { apply, applyInto, act, forget };
}
