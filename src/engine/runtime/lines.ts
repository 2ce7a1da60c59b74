/**
 * Lines of the execution log: what a handler says while it runs, and what the engine says of an instance.
 *
 * A handler's lines wait in memory and go into the flush of its result, so that a step that says something costs no
 * statement more. Of a step that goes on they are written every second beside the lane, and so are those that come after
 * the result, or that are too many to wait. A node that dies takes the lines of its last second along, and with them the
 * results of that second.
 */

import type { Json } from "../machine/definition.ts";
import type { Program } from "../machine/program.ts";
import type { InstanceState } from "../machine/state.ts";
import { encodeLog } from "../store/rows.ts";
import { isKept, type LogLine, type TaskContext, taskLog } from "../task.ts";
import type { Core } from "./core.ts";
import type { Resident } from "./resident.ts";

/** What lines of an instance are kept by, and what each carries. It travels with an errand. */
export interface LogRules {
  /** Null where only the instance's row knows it. */
  namespace: string | null;
  level: Program["executionLog"]["level"];
  retentionMs?: number;
  metadata?: { [name: string]: Json };
}

/** Lines of one run that may wait to be written; what is more is written before the rest. */
const waitingLimit = 500;
/** Lines of one run that are kept in memory while the store is away; of more, the oldest are given up. */
const keptLimit = 5_000;
/** A field whose JSON is longer stays out of the lines. */
const fieldChars = 1_000;
/** How often lines that came after the result are sent again. */
const lateTries = 5;

export function rulesOf({ namespace, program, state, facts }: RuleSource): LogRules {
  const { level, retentionMs, fields } = program.executionLog;
  const rules: LogRules = { namespace, level };
  if (retentionMs !== undefined) rules.retentionMs = retentionMs;
  if (fields.length > 0) rules.metadata = metadataOf(fields, state, facts);
  return rules;
}

type RuleSource = Pick<Resident, "namespace" | "program" | "facts"> & {
  state: Pick<InstanceState, "input" | "variables" | "steps">;
};

/** The values of the fields that a definition names, as they are now. What is not there, or is large, is left out. */
function metadataOf(
  fields: Program["executionLog"]["fields"],
  { input, variables, steps }: RuleSource["state"],
  facts: Resident["facts"],
): { [name: string]: Json } {
  const roots = { ...facts, input, variables, steps, instance: facts, workflow: { input, context: variables } };
  const found: { [name: string]: Json } = {};
  for (const { name, path } of fields) {
    let value: unknown = roots;
    for (const key of path) {
      value =
        typeof value === "object" && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
    }
    if (value === undefined || value === null || JSON.stringify(value).length > fieldChars) continue;
    Object.defineProperty(found, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return found;
}

/** Who numbers lines and tells the time. */
export interface Clerk {
  readonly time: { now(): number };
  readonly newId: Core["newId"];
}

export interface LineFacts {
  shard: number;
  instanceId: string;
  source: "task" | "engine";
  stepId: string | null;
  path: string | null;
  attempt: number | null;
}

/** A line as its row; undefined where its level is not kept. */
export function encodeLine(
  core: Clerk,
  rules: LogRules,
  of: LineFacts,
  { level, message, details }: LogLine,
): string | undefined {
  if (!isKept(level, rules.level)) return undefined;
  const at = core.time.now();
  const { namespace, retentionMs, metadata } = rules;
  return encodeLog({
    ...of,
    id: core.newId(at),
    namespace,
    level,
    message,
    details: metadata === undefined ? details : { ...(details as object), metadata },
    at,
    retentionMs,
  });
}

/** What one run says. */
export interface RunLog {
  readonly log: TaskContext["log"];
  /** Takes the lines that wait: whoever takes them writes them. */
  take(): string[];
  /** Writes what waits beside the lane. What cannot be written now waits for the next time. */
  save(): Promise<void>;
}

export interface RunLogParts {
  owner: { id: string; shard: number };
  task: { stepId: string; path: string; attempt: number };
  /** Asked with every line: variables change. */
  rules(): LogRules;
  /** Its result was given, so nothing takes lines along any more. */
  isOver(): boolean;
}

export function createRunLog(core: Core, { owner, task, rules, isOver }: RunLogParts): RunLog {
  let waiting: string[] = [];
  let lateLeft = lateTries;
  const of: LineFacts = {
    shard: owner.shard,
    instanceId: owner.id,
    source: "task",
    stepId: task.stepId,
    path: task.path,
    attempt: task.attempt,
  };

  function keep(line: LogLine): void {
    const row = encodeLine(core, rules(), of, line);
    if (row === undefined) return;
    waiting.push(row);
    if (isOver() || waiting.length >= waitingLimit) void save();
  }

  async function save(): Promise<void> {
    if (waiting.length === 0) return;
    const rows = waiting;
    waiting = [];
    try {
      await core.store.saveLogs(rows);
    } catch (error) {
      core.log.warn({ err: error, instance: owner.id }, "lines of an execution log could not be written yet");
      waiting = [...rows, ...waiting].slice(-keptLimit);
      if (isOver() && lateLeft-- > 0) core.clock.schedule(1_000, () => void save());
    }
  }

  return {
    log: taskLog(core.log, { instanceId: owner.id, stepId: task.stepId, attempt: task.attempt }, keep),
    take() {
      const rows = waiting;
      waiting = [];
      return rows;
    },
    save,
  };
}

/** Writes lines whose instance is another node's now; what cannot be written is lost with the shard. */
export async function saveLines(core: Core, rows: readonly string[]): Promise<void> {
  await core.store.saveLogs([...rows]).catch((error: unknown) => {
    core.log.warn({ err: error }, "lines of an execution log were lost with their shard");
  });
}
