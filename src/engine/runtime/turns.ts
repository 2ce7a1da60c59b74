/**
 * A turn: one fact meets one instance. The machine decides, the decision's rows go to the lane, and only after their
 * commit does anyone hear of it: handlers, callers, watchers.
 *
 * Two instances may have their turns in one work, which is written whole: a step's child begins beside the row that names
 * it, and where a child ends whose parent is in memory, the parent has its turn beside the child's last row.
 */

import { shardOf } from "../../foundation/ids.ts";
import { storeRefusal } from "../errors.ts";
import { decide } from "../machine/decide.ts";
import type { Decision, Fact } from "../machine/facts.ts";
import { type InstanceStatus, isFinal } from "../machine/state.ts";
import { encodeMessage, encodeTimer, parkedChange } from "../store/rows.ts";
import type { ErrorInfo } from "../task.ts";
import type { ChildStart, Core, Delivery } from "./core.ts";
import { encodeDecision } from "./encode.ts";
import { nothingTold, sayDecision, sayParked, type Told, toldOf } from "./engine_lines.ts";
import { limitIdOf } from "./limits.ts";
import type { LookBack } from "./look_back.ts";
import { encodePublished, publishingContext } from "./published.ts";
import { enterMemory, letParentGo, type Resident } from "./resident.ts";
import { tallied, tallyTurn } from "./tallies.ts";
import { addExtra, addPart, emptyWork, isEmpty, type Work } from "./work.ts";

/** What a turn hands on after its commit; wired by `node.ts`, so that the parts do not import each other in circles. */
export interface Reactions {
  runTask(resident: Resident, task: Decision["tasks"][number]): void;
  /** Waits are about to be written, are written, or were not. */
  waits: Pick<LookBack, "expect" | "begin" | "forget">;
  armTimer(timer: { shard: number; instanceId: string; key: string; dueAt: number }): void;
  /** Facts were written for instances or limits of these shards. */
  posted(shards: number[]): void;
  /** The child that a step begins: its rows become a part of the work. Gives the child's first turn. */
  beginChild(work: Work, resident: Resident, child: ChildStart): Turn;
  /** The version that a child was to begin with is not the latest any more. */
  outdated(workflowId: string): void;
  /** The instance is to be read from the store again; `replay` is then given to it. */
  reload(what: { shard: number; instanceId: string; replay: Delivery[] }): void;
}

export class LaneLost extends Error {
  override readonly name = "LaneLost";
}

/** Of a step whose result the store refused. */
const unstorableCode = "UNSTORABLE";

/** What one instance decided within a work. */
export interface Turn {
  readonly resident: Resident;
  readonly decision: Decision;
  /** What it was before. */
  readonly from: InstanceStatus;
  /** `begins`: its row is in the same work. `beside`: its child ended in the same work. */
  readonly kind: "own" | "begins" | "beside";
  /** Its parent hears of its end by a row. */
  tells: boolean;
}

export interface Turns {
  /** Applies a fact to an instance in memory. */
  apply(resident: Resident, delivery: Delivery): void;
  /** Puts an instance into memory and its first decision's rows into a work that the caller has begun and submits. */
  begin(work: Work, resident: Resident): Turn;
  /** The turns are in the store: `tell` is called, and then comes what the decisions asked for. */
  committed(turns: readonly Turn[], tell: () => void): void;
  /** What these turns decided was not written, and is not going to be. */
  undo(turns: readonly Turn[]): void;
  /** Takes an instance out of memory; what is queued of it is void. */
  forget(resident: Resident): void;
}

export function createTurns(core: Core, reactions: Reactions): Turns {
  const { residents, time, log } = core;
  /** Who wants an instance to be tried again whose end this node has not heard of. */
  const retries = new Map<Resident, Delivery[]>();

  function decideNow(resident: Resident, fact: Fact): Decision {
    resident.publishing ??= publishingContext(core, resident);
    return decide(resident.program, resident.state, fact, {
      now: time.now(),
      random: core.random,
      instance: resident.facts,
      ...resident.publishing,
    });
  }

  function turnOf({ resident, decision, from, kind }: Pick<Turn, "resident" | "decision" | "from" | "kind">): Turn {
    resident.pending++;
    return { resident, decision, from, kind, tells: false };
  }

  function mayTurn(resident: Resident, fact: Fact): boolean {
    const phase = resident.gone ? undefined : core.shards.get(resident.shard)?.phase;
    return phase !== undefined && (phase !== "releasing" || fact.kind === "released");
  }

  function apply(resident: Resident, delivery: Delivery): void {
    if (!mayTurn(resident, delivery.fact)) {
      delivery.failed?.(new LaneLost("the shard is not held any more"));
      return;
    }
    if (delivery.fact.kind === "retry" && isFinal(resident.state.status) && resident.pending > 0) {
      // Its end is in the store, and this node has not heard so: it is tried again from its rows.
      const asked = retries.get(resident);
      if (asked === undefined) retries.set(resident, [delivery]);
      else asked.push(delivery);
      return;
    }
    const work = emptyWork({ shard: resident.shard, instanceId: resident.id });
    const turns: Turn[] = [];
    const counted = tallied(resident);
    const told = toldOf(resident);
    const from = resident.state.status;
    try {
      const decision = decideNow(resident, withProgram(delivery.fact));
      turns.push(turnOf({ resident, decision, from, kind: "own" }));
      tallyTurn(work, counted, delivery.fact, decision);
      if (decision.program !== undefined) resident.program = decision.program;
      if (decision.priority !== undefined) resident.facts.priority = decision.priority;
      bring(work, turns, delivery);
      fill(work, resident, decision, told);
    } catch (error) {
      undo(turns);
      park({ resident, from, delivery, error });
      return;
    }
    // Whoever ends may end its parent, and that one its own.
    for (const turn of turns) if (turn.decision.ended !== undefined) tellParent(work, turns, turn, delivery);
    if (delivery.inboxId !== undefined) addExtra(work, "inboxConsumed", `[${resident.shard},${delivery.inboxId}]`);
    send(work, turns, delivery);
  }

  /** A migration's program was loaded by whoever delivers it. */
  function withProgram(fact: Fact): Fact {
    return fact.kind === "migrate" ? { ...fact, to: core.compiled(fact.definitionId) } : fact;
  }

  /** What comes with a fact. Of one that takes no effect a payload stays unclaimed and is removed; what was said was said. */
  function bring(work: Work, turns: Turn[], { payload, errand, logs, child }: Delivery): void {
    const { resident, decision } = turns[0]!;
    for (const line of logs ?? []) addExtra(work, "logs", line);
    if (decision.ignored !== undefined) return;
    if (payload !== undefined) {
      resident.references.set(payload.value, payload.id);
      addExtra(work, "payloadsClaimed", `[${resident.shard},"${payload.id}"]`);
    }
    if (errand !== undefined) addExtra(work, "errands", errand);
    if (child !== undefined) turns.push(reactions.beginChild(work, resident, child));
  }

  function begin(work: Work, resident: Resident): Turn {
    const from = resident.state.status;
    const decision = decideNow(resident, { kind: "started" });
    fill(work, resident, decision, nothingTold);
    enterMemory(core, resident);
    return turnOf({ resident, decision, from, kind: "begins" });
  }

  /**
   * The step that waits for an instance hears how it ended: in the same work where that one is in memory, else by a row
   * of its shard's inbox. (A fact that changes nothing goes by a row too: what it was too late for may not be written.)
   */
  function tellParent(work: Work, turns: Turn[], teller: Turn, { apart }: Delivery): void {
    const { parent, state, id: childId, shard: fromShard } = teller.resident;
    if (parent === undefined || parent.path === null) return;
    letParentGo(core, teller.resident);
    const { output, error } = state;
    const end = {
      path: parent.path,
      childId,
      status: teller.decision.ended!,
      ...(output === undefined ? {} : { output }),
      ...(error === undefined ? {} : { error }),
    };
    const resident = apart === true ? undefined : residents.get(parent.instanceId);
    const turn = resident && turnBeside(work, resident, { kind: "child_ended", ...end });
    if (turn !== undefined) {
      turns.push(turn);
      return;
    }
    teller.tells = true;
    const to = parent.instanceId;
    const shard = shardOf(to, core.shardCount);
    addExtra(work, "inboxPosted", encodeMessage({ shard, kind: "CHILD_ENDED", to, fact: end, fromShard }));
  }

  function turnBeside(work: Work, resident: Resident, fact: Fact): Turn | undefined {
    if (!mayTurn(resident, fact)) return undefined;
    const part = emptyWork({ shard: resident.shard, instanceId: resident.id });
    const before = toldOf(resident);
    const from = resident.state.status;
    try {
      const decision = decideNow(resident, fact);
      if (decision.ignored !== undefined) return undefined;
      fill(part, resident, decision, before);
      addPart(work, part);
      return turnOf({ resident, decision, from, kind: "beside" });
    } catch (error) {
      park({ resident, from, delivery: { fact }, error });
      return undefined;
    }
  }

  function fill(work: Work, resident: Resident, decision: Decision, before: Told): void {
    const epoch = core.shards.get(resident.shard)?.epoch ?? 0;
    if (decision.ignored !== undefined) {
      const { shard, id: instanceId } = resident;
      for (const timer of decision.cleared)
        addExtra(work, "timersCleared", encodeTimer({ shard, instanceId, ...timer }));
      return;
    }
    const childrenHere = core.childrenHere.has(resident.id);
    encodeDecision(work, resident, decision, { epoch, now: time.now(), shards: core.shardCount, childrenHere });
    encodePublished(core, work, resident, decision);
    expectWaits(resident, decision);
    sayDecision(core, work, resident, { decision, before });
  }

  function expectWaits({ shard, id: instanceId, namespace }: Resident, { waitsOpened }: Decision): void {
    if (waitsOpened.length === 0) return;
    const openedAt = time.now();
    for (const { path, pattern, key, since } of waitsOpened)
      reactions.waits.expect({ shard, instanceId, path, namespace, pattern, key, since, openedAt });
  }

  function forgetWaits({ resident, decision }: Turn): void {
    const { shard, id: instanceId } = resident;
    for (const { path } of decision.waitsOpened) reactions.waits.forget({ shard, instanceId, path });
  }

  /** Submits the rows of turns. A turn that writes nothing takes effect at once, unless earlier rows are still under way. */
  function send(work: Work, turns: readonly Turn[], delivery: Delivery): void {
    const { resident, decision } = turns[0]!;
    const alone = turns.length === 1;
    if (decision.ignored !== undefined)
      log.debug({ instance: resident.id, fact: delivery.fact.kind, why: decision.ignored }, "ignored");
    // What came too late for an instance whose end is in the store is still told so.
    const isLate = () => resident.over === true && decision.ignored !== undefined;
    work.wanted = alone ? () => !resident.gone || isLate() : () => turns.every((turn) => !turn.resident.gone);
    work.committed = () => {
      forgetConsumed(resident.shard, delivery.inboxId);
      // Whoever brought the fact may have another for the resident, which may rest and be forgotten after this one.
      committed(turns, () => delivery.settled?.({ ignored: decision.ignored, resident }));
    };
    work.dropped = () => {
      // The lane is lost, or what the turn rested on was refused: the instance itself is forgotten then. Others are not.
      if (!alone && !resident.gone) {
        takeBack(turns, [delivery]);
        return;
      }
      forgetConsumed(resident.shard, delivery.inboxId);
      takeBack(turns.slice(1), []);
      forgetWaits(turns[0]!);
      resident.pending--;
      delivery.failed?.(new LaneLost("the lane was lost before the effect was recorded"));
    };
    work.refused = (error) => {
      if (turns.some(({ kind }) => kind === "beside")) {
        // Whose value it is shows when each is written by itself.
        takeBack(turns, [{ ...delivery, apart: true }]);
        return;
      }
      forgetConsumed(resident.shard, delivery.inboxId);
      undo(turns);
      refuse(turns[0]!, delivery, error);
    };
    work.stale = () => {
      for (const { kind, resident: child } of turns)
        if (kind === "begins") reactions.outdated(child.program.workflowId);
      takeBack(turns, []);
    };
    if (alone && resident.pending === 1 && isEmpty(work)) work.committed();
    else core.lane.submit(work);
  }

  function forgetConsumed(shard: number, inboxId: number | undefined): void {
    if (inboxId !== undefined) core.shards.get(shard)?.underWay.delete(inboxId);
  }

  /**
   * Nothing of the turns was written, and memory went on: the rows say where the instances stand. The one whose fact it
   * was gets it again.
   */
  function takeBack(turns: readonly Turn[], replay: Delivery[]): void {
    const again = new Set<Resident>();
    for (const { resident, kind } of turns) if (kind !== "begins" && !resident.gone) again.add(resident);
    undo(turns);
    for (const resident of again) {
      const { shard, id: instanceId } = resident;
      reactions.reload({ shard, instanceId, replay: resident === turns[0]?.resident ? replay : [] });
    }
  }

  /** Forgets all, in order: a child that leaves memory lets a parent that is still there go to sleep, and write its state. */
  function undo(turns: readonly Turn[]): void {
    for (const turn of turns) {
      turn.resident.pending--;
      forgetWaits(turn);
    }
    for (const { resident } of turns) forget(resident);
  }

  function committed(turns: readonly Turn[], tell: () => void): void {
    for (const { resident } of turns) resident.pending--;
    tell();
    for (const turn of turns) act(turn);
  }

  /** What a decision asked for, now that it is in the store. */
  function act(turn: Turn): void {
    const { resident, decision } = turn;
    for (const path of decision.aborted) resident.running.get(path)?.abort("cancelled");
    const { id: instanceId, shard } = resident;
    for (const { path } of decision.waitsOpened) reactions.waits.begin({ shard, instanceId, path });
    if (resident.gone) return;
    for (const timer of decision.armed) reactions.armTimer({ shard, instanceId, ...timer });
    for (const { path, runner, untilAt } of decision.awaited) resident.awaited.set(path, { runner, untilAt });
    const shards = addressees(turn);
    if (shards.length > 0) reactions.posted(shards);
    if (decision.ended !== undefined) {
      resident.over = true;
      forget(resident);
      core.observer.ended(instanceId, decision.ended);
      return;
    }
    for (const task of decision.tasks) {
      // Among the facts at hand may be the end of the very step.
      if (resident.expecting) core.clock.soon(() => reactions.runTask(resident, task));
      else reactions.runTask(resident, task);
    }
    if (decision.entries.length > 0 || decision.transitions.length > 0) core.observer.changed(instanceId);
    if (decision.unfinished) apply(resident, { fact: { kind: "continued" } });
    else rest(resident);
  }

  /** An instance that has nothing to do leaves memory; one that stayed for others goes to sleep first. */
  function rest(resident: Resident): void {
    if (resident.gone || resident.pending > 0 || resident.awaited.size > 0) return;
    if (!resident.ready) forget(resident);
    else if (resident.kept && !resident.expecting && !core.childrenHere.has(resident.id))
      apply(resident, { fact: { kind: "continued" } });
  }

  /** The shards for which a decision wrote facts and events. */
  function addressees({ resident, decision, tells }: Turn): number[] {
    const { messages, published, lifecycle } = decision;
    if (messages.length + published.length + lifecycle.length === 0 && !tells) return [];
    const shards = new Set<number>();
    for (const { kind, to } of messages) shards.add(shardOf(kind === "CANCEL" ? to : limitIdOf(to), core.shardCount));
    for (const { id } of published) shards.add(shardOf(id, core.shardCount));
    if (lifecycle.length > 0) shards.add(resident.shard);
    if (tells) shards.add(shardOf(resident.parent!.instanceId, core.shardCount));
    return [...shards];
  }

  /** The store refused a value. The fact is replaced by a failure, on the state that the store has. */
  function refuse({ resident, from }: Turn, delivery: Delivery, error: Error): void {
    const { shard, id: instanceId } = resident;
    const { fact } = delivery;
    const failed = unstorable(fact, error);
    if (failed === undefined ? comesAgain(delivery) : "error" in fact && fact.error?.code === unstorableCode) {
      park({ resident, from, delivery, error });
      return;
    }
    log.warn({ err: error, instance: instanceId, fact: fact.kind }, "the store refused a value");
    forget(resident);
    const replay: Delivery[] = [];
    const { child: _, ...rest } = delivery;
    if (failed === undefined) delivery.failed?.(storeRefusal(error));
    else replay.push({ ...rest, fact: failed });
    reactions.reload({ shard, instanceId, replay });
  }

  /** Nobody waits for it who could be told: it would be refused again as often as it is read. */
  function comesAgain({ fact, inboxId }: Delivery): boolean {
    return inboxId !== undefined || fact.kind === "timer" || fact.kind === "continued";
  }

  /** The failure that takes the place of a step's result. */
  function unstorable(fact: Fact, refusal: Error): Fact | undefined {
    const now = time.now();
    const error: ErrorInfo = {
      code: unstorableCode,
      category: "VALIDATION",
      message: `The result of the step cannot be stored: ${refusal.message}`,
      retriable: false,
      timestamp: new Date(now).toISOString(),
    };
    switch (fact.kind) {
      case "completed":
      case "failed": {
        const { path, attempt, startedAt, completedAt } = fact;
        return { kind: "failed", path, attempt, error, startedAt, completedAt };
      }
      case "spawned":
        return { kind: "failed", path: fact.path, attempt: fact.attempt, error, startedAt: now, completedAt: now };
      case "child_ended":
        return { kind: "child_ended", path: fact.path, childId: fact.childId, status: "FAILED", error };
      default:
        return undefined;
    }
  }

  /** The machine broke on this instance. It is set aside with its error, and the rest goes on. */
  function park(what: { resident: Resident; from: InstanceStatus; delivery: Delivery; error: unknown }): void {
    const { resident, from, delivery, error } = what;
    log.error({ err: error, instance: resident.id, fact: delivery.fact.kind }, "an instance is parked");
    const work = emptyWork({ shard: resident.shard, instanceId: resident.id });
    const { id, shard, namespace } = resident;
    work.change = parkedChange({ id, shard, status: from }, { error, fact: delivery.fact.kind, at: time.now() });
    sayParked(core, work, { id, shard, namespace, definitionId: resident.program.definitionId }, error);
    if (delivery.inboxId !== undefined) addExtra(work, "inboxConsumed", `[${resident.shard},${delivery.inboxId}]`);
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
    const replay = retries.get(resident);
    if (replay !== undefined) {
      retries.delete(resident);
      reactions.reload({ shard: resident.shard, instanceId: resident.id, replay });
    }
    if (!resident.counted) return;
    letParentGo(core, resident);
    const parent = residents.get(resident.parent!.instanceId);
    if (parent !== undefined) rest(parent);
  }

  return { apply, begin, committed, undo, forget };
}
