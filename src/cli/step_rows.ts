/** The steps of a definition as rows of a table: those inside branches and items below the step that holds them. */

interface Transitions {
  default?: string;
  conditions?: { condition: string; nextStep: string }[];
}

/** What is shown of a step of any type. */
export interface ShownStep {
  stepId: string;
  type: string;
  taskId?: string;
  eventPattern?: string;
  delay?: number | string;
  until?: string;
  branches?: { branchId: string; steps: ShownStep[] }[];
  join?: string | number;
  items?: unknown;
  steps?: ShownStep[];
  workflowId?: string;
  version?: string;
  status?: string;
  transitions?: Transitions;
  onFailure?: Transitions;
}

export const stepHead = ["STEP", "TYPE", "WHAT", "THEN", "ON FAILURE"];

/** A row for each step. Nested ones are named as in paths: `fan/left/charge` in a branch, with a star for an item. */
export function stepRows(steps: readonly ShownStep[], prefix = ""): string[][] {
  return steps.flatMap((step) => {
    const own = [
      prefix + step.stepId,
      step.type,
      whatOf(step),
      step.type === "TERMINATE" ? "" : targetsOf(step.transitions) || "(end)",
      targetsOf(step.onFailure),
    ];
    const inside = `${prefix}${step.stepId}/`;
    const branches = (step.branches ?? []).flatMap((branch) => stepRows(branch.steps, `${inside}${branch.branchId}/`));
    return [own, ...branches, ...stepRows(step.steps ?? [], `${inside}*/`)];
  });
}

function whatOf(step: ShownStep): string {
  switch (step.type) {
    case "TASK":
      return step.taskId ?? "";
    case "EVENT_WAIT":
      return step.eventPattern ?? "";
    case "DELAY":
      return String(step.delay ?? step.until ?? "");
    case "PARALLEL":
      return `${step.join ?? "all"} of ${step.branches?.length ?? 0}`;
    case "MAP":
      return shortened(typeof step.items === "string" ? step.items : JSON.stringify(step.items));
    case "WORKFLOW":
      return step.version === undefined ? (step.workflowId ?? "") : `${step.workflowId} ${step.version}`;
    case "TERMINATE":
      return step.status ?? "";
    default:
      return "";
  }
}

/** Every step that it may lead to, once; empty when there is none. */
function targetsOf({ conditions = [], default: otherwise }: Transitions = {}): string {
  const targets = [...conditions.map(({ nextStep }) => nextStep), ...(otherwise ? [otherwise] : [])];
  return [...new Set(targets)].join(", ");
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
