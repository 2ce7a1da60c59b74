/** What the definitions of the shapes say, for laws that look at rows. */

import type { JoinRule } from "../../src/engine/checker.ts";
import { compile, type Json } from "../../src/engine/index.ts";
import type { Program } from "../../src/engine/machine/program.ts";
import { nextVersions, versionsByName } from "../shapes/index.ts";
import type { InstanceRow } from "./rows.ts";

const compiled = new Map<string, Program>();

/** Undefined for a version that is no shape's. */
export function programOf(definitionId: string): Program | undefined {
  const known = compiled.get(definitionId);
  const version = versionsByName.get(definitionId);
  if (known !== undefined || version === undefined) return known;
  const program = compile(version.definition, { definitionId, namespace: "default" });
  compiled.set(definitionId, program);
  return program;
}

/** Whether the engine itself gives the result of a step. */
export function isTransform(definitionId: string, stepId: string): boolean {
  return programOf(definitionId)?.steps.get(stepId)?.transform !== undefined;
}

/** Of the versions that an instance may have had, the loosest rule. */
export function joinOf(instance: InstanceRow | undefined, stepId: string): JoinRule | undefined {
  if (instance === undefined) return undefined;
  const { workflowId } = instance;
  const versions = [versionsByName.get(workflowId), nextVersions.get(workflowId)].filter((one) => one !== undefined);
  const joins = versions.map(({ definitionId }) => programOf(definitionId)?.steps.get(stepId)?.join);
  const rule: JoinRule = {};
  for (const join of joins) {
    if (join?.kind === "branches") rule.need = Math.min(rule.need ?? join.need, join.need);
    if (join?.kind === "items") rule.maxConcurrency = Math.max(rule.maxConcurrency ?? 0, join.maxConcurrency);
  }
  return rule;
}

export function limitsOf(instance: InstanceRow | undefined): { key: string; limit: number }[] {
  if (instance === undefined) return [];
  const { definitionId, workflowId, input } = instance;
  return (programOf(definitionId)?.limits ?? []).map(({ limit, key }, index) => ({
    key: `${workflowId}/${index}/${key === undefined ? "" : JSON.stringify(key.evaluate({ input }) as Json)}`,
    limit,
  }));
}
