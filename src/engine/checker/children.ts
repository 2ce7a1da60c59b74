/**
 * Children, by their rows: the row that begins one names it, and it names that row's step; a step that waited has what its
 * child ended with; nobody is left behind when the parent has ended.
 */

import {
  type CheckedInstance,
  type CheckedRows,
  type CheckedStep,
  type CheckOptions,
  comparable,
  goesOn,
  isFinal,
} from "./rows.ts";

export function checkChildren(
  rows: CheckedRows,
  stepsOf: ReadonlyMap<string, CheckedStep[]>,
  { settled, setAside }: CheckOptions,
  faults: string[],
): void {
  const known = new Map(rows.instances.map((instance) => [instance.id, instance]));
  const triedAgain = new Set(
    rows.transitions.filter(({ event }) => event === "workflow_retried").map(({ entityId }) => entityId),
  );
  /** Which row began which child. */
  const begun = new Map<string, CheckedStep>();
  for (const [parentId, steps] of stepsOf) {
    if (!known.has(parentId)) continue;
    const waiting = new Map<string, CheckedStep>();
    for (const step of steps) {
      const { path, seq, epoch } = step;
      const childId = step.outcome?.childId;
      const what = `instance ${parentId}: row ${seq} (${path})`;
      if (childId !== undefined && epoch !== 0) {
        const before = begun.get(childId);
        if (before !== undefined) faults.push(`${what} begins the child ${childId}, which row ${before.seq} began`);
        begun.set(childId, step);
        const child = known.get(childId);
        const waitedAt = goesOn(step) ? path : null;
        if (child === undefined) faults.push(`${what} began the child ${childId}, which does not exist`);
        else if (child.parentId !== parentId || child.parentPath !== waitedAt)
          faults.push(`${what} began the child ${childId}, which is of ${child.parentId} at "${child.parentPath}"`);
        if (waitedAt !== null) waiting.set(path, step);
        continue;
      }
      const asked = waiting.get(path);
      if (asked === undefined) continue;
      if (!(step.status === "RUNNING" || step.status === "PENDING")) waiting.delete(path);
      const child = known.get(asked.outcome!.childId!);
      if (child === undefined || triedAgain.has(child.id) || setAside?.has(child.id) === true) continue;
      const fault = resultFault(step, child);
      if (fault !== undefined) faults.push(`${what} ${fault}`);
    }
  }
  for (const { id, parentId, parentPath, status } of rows.instances) {
    if (parentId === null) continue;
    if (!begun.has(id)) faults.push(`instance ${id} is a child of ${parentId}, which never began it`);
    const parent = known.get(parentId);
    if (settled && parentPath !== null && isFinal(parent?.status ?? "COMPLETED") && !isFinal(status))
      faults.push(`instance ${id} is ${status}, and its parent ${parentId} is ${parent?.status}`);
  }
}

/** What a row that ends a step, or an attempt of it, says otherwise than the child that the step waited for. */
function resultFault(step: CheckedStep, child: CheckedInstance): string | undefined {
  const { status, errorCode } = step;
  if (status === "COMPLETED") {
    if (child.status !== "COMPLETED") return `completed, and its child ${child.id} is ${child.status}`;
    const [given, expected] = [comparable(step.output), comparable(child.output)];
    if (given !== undefined && expected !== undefined && given !== expected)
      return `has the output ${given}, and its child ${child.id} gave ${expected}`;
    return undefined;
  }
  // One whose time is up goes on without its child.
  if (status !== "FAILED" || errorCode === "TIMEOUT") return undefined;
  const expected = child.status === "FAILED" ? child.errorCode : "CHILD_CANCELLED";
  if (child.status === "COMPLETED" || errorCode !== expected)
    return `failed with ${errorCode}, and its child ${child.id} is ${child.status} with ${child.errorCode}`;
  return undefined;
}
