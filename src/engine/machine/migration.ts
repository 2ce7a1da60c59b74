/** Whether a running instance has its place in another version of its workflow. */

import type { Program, ProgramStep } from "./program.ts";
import { compensationScope, type InstanceState, isFinal, stepIdOf } from "./state.ts";

export interface MigrationProblem {
  /** The step that is in the way. */
  stepId?: string;
  message: string;
  expected: string;
}

/** Everything that is in the way; empty when the instance may go on with `to`. */
export function migrationProblems(what: { from: Program; to: Program; state: InstanceState }): MigrationProblem[] {
  const { from, to, state } = what;
  if (from.workflowId !== to.workflowId || from.namespace !== to.namespace) {
    const message = `"${to.workflowId}" is another workflow than "${from.workflowId}"`;
    return [{ message, expected: "a version of the same workflow" }];
  }
  if (isFinal(state.status)) {
    return [{ message: `The instance is ${state.status}`, expected: "an instance that has not ended" }];
  }
  if (state.ending !== undefined) {
    return [{ message: `The instance is ending as ${state.ending}`, expected: "an instance that is not ending" }];
  }
  const problems: MigrationProblem[] = [];
  for (const live of Object.values(state.live)) {
    if (live.path.startsWith(compensationScope)) continue;
    problems.push(...stepProblems(live.path, from, to));
  }
  if (!sameTriggers(from, to)) {
    const message = "The cancellation triggers differ: the instance's waits for them would be lost";
    problems.push({ message, expected: "the same cancellationTriggers" });
  }
  return problems;
}

function stepProblems(path: string, from: Program, to: Program): MigrationProblem[] {
  const stepId = stepIdOf(path);
  const before = from.steps.get(stepId)!;
  const after = to.steps.get(stepId);
  if (after === undefined) {
    const message = `Step "${stepId}" is under way and version ${to.version} does not have it`;
    return [{ stepId, message, expected: `a step "${stepId}" of type ${before.type}` }];
  }
  if (after.type !== before.type) {
    const message = `Step "${stepId}" is under way as a ${before.type} and is a ${after.type} in version ${to.version}`;
    return [{ stepId, message, expected: `a step "${stepId}" of type ${before.type}` }];
  }
  if (to.homes.get(stepId) !== from.homes.get(stepId)) {
    const message = `Step "${stepId}" is under way and stands in another branch or list in version ${to.version}`;
    return [{ stepId, message, expected: "the same place in the definition" }];
  }
  return [...waitProblems(stepId, before, after, to), ...joinProblems(stepId, before, after, to)];
}

function waitProblems(stepId: string, before: ProgramStep, after: ProgramStep, to: Program): MigrationProblem[] {
  const [old, next] = [before.wait, after.wait];
  if (old === undefined || next === undefined) return [];
  if (old.pattern === next.pattern && old.conditionText === next.conditionText) return [];
  const message = `Step "${stepId}" waits for "${old.pattern}", and that wait would be lost: version ${to.version} waits for something else`;
  const condition = old.conditionText === undefined ? "" : ` with the condition ${JSON.stringify(old.conditionText)}`;
  return [{ stepId, message, expected: `eventPattern "${old.pattern}"${condition}` }];
}

function joinProblems(stepId: string, before: ProgramStep, after: ProgramStep, to: Program): MigrationProblem[] {
  const [old, next] = [before.join, after.join];
  if (old?.kind === "branches" && next?.kind === "branches") {
    const names = (join: typeof old) => [...join.entries.keys()].sort();
    if (JSON.stringify(names(old)) === JSON.stringify(names(next))) return [];
    const message = `Step "${stepId}" is under way and has other branches in version ${to.version}`;
    return [{ stepId, message, expected: `the branches ${names(old).join(", ")}` }];
  }
  return [];
}

function sameTriggers(from: Program, to: Program): boolean {
  const shape = ({ cancelOn }: Program) => JSON.stringify(cancelOn.map((on) => [on.pattern, on.conditionText]));
  return shape(from) === shape(to);
}
