/**
 * The steps as graphs, one for each list of steps: names, targets, reachability.
 *
 * It is read from the raw document, as far as it can be, so that a fault inside one step does not make its neighbours
 * look unreachable. A misspelt target counts as the step that was probably meant, for the same reason.
 */
import { maxContainers, maxSteps } from "../schema/parts.ts";
import { type Edge, edgesOf, handlesTimeout } from "./edges.ts";
import type { Findings } from "./findings.ts";
import { createSuggest, oneOf, type Suggest } from "./nearest.ts";
import { around, branchesOf, listsOf, nameOf, type Place, type StepList } from "./nesting.ts";
import { shown, under } from "./pointer.ts";
import { reportSpinning } from "./spinning.ts";

export interface Graph {
  lists: readonly StepList[];
  /** All steps by stepId; of two steps with one id, the first. */
  readonly steps: ReadonlyMap<string, Place>;
  /** By pointer, those without a usable id too. */
  readonly places: ReadonlyMap<string, Place>;
  /** The steps of the same list that can come directly after a step. */
  follows(place: Place): readonly Place[];
  /** Whether a failure is caught anywhere, so that there can be an `error`. */
  catchesErrors: boolean;
}

/** Reads the graph and reports double names, unknown targets, unreachable steps and loops that never wait. */
export function checkGraph(document: unknown, findings: Findings): Graph {
  const lists = listsOf(document);
  const places = new Map(lists.flatMap((list) => list.places.map((place) => [place.pointer, place])));
  checkSizes(lists, findings);
  const steps = readNames(lists, findings);
  const edges = new Map([...places.values()].map((place) => [place, edgesOf(place)]));
  const resolve = createResolve(steps, findings);
  const follows = new Map([...edges].map(([place, ways]) => [place, resolve(place.list, ways)]));
  const graph: Graph = {
    lists,
    steps,
    places,
    follows: (place) => follows.get(place) ?? [],
    catchesErrors: [...edges].some(([place, ways]) => ways.some((way) => way.onFailure) || handlesTimeout(place)),
  };
  for (const list of lists) reportUnreachable(graph, list, findings);
  reportSpinning(lists, (place) => edges.get(place) ?? [], findings);
  return graph;
}

/** The steps that some path leads to, `starts` included. */
export function reachableFrom(graph: Graph, starts: readonly Place[]): Set<Place> {
  const reached = new Set<Place>();
  const pending = [...starts];
  while (pending.length > 0) {
    const place = pending.pop()!;
    if (reached.has(place)) continue;
    reached.add(place);
    pending.push(...graph.follows(place));
  }
  return reached;
}

function checkSizes(lists: readonly StepList[], findings: Findings): void {
  const count = lists.reduce((sum, { length }) => sum + length, 0);
  if (count > maxSteps && lists[0]!.length <= maxSteps) {
    const message = `The definition has ${count} steps, those of branches and items among them`;
    findings.error("/steps", message, `at most ${maxSteps} steps; a WORKFLOW step runs those of another definition`);
  }
  const tooDeep = new Set(lists.filter(({ depth }) => depth === maxContainers + 1).map(({ container }) => container!));
  for (const { pointer } of tooDeep) {
    const message = `The step has branches or items inside ${maxContainers} others`;
    findings.error(pointer, message, `at most ${maxContainers} inside one another; a WORKFLOW step begins anew`);
  }
}

/** The steps by id, over all lists: paths, histories and expressions know a step by its id alone. */
function readNames(lists: readonly StepList[], findings: Findings): Map<string, Place> {
  const names = new Map<string, Place>();
  for (const place of lists.flatMap((list) => list.places)) {
    const { stepId, pointer } = place;
    if (stepId !== undefined) {
      const first = names.get(stepId);
      if (first === undefined) names.set(stepId, place);
      else findings.error(under(pointer, "stepId"), alreadyAt(stepId, first.pointer), "another id");
    }
    const branches = new Map<string, string>();
    for (const [index, { branchId }] of branchesOf(place.fields).entries()) {
      if (typeof branchId !== "string") continue;
      const at = under(pointer, "branches", index);
      const first = branches.get(branchId);
      if (first === undefined) branches.set(branchId, at);
      else findings.error(under(at, "branchId"), alreadyAt(branchId, first), "another id");
    }
  }
  return names;
}

export function alreadyAt(id: string, pointer: string): string {
  return `${shown(id)} is already the id of ${pointer}`;
}

/** Finds the steps that edges mean, and reports those that lead to none of their own list. */
function createResolve(steps: ReadonlyMap<string, Place>, findings: Findings) {
  const known = new Map<StepList, { names: string[]; suggest: Suggest }>();
  const namesOf = (list: StepList) => {
    let answer = known.get(list);
    if (answer === undefined) {
      const names = [...list.byId.keys()];
      answer = { names, suggest: createSuggest(names) };
      known.set(list, answer);
    }
    return answer;
  };
  return (list: StepList, edges: readonly Edge[]): Place[] =>
    edges.flatMap(({ pointer, target }) => {
      const found = list.byId.get(target);
      if (found !== undefined) return [found];
      const { names, suggest } = namesOf(list);
      const elsewhere = steps.get(target);
      if (elsewhere !== undefined) {
        const place = `is one of ${nameOf(elsewhere.list)} (${elsewhere.pointer})`;
        const message = `The step ${shown(target)} ${place}, and no way leads from one list of steps into another`;
        findings.error(pointer, message, sameList(list, elsewhere, names));
        return [];
      }
      const meant = suggest(target);
      findings.error(pointer, `There is no step ${shown(target)}`, oneOf(names, meant));
      return meant === undefined ? [] : [list.byId.get(meant)!];
    });
}

/** What would be right where a target is in another list: the step around it, or how to leave a list. */
function sameList(list: StepList, elsewhere: Place, names: readonly string[]): string {
  for (const inner of around(elsewhere.list)) {
    const holder = inner.container?.stepId;
    if (inner.container?.list === list && holder !== undefined) return oneOf(names, holder);
  }
  const holder = list.container?.stepId;
  if (holder === undefined) return oneOf(names);
  return `${oneOf(names)}; without a target the list ends, and ${shown(holder)} goes on when it is joined`;
}

function reportUnreachable(graph: Graph, list: StepList, findings: Findings): void {
  const first = list.byId.values().next().value;
  // What a step without an id of its own leads to is not blamed for that.
  const loose = list.places.filter((place) => list.byId.get(place.stepId ?? "") !== place);
  const starts = [...(first === undefined ? [] : [first]), ...loose];
  const reached = reachableFrom(graph, starts);
  const from = list.kind === "workflow" ? "the first step" : `the first step of ${nameOf(list)}`;
  for (const place of list.byId.values()) {
    if (reached.has(place)) continue;
    const message = `The step ${shown(place.stepId)} is unreachable: no path leads from ${from} to it`;
    findings.error(place.pointer, message, `a transition to ${shown(place.stepId)} from a step that is reached`);
  }
}
