/** What WORKFLOW and TERMINATE steps must satisfy beyond their shape. */
import type { TerminateStep, WorkflowStep } from "../../engine/index.ts";
import { isVersion } from "../../foundation/semantic_version.ts";
import type { Context } from "./context.ts";
import { checkDuration, checkRetryPolicy } from "./fields.ts";
import type { Place } from "./nesting.ts";
import { isRecord, shown, under } from "./pointer.ts";

type Here = Context & { place: Place };

export function checkChild(step: WorkflowStep, { checks, findings, graph, place, workflowId }: Here): void {
  const at = (field: string) => under(place.pointer, field);
  if (step.version !== undefined && !isVersion(step.version)) {
    const message = `${shown(step.version)} is not a semantic version`;
    findings.error(at("version"), message, 'three numbers, such as "1.0.0", or nothing for the latest');
  }
  if (step.input !== undefined) checks.input(step.input, { pointer: at("input"), standing: "step", place });
  checkDuration(step.timeout, at("timeout"), findings);
  checkRetryPolicy(step.retryPolicy, at("retryPolicy"), findings);
  if (step.detach) {
    for (const field of ["timeout", "retryPolicy"] as const) {
      if (step[field] === undefined) continue;
      findings.warn(at(field), `Nobody waits for a detached child, so its ${field} has no effect`, "no detach");
    }
  }
  if (step.workflowId === workflowId && alwaysRuns(place, graph)) {
    const message = "Every instance starts another of its own workflow here, without end";
    findings.warn(at("workflowId"), message, "a DECISION before it that can lead elsewhere");
  }
}

/** Whether nothing but unconditional transitions leads from the workflow's first step to this one. */
function alwaysRuns(place: Place, graph: Context["graph"]): boolean {
  const { byId } = graph.lists[0]!;
  const seen = new Set<Place>();
  let at = byId.values().next().value;
  while (at !== undefined && !seen.has(at)) {
    if (at === place) return true;
    seen.add(at);
    const { transitions } = at.fields;
    if (!isRecord(transitions) || (Array.isArray(transitions.conditions) && transitions.conditions.length > 0)) break;
    at = typeof transitions.default === "string" ? byId.get(transitions.default) : undefined;
  }
  return false;
}

export function checkTermination(step: TerminateStep, { checks, findings, place }: Here): void {
  const at = (field: string) => under(place.pointer, field);
  const foreign = step.status === "COMPLETED" ? "error" : "output";
  if (step[foreign] !== undefined) {
    const message = `A step that ends the workflow as ${step.status} has no ${foreign}`;
    const other = step.status === "COMPLETED" ? 'status "FAILED", or output' : 'status "COMPLETED", or error';
    findings.error(at(foreign), message, other);
  }
  if (step.output !== undefined) checks.input(step.output, { pointer: at("output"), standing: "step", place });
  checks.template(step.error, { pointer: at("error"), standing: "step", place });
}
