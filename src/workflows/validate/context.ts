/** What the checks of single steps share. */
import type { ExpressionChecks } from "./expressions.ts";
import type { Findings } from "./findings.ts";
import type { Graph } from "./graph.ts";
import type { Suggest } from "./nearest.ts";

export interface Context {
  checks: ExpressionChecks;
  findings: Findings;
  graph: Graph;
  /** The names of the declared variables. */
  variables: ReadonlySet<string>;
  /** The declared variable that was probably meant. */
  suggestVariable: Suggest;
  /** The workflow that the document defines, when it says so. */
  workflowId: string | undefined;
}
