/**
 * Loops that take no time: they would hold their shard for ever.
 *
 * A DECISION takes no time; a PARALLEL takes none when as many branches as its join wants can be passed in none; a MAP
 * takes none when its steps take none. What runs a task, waits, or starts a workflow gives way to others.
 */
import type { Edge } from "./edges.ts";
import type { Findings } from "./findings.ts";
import { findLoops } from "./loops.ts";
import type { Place, StepList } from "./nesting.ts";
import { isRecord, shown, under } from "./pointer.ts";

type EdgesOf = (place: Place) => readonly Edge[];

/** Reports loops of such steps as errors, and as doubts those that only failures go round. */
export function reportSpinning(lists: readonly StepList[], edgesOf: EdgesOf, findings: Findings): void {
  const known = new Map<Place, boolean>();
  const isInstant = (place: Place): boolean => {
    const answer = known.get(place) ?? takesNoTime(place, canBePassed);
    known.set(place, answer);
    return answer;
  };
  /** Whether some way leads from the first step of a list to an end of it in no time. */
  const canBePassed = (list: StepList): boolean => {
    const seen = new Set<Place>();
    const pending = [...list.byId.values()].slice(0, 1);
    while (pending.length > 0) {
      const place = pending.pop()!;
      if (seen.has(place) || !isInstant(place)) continue;
      if (endsList(place)) return true;
      seen.add(place);
      pending.push(...targets(place, edgesOf(place)));
    }
    return false;
  };
  for (const list of lists) {
    const inNoTime = [...list.byId.values()].filter(isInstant);
    for (const loop of loopsOf(inNoTime, edgesOf)) {
      const kind = loop.every(({ fields }) => fields.type === "DECISION")
        ? "DECISION steps only"
        : "steps that never wait";
      const pointer = under(loop[0]!.pointer, "transitions");
      const message = `A loop of ${kind} (${listed(loop)}) would spin for ever`;
      findings.error(pointer, message, "a TASK, DELAY or EVENT_WAIT step on the loop");
    }
    reportFailing(list, { edgesOf, isInstant }, findings);
  }
}

/** A step that fails before it did anything, and is led back to by its failure, goes round without a pause. */
function reportFailing(
  list: StepList,
  { edgesOf, isInstant }: { edgesOf: EdgesOf; isInstant: (place: Place) => boolean },
  findings: Findings,
): void {
  const quick = [...list.byId.values()].filter(({ fields }) => fields.type !== "EVENT_WAIT");
  const ways: EdgesOf = (place) => edgesOf(place).filter(({ onFailure }) => onFailure || isInstant(place));
  for (const loop of loopsOf(quick, ways)) {
    const slow = loop.find((place) => !isInstant(place));
    if (slow === undefined) continue;
    const message = `When these steps fail at once, their failures go round without a pause: ${listed(loop)}`;
    findings.warn(under(slow.pointer, "onFailure"), message, "a DELAY step on the way back");
  }
}

function takesNoTime({ fields, inner }: Place, canBePassed: (list: StepList) => boolean): boolean {
  if (inner.length === 0) return fields.type === "DECISION";
  const passed = inner.filter(canBePassed).length;
  const { join = "all" } = fields;
  return passed >= (typeof join === "number" ? join : join === "any" ? 1 : inner.length);
}

function endsList({ fields: { transitions } }: Place): boolean {
  if (!isRecord(transitions)) return true;
  const { default: otherwise, conditions } = transitions;
  return otherwise === undefined && (!Array.isArray(conditions) || conditions.length === 0);
}

function targets(place: Place, edges: readonly Edge[]): Place[] {
  return edges.flatMap(({ target }) => place.list.byId.get(target) ?? []);
}

function loopsOf(places: readonly Place[], edgesOf: EdgesOf): Place[][] {
  const byPointer = new Map(places.map((place) => [place.pointer, place]));
  const follows = new Map(
    places.map((place) => [place.pointer, targets(place, edgesOf(place)).map(({ pointer }) => pointer)]),
  );
  return findLoops(follows).map((loop) => loop.map((pointer) => byPointer.get(pointer)!));
}

function listed(loop: readonly Place[]): string {
  return (
    loop
      .slice(0, 5)
      .map(({ stepId }) => shown(stepId))
      .join(", ") + (loop.length > 5 ? ", …" : "")
  );
}
