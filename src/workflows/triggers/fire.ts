/** Firing a trigger by hand, and trying what it would do. */
import { compilePattern, type EventView, type Json, type StartAnswer } from "../../engine/index.ts";
import { AppError } from "../../foundation/errors.ts";
import { uuidv7 } from "../../foundation/ids.ts";
import { checkInput, type Instances, startInstance } from "../instances/operations.ts";
import { resolveDefinition } from "../read.ts";
import { compileTrigger } from "./compile.ts";
import { triggerErrors } from "./errors.ts";
import { shortKey } from "./model.ts";
import { type Reference, readRow } from "./operations.ts";
import { countFiring, type TriggerRow } from "./queries.ts";

export interface Firing extends Reference {
  /** What `inputMapping` sees as the payload. */
  payload: Json;
  idempotencyKey?: string;
  startedBy: string;
}

/**
 * Starts what a trigger starts, whatever its pattern and condition say, and counts it as a firing. The same key again is
 * the same firing. Throws `trigger_disabled`, `not_fireable`, `input_mapping_failed`, and what a start is refused with.
 */
export async function fireTrigger(
  instances: Pick<Instances, "db" | "engine" | "load">,
  { payload, idempotencyKey, startedBy, ...reference }: Firing,
): Promise<StartAnswer & { triggerId: string }> {
  const { db } = instances;
  const row = await readRow(db, reference);
  const { id: triggerId, namespace, name, version, workflowId, instancePriority } = row;
  if (row.triggerType === "CANCEL" || workflowId === null) {
    throw triggerErrors.not_fireable(`The trigger ${name} starts nothing; publish an event that it takes.`);
  }
  if (!row.enabled) throw triggerErrors.trigger_disabled(`The trigger ${name} is disabled; enable it first.`);
  const made = compileTrigger(row).act(viewOf({ pattern: `triggers.${name}`, payload }));
  if (made.outcome !== "matched") throw triggerErrors.input_mapping_failed(made.reason);
  const { input, correlationId } = made;
  const answer = await startInstance(instances, {
    namespace,
    definitionId: workflowId,
    version: version ?? undefined,
    input,
    correlationId,
    priority: instancePriority ?? undefined,
    // Keys of starts are the workflow's; this one is the trigger's.
    idempotencyKey: idempotencyKey === undefined ? undefined : shortKey(`${triggerId}/${idempotencyKey}`),
    startedBy,
  });
  if (answer.created) await db.execute(countFiring, [triggerId]);
  return { ...answer, triggerId };
}

/** What a sample says; the rest is filled in. */
export type Sample = Partial<Pick<EventView, "pattern" | "payload" | "metadata" | "source" | "timestamp">> & {
  partitionKey?: string;
};

function viewOf(sample: Sample & { pattern: string }): EventView {
  const now = new Date().toISOString();
  const id = uuidv7(Date.now());
  const { pattern, payload = null, metadata = {}, source = { type: "external" }, timestamp = now } = sample;
  const { partitionKey = null } = sample;
  return {
    id,
    eventId: id,
    type: pattern,
    pattern,
    payload,
    metadata,
    source,
    timestamp,
    acceptedAt: now,
    partitionKey,
  };
}

export interface Trial {
  matches: boolean;
  checks: { check: string; ok: boolean; reason?: string }[];
  input?: Json;
  correlationId?: string;
  priority?: number;
}

/** What a trigger would do with an event. Every check up to the first that cannot be made is told; nothing happens. */
export async function tryTrigger(
  instances: Pick<Instances, "db" | "load">,
  { sample, ...reference }: Reference & { sample: Sample },
): Promise<Trial> {
  const row = await readRow(instances.db, reference);
  const checks: Trial["checks"] = [];
  const check = (name: string, reason?: string) => {
    checks.push({ check: name, ok: reason === undefined, ...(reason !== undefined && { reason }) });
  };
  check("enabled", row.enabled ? undefined : "The trigger is disabled.");
  const pattern = sample.pattern ?? exampleOf(row.routingPattern ?? `triggers.${row.name}`);
  check("pattern", patternFault(row, pattern));
  // The sample comes in as if by the webhook.
  const metadata = row.kind === "webhook" ? { ...sample.metadata, triggerId: row.id } : sample.metadata;
  const event = viewOf({ ...sample, pattern, metadata });
  const compiled = compileTrigger(row);
  check("eventCondition", compiled.condition(event)?.reason);
  const made = compiled.act(event);
  const isStart = row.triggerType === "START";
  check(isStart ? "inputMapping" : "correlationKey", made.outcome === "matched" ? undefined : made.reason);
  if (made.outcome !== "matched") return { matches: false, checks };
  const { input, correlationId } = made;
  if (isStart && row.workflowId !== null) check("input", await inputFault(instances, row, input));
  return {
    matches: checks.every(({ ok }) => ok),
    checks,
    ...(isStart && { input, ...(row.instancePriority !== null && { priority: row.instancePriority }) }),
    ...(correlationId !== undefined && { correlationId }),
  };
}

/** A name that a pattern fits. */
function exampleOf(pattern: string): string {
  const tokens = pattern.split(".").map((token) => (token === "*" || token === ">" ? "any" : token));
  return tokens.join(".");
}

function patternFault({ kind, routingPattern }: TriggerRow, pattern: string): string | undefined {
  if (routingPattern === null) {
    return kind === "webhook"
      ? "The webhook has no definitionId; it only publishes."
      : `A ${kind} trigger takes no events.`;
  }
  if (compilePattern(routingPattern)(pattern)) return undefined;
  return `The event's name ${JSON.stringify(pattern)} does not fit ${JSON.stringify(routingPattern)}.`;
}

async function inputFault(
  { db, load }: Pick<Instances, "db" | "load">,
  { namespace, workflowId, version }: TriggerRow,
  input: Json,
): Promise<string | undefined> {
  try {
    const { id } = await resolveDefinition(db, {
      namespace,
      ref: workflowId ?? "",
      ...(version !== null && { version }),
    });
    await checkInput({ load }, id, input);
    return undefined;
  } catch (error) {
    if (error instanceof AppError && error.status < 500) return error.message;
    throw error;
  }
}
