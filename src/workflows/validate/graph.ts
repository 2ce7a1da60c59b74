/**
 * The steps as a graph: names, targets, reachability, and loops that would spin.
 *
 * It is read from the raw document, as far as it can be, so that a fault inside one step does not make its neighbours
 * look unreachable. A misspelt target counts as the step that was probably meant, for the same reason.
 */
import { stepIdPattern } from "../document.ts";
import type { Findings } from "./findings.ts";
import { findLoops } from "./loops.ts";
import { createSuggest, oneOf } from "./nearest.ts";
import { isRecord, shown, under } from "./pointer.ts";

interface Edge {
  pointer: string;
  target: string;
}

interface Place {
  pointer: string;
  stepId: string;
  isDecision: boolean;
  edges: Edge[];
}

export interface Graph {
  /** By stepId; of two steps with one id, the first. */
  readonly steps: ReadonlyMap<string, Place>;
  /** The steps that can come directly after a step. */
  follows(stepId: string): string[];
}

/** Reads the graph and reports double names, unknown targets, unreachable steps and loops of decisions. */
export function checkGraph(document: unknown, findings: Findings): Graph {
  const { steps, loose } = readSteps(document, findings);
  const names = [...steps.keys()];
  const suggest = createSuggest(names);
  const resolve = (edges: readonly Edge[]): string[] =>
    edges.flatMap(({ pointer, target }) => {
      if (steps.has(target)) return [target];
      const meant = suggest(target);
      findings.error(pointer, `There is no step ${shown(target)}`, oneOf(names, meant));
      return meant === undefined ? [] : [meant];
    });
  const resolved = new Map([...steps.values()].map(({ stepId, edges }) => [stepId, resolve(edges)]));
  const graph: Graph = { steps, follows: (stepId) => resolved.get(stepId) ?? [] };
  reportUnreachable(graph, [...names.slice(0, 1), ...resolve(loose)], findings);
  reportSpinning(graph, findings);
  return graph;
}

/** The steps that some path leads to, `starts` included. */
export function reachableFrom(graph: Graph, starts: readonly string[]): Set<string> {
  const reached = new Set<string>();
  const pending = [...starts];
  while (pending.length > 0) {
    const stepId = pending.pop()!;
    if (reached.has(stepId)) continue;
    reached.add(stepId);
    pending.push(...graph.follows(stepId));
  }
  return reached;
}

/** The steps by id, and the edges of steps that have no usable id of their own. */
function readSteps(document: unknown, findings: Findings): { steps: Map<string, Place>; loose: Edge[] } {
  const places = new Map<string, Place>();
  const loose: Edge[] = [];
  const steps = isRecord(document) && Array.isArray(document.steps) ? document.steps : [];
  for (const [index, step] of steps.entries()) {
    if (!isRecord(step)) continue;
    const { stepId } = step;
    const pointer = under("/steps", index);
    const edges = edgesOf(step, pointer);
    if (typeof stepId !== "string" || !stepIdPattern.test(stepId)) {
      loose.push(...edges);
      continue;
    }
    const first = places.get(stepId);
    if (first === undefined) {
      places.set(stepId, { pointer, stepId, isDecision: step.type === "DECISION", edges });
    } else {
      loose.push(...edges);
      findings.error(under(pointer, "stepId"), `${shown(stepId)} is already the id of ${first.pointer}`, "another id");
    }
  }
  return { steps: places, loose };
}

function edgesOf(step: Record<string, unknown>, pointer: string): Edge[] {
  const edges: Edge[] = [];
  const add = (target: unknown, ...path: (string | number)[]) => {
    if (typeof target === "string" && target !== "") edges.push({ pointer: under(pointer, ...path), target });
  };
  if (isRecord(step.transitions)) {
    const { conditions } = step.transitions;
    for (const [index, item] of (Array.isArray(conditions) ? conditions : []).entries()) {
      if (isRecord(item)) add(item.nextStep, "transitions", "conditions", index, "nextStep");
    }
    add(step.transitions.default, "transitions", "default");
  }
  if (step.type === "EVENT_WAIT" && isRecord(step.eventTimeout)) {
    add(step.eventTimeout.timeoutHandlerStepId, "eventTimeout", "timeoutHandlerStepId");
  }
  return edges;
}

function reportUnreachable(graph: Graph, starts: readonly string[], findings: Findings): void {
  const reached = reachableFrom(graph, starts);
  for (const { stepId, pointer } of graph.steps.values()) {
    if (!reached.has(stepId)) {
      const message = `The step ${shown(stepId)} is unreachable: no path leads from the first step to it`;
      findings.error(pointer, message, `a transition to ${shown(stepId)} from a step that is reached`);
    }
  }
}

/** Decisions take no time, so a loop of nothing else would hold its shard for ever. */
function reportSpinning(graph: Graph, findings: Findings): void {
  const follows = new Map<string, string[]>();
  for (const { stepId, isDecision, edges } of graph.steps.values()) {
    const targets = edges.map(({ target }) => target).filter((target) => graph.steps.get(target)?.isDecision);
    if (isDecision) follows.set(stepId, targets);
  }
  for (const loop of findLoops(follows)) {
    const names = loop.slice(0, 5).map(shown).join(", ") + (loop.length > 5 ? ", …" : "");
    const message = `A loop of DECISION steps only (${names}) would spin for ever`;
    const pointer = under(graph.steps.get(loop[0]!)!.pointer, "transitions");
    findings.error(pointer, message, "a TASK, DELAY or EVENT_WAIT step on the loop");
  }
}
