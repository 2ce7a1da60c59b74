/** What may be wrong with how PostgreSQL runs a statement. */

import { expect } from "vitest";
import type { Explainer, Plan } from "../support/plans.ts";
import type { Case, Some } from "./plan_cases.ts";

/** Tables with a row for each node, lane or shard, or a single one; everything else may grow. */
const smallTables = new Set([
  ...["node_registrations", "lanes", "shard_leases", "cluster_settings"],
  ...["routing_revision", "look_back_floors"],
]);

/** What is wrong with how a plan reaches tables. */
export function faultsOf(plan: Plan, indexes: readonly string[]): string[] {
  return plan.nodes.flatMap(({ kind, relation, index }) => {
    if (kind === "Seq Scan") return smallTables.has(relation ?? "") ? [] : [`Seq Scan on ${relation}`];
    if (index === undefined || indexes.includes(index)) return [];
    return [`${kind} by ${index}`];
  });
}

/** What a case is looked at with. */
export interface Look {
  explainer: Explainer;
  some: Some;
}

export async function checkIndexes(one: Case, { explainer, some }: Look): Promise<void> {
  for (const generic of [false, true]) {
    const plan = await explainer.explain({ text: one.text(some), values: one.values(some), generic });
    expect(faultsOf(plan, one.indexes), generic ? "prepared" : "first call").toEqual([]);
  }
}

export async function checkCost(one: Case, { explainer, some }: Look): Promise<void> {
  for (const generic of [false, true]) {
    const plan = await explainer.explain({ text: one.text(some), values: one.values(some), generic });
    expect(plan.buffers, `pages, ${generic ? "prepared" : "first call"}`).toBeLessThanOrEqual(one.most);
    expect(plan.nodes[0]!.rows).toBeGreaterThanOrEqual(one.rows ?? 0);
  }
}
