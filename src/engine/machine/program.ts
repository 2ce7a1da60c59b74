/** A definition made ready to run: expressions compiled, durations parsed, defaults applied, steps by id. */

import type { Expression, Template } from "../../foundation/expressions/index.ts";
import type { WaitShape } from "../contract_events.ts";
import type { Json, StepType, VariableDeclaration } from "./definition.ts";
import type { PatternMatcher } from "./pattern.ts";

export interface RetryRules {
  maxAttempts: number;
  initialMs: number;
  maxMs: number;
  multiplier: number;
  jitter: number;
  retryable: ReadonlySet<string> | undefined;
  nonRetryable: ReadonlySet<string> | undefined;
}

export interface ProgramStep {
  stepId: string;
  type: StepType;
  /** Where it goes when it ends; `undefined` with no conditions: the workflow ends. */
  next: string | undefined;
  conditions: { when: Expression; next: string }[];
  mapping: [variable: string, value: Expression][];
  onFailure: { next: string | undefined; conditions: { when: Expression; next: string }[] } | undefined;
  /** TASK; of a WORKFLOW input, retry and time. */
  taskId: string;
  input: Template | undefined;
  retry: RetryRules;
  timeoutMs: number;
  /** The built-in `transform`: an expression that the engine evaluates itself, with no commit of its own. */
  transform: Expression | undefined;
  /** The built-in `event.publish`: the engine does it itself too. */
  publishes: boolean;
  /** EVENT_WAIT */
  wait: ProgramWait | undefined;
  /** DELAY */
  delay: ProgramDelay | undefined;
  /** PARALLEL, MAP */
  join: ProgramJoin | undefined;
  /** WORKFLOW */
  child: { workflowId: string; version: string | undefined; detach: boolean } | undefined;
  /** TERMINATE */
  end: ProgramEnd | undefined;
  /** PARALLEL, MAP, WORKFLOW: the longest that it may take. */
  limitMs: number | undefined;
}

export type ProgramJoin =
  | { kind: "branches"; entries: ReadonlyMap<string, string>; need: number; all: boolean; leave: boolean }
  | { kind: "items"; items: Template; entry: string; maxConcurrency: number; tolerated: (total: number) => number };

export type ProgramEnd = { status: "COMPLETED"; output: Template | undefined } | { status: "FAILED"; error: Template };

export interface ProgramWait {
  pattern: string;
  matches: PatternMatcher;
  condition: Expression | undefined;
  conditionText: string | undefined;
  keys: ProgramKey[];
  /** How long before it opened an event may have been accepted; undefined: since the instance's start. */
  lookBackMs: number | undefined;
  timeoutMs: number | undefined;
  timeoutHandler: string | undefined;
  mapping: [variable: string, value: Expression][];
}

/** What a condition compares for equality: a path into the event, and the instance's side. */
export interface ProgramKey {
  path: string[];
  /** The path as text. */
  text: string;
  expression: Expression;
}

export type ProgramDelay =
  | { kind: "for"; ms: number }
  | { kind: "until"; at: number }
  | { kind: "for_expression" | "until_expression"; expression: Expression };

export interface ProgramCompensation extends ProgramStep {
  condition: Expression | undefined;
}

export interface Program {
  definitionId: string;
  namespace: string;
  workflowId: string;
  version: string;
  entry: string;
  /** Those of branches and items too. */
  steps: ReadonlyMap<string, ProgramStep>;
  /** In which branch or list each step stands: empty for the workflow's own, else `<container>/<branchId>`. */
  homes: ReadonlyMap<string, string>;
  /** Compensations by the step they undo, and by their own id. */
  compensationsFor: ReadonlyMap<string, ProgramCompensation[]>;
  compensations: ReadonlyMap<string, ProgramCompensation>;
  compensateOnFailure: boolean;
  output: Template | undefined;
  outputSchema: Json | undefined;
  /** First values. */
  variables: Readonly<Record<string, Json>>;
  declared: ReadonlyMap<string, VariableDeclaration>;
  timeoutMs: number | undefined;
  /** The workflow's own. */
  retry: RetryRules | undefined;
  cancelOn: ProgramTrigger[];
  /** How its waits and triggers are found. */
  shapes: WaitShape[];
  /** How long instances are kept after their end; undefined: as the node's setting says. */
  retentionMs: number | undefined;
  executionLog: ProgramLog;
  limits: { limit: number; key: Expression | undefined }[];
}

export interface ProgramLog {
  /** The least serious lines that are kept. */
  level: "debug" | "info" | "error";
  /** How long a line is kept; undefined: as long as its instance. */
  retentionMs: number | undefined;
  /** What every line carries beside its own details: names, and where their values are. */
  fields: { name: string; path: string[] }[];
}

export interface ProgramTrigger {
  pattern: string;
  matches: PatternMatcher;
  condition: Expression | undefined;
  conditionText: string | undefined;
  /** Only what is compared with what never changes. */
  keys: ProgramKey[];
  reason: string | undefined;
  compensate: boolean;
}
