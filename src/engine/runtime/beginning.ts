/** An instance that begins in this node's memory: its row and what its first decision writes are part of one work. */

import type { Json } from "../machine/definition.ts";
import { initialState } from "../machine/evolve.ts";
import type { Program } from "../machine/program.ts";
import { encodeStart, encodeTransition } from "../store/rows.ts";
import { factsOf } from "./loading.ts";
import { newResident } from "./resident.ts";
import { tallyStart } from "./tallies.ts";
import type { Turn, Turns } from "./turns.ts";
import type { Work } from "./work.ts";

export interface Beginning {
  id: string;
  shard: number;
  namespace: string;
  program: Program;
  startedAt: number;
  input: Json;
  inputText: string;
  priority: number;
  correlationId: string | null;
  startedBy: string | null;
  parent?: { instanceId: string; path: string | null };
  variables?: Record<string, Json>;
  /** The event that starts it. */
  trigger?: { id: string; acceptedAt: number };
  /** How many events led to it. */
  hops?: number;
}

/**
 * Puts a start into `work` and its instance into memory. The caller submits the work; once it is written the turn has been
 * committed, and else the resident is forgotten. What the machine throws passes, and nothing is in memory then.
 */
export function beginInstance(turns: Turns, work: Work, beginning: Beginning): Turn {
  const { id, shard, namespace, program, startedAt, input, priority, correlationId, startedBy, parent } = beginning;
  const { variables, trigger, hops } = beginning;
  const state = initialState(program, {
    ...{ input, startedAt },
    ...(variables === undefined ? {} : { variables }),
    ...(trigger === undefined ? {} : { triggerEvent: trigger }),
    ...(hops === undefined ? {} : { hops }),
  });
  // One that needs permits is accepted and begins when it has them.
  if (program.limits.length > 0) state.status = "CREATED";
  const resident = newResident({
    id,
    shard,
    namespace,
    program,
    state,
    facts: factsOf({
      id,
      namespace,
      workflowId: program.workflowId,
      version: program.version,
      correlationId,
      startedBy,
      priority,
      startedAt,
    }),
    parent,
    references: new Map(),
    ready: true,
    frozenSeq: 0,
  });
  work.start = encodeStart({
    shard,
    id,
    namespace,
    definitionId: program.definitionId,
    workflowId: program.workflowId,
    status: state.status,
    priority,
    currentStepId: program.entry,
    correlationId,
    startedBy,
    triggerEventId: trigger?.id ?? null,
    input: beginning.inputText,
    startedAt,
    ...(parent === undefined ? {} : { parent }),
    ...(variables === undefined ? {} : { variables: JSON.stringify(variables) }),
    ...(program.retentionMs === undefined ? {} : { retentionMs: program.retentionMs }),
  });
  const event = state.status === "CREATED" ? "workflow_created" : "workflow_started";
  work.transitions.push(
    encodeTransition({ shard, namespace, instanceId: id }, { from: null, to: state.status, event }),
  );
  tallyStart(work, program.definitionId);
  return turns.begin(work, resident);
}
