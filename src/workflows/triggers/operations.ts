/** The verbs on triggers. Those that change something need an open transaction; whoever commits it wakes the routers. */
import type { Json } from "../../engine/index.ts";
import type { Db } from "../../foundation/database/index.ts";
import { AppError, type InputError } from "../../foundation/errors.ts";
import { isUuid, uuidv7 } from "../../foundation/ids.ts";
import { getDefinition } from "../read.ts";
import type { Findings } from "../validate/findings.ts";
import { checkTrigger } from "./check.ts";
import { triggerErrors } from "./errors.ts";
import { routingPatternOfHook } from "./hooks/naming.ts";
import { keptSecret, makeSecret } from "./hooks/secrets.ts";
import { defaultHookPattern, type TriggerFields } from "./model.ts";
import * as queries from "./queries.ts";
import type { TriggerSchedules } from "./schedules.ts";
import { fieldsOf, type TriggerView, viewOf } from "./views.ts";

export interface NewTrigger extends TriggerFields {
  namespace: string;
  createdBy: string;
  /** Of a webhook. */
  secret?: string;
  /** Of kind schedule: its document, and what the workflow is given. */
  schedule?: { [field: string]: Json };
  input?: Json;
}

export interface Reference {
  namespace: string;
  /** An id, or a name. */
  ref: string;
}

interface Written {
  trigger: TriggerView;
  warnings: InputError[];
}

/** Throws `trigger_invalid` with every fault, and `name_taken`. The secret of a webhook is in no later answer. */
export async function createTrigger(
  tx: Db,
  { namespace, createdBy, secret: given, schedule, input, ...fields }: NewTrigger,
  schedules: TriggerSchedules | undefined,
): Promise<Written & { secret?: string }> {
  const findings = checkTrigger(fields, { secret: given, isNew: true });
  checkSchedule({ kind: fields.kind, schedule }, schedules, findings);
  const pinned = await pin(tx, { namespace, fields, findings });
  refuse(findings);
  await claimName(tx, { namespace, name: fields.name });
  const id = uuidv7(Date.now());
  const scheduleId =
    schedule === undefined
      ? undefined
      : await schedules?.create(tx, { namespace, createdBy, triggerId: id, fields: pinned.fields, schedule, input });
  const revision = await routingChanged(tx);
  await tx.execute(queries.insertTrigger, [
    ...[id, namespace, fields.name, fields.kind],
    ...valuesOf(pinned).slice(1),
    ...[scheduleId ?? null, createdBy, revision],
  ]);
  const secret = fields.webhook && (given ?? makeSecret(fields.webhook.verification));
  if (secret !== undefined && fields.webhook !== undefined) {
    await tx.execute(queries.insertSecret, [id, uuidv7(Date.now()), keptSecret(fields.webhook.verification, secret)]);
  }
  const trigger = await readView(tx, { namespace, id });
  return { trigger, warnings: findings.warnings, ...(secret !== undefined && { secret }) };
}

/** Throws `trigger_not_found`. */
export async function getTrigger(db: Db, reference: Reference): Promise<TriggerView> {
  return await readView(db, { namespace: reference.namespace, id: await idOf(db, reference) });
}

/** Newest first; `next` is the id below which the next page begins. */
export async function listTriggers(
  db: Db,
  { definitionId, ...filter }: queries.ListFilter & { definitionId?: string },
): Promise<{ items: TriggerView[]; next: string | undefined }> {
  const { namespace, limit } = filter;
  const workflowId = filter.workflowId ?? (await workflowOf(db, { namespace, definitionId }));
  const rows = await queries.listTriggerRows(db, { ...filter, workflowId, limit: limit + 1 });
  const items = rows.slice(0, limit).map(viewOf);
  return { items, next: rows.length > limit ? items.at(-1)?.id : undefined };
}

async function workflowOf(db: Db, given: { namespace: string; definitionId?: string }): Promise<string | undefined> {
  const { namespace, definitionId } = given;
  if (definitionId === undefined || !isUuid(definitionId)) return definitionId;
  return (await getDefinition(db, { namespace, ref: definitionId })).workflowId;
}

/** Writes what `change` makes of a trigger. Throws as `createTrigger`; what was not changed is checked again too. */
export async function changeTrigger(
  tx: Db,
  reference: Reference,
  change: (fields: TriggerFields) => TriggerFields,
): Promise<Written> {
  const { namespace } = reference;
  const row = await lock(tx, reference);
  const fields = change(fieldsOf(row));
  const findings = checkTrigger(fields, { isNew: false });
  if (fields.kind !== row.kind)
    findings.error("/kind", `The trigger is of kind ${row.kind} for good`, "another trigger");
  if (fields.webhook?.verification !== row.webhook?.verification) {
    findings.error("/webhook/verification", "How a webhook is verified cannot change", "another trigger");
  }
  if (row.kind === "schedule" && (fields.definitionId !== row.workflowId || fields.enabled !== row.enabled)) {
    findings.error("", "A schedule is changed itself, and is enabled and disabled by these verbs", "its own resource");
  }
  const pinned = await pin(tx, { namespace, fields, findings });
  refuse(findings);
  if (fields.name !== row.name) await claimName(tx, { namespace, name: fields.name });
  const revision = await routingChanged(tx);
  await tx.execute(queries.changeTrigger, [row.id, ...valuesOf(pinned), revision]);
  return { trigger: await readView(tx, { namespace, id: row.id }), warnings: findings.warnings };
}

export async function enableTrigger(
  tx: Db,
  { enabled, ...reference }: Reference & { enabled: boolean },
  schedules: TriggerSchedules | undefined,
): Promise<TriggerView> {
  const { namespace } = reference;
  const { id, enabled: before, scheduleId } = await lock(tx, reference);
  if (before !== enabled) {
    if (scheduleId !== null) await schedules?.setEnabled(tx, { namespace, scheduleId, enabled });
    await tx.execute(queries.enableTrigger, [id, enabled, await routingChanged(tx)]);
  }
  return await readView(tx, { namespace, id });
}

/** What it started goes on. The schedule of one of kind schedule goes with it. */
export async function deleteTrigger(
  tx: Db,
  reference: Reference,
  schedules: TriggerSchedules | undefined,
): Promise<void> {
  const { namespace } = reference;
  const { id, scheduleId } = await lock(tx, reference);
  if (scheduleId !== null) await schedules?.remove(tx, { namespace, scheduleId });
  await tx.execute(queries.deleteSecrets, [id]);
  await tx.execute(queries.purgeRemoved);
  await tx.execute(queries.removeTrigger, [id, await routingChanged(tx)]);
}

interface Pinned {
  fields: TriggerFields;
  /** Of the version that is meant, when it is a certain one. */
  pinnedId: string | undefined;
}

/** The workflow that a trigger names. An id stands for its version. Adds a finding when there is none. */
async function pin(
  db: Db,
  { namespace, fields, findings }: { namespace: string; fields: TriggerFields; findings: Findings },
): Promise<Pinned> {
  const { definitionId: ref, version } = fields;
  if (ref === undefined) return { fields, pinnedId: undefined };
  try {
    const { id, workflowId, version: found, status } = await getDefinition(db, { namespace, ref, version });
    const isPinned = version !== undefined || ref.toLowerCase() === id;
    if (status === "replaced") {
      findings.error("/definitionId", `This content of version ${found} of ${workflowId} was replaced`, workflowId);
    } else if (isPinned ? status === "draft" : status !== "active") {
      const what = isPinned ? `Version ${found} of ${workflowId} is a draft` : `${workflowId} has no active version`;
      findings.warn("/definitionId", `${what}: nothing is started until one is activated`, "an active version");
    }
    const named = { ...fields, definitionId: workflowId, version: isPinned ? found : undefined };
    return { fields: named, pinnedId: isPinned ? id : undefined };
  } catch (error) {
    if (!(error instanceof AppError) || error.kind !== "not_found") throw error;
    findings.error("/definitionId", error.message, "a workflow of this namespace, and a version that it has");
    return { fields, pinnedId: undefined };
  }
}

/** In the order of the statements' parameters, from the name on. */
function valuesOf({ fields, pinnedId }: Pinned): unknown[] {
  return [
    fields.name,
    fields.triggerType,
    fields.definitionId ?? null,
    fields.version ?? null,
    pinnedId ?? null,
    fields.eventPattern ?? null,
    routingPatternOf(fields) ?? null,
    fields.eventCondition ?? null,
    queries.jsonOf(fields.inputMapping),
    fields.correlationKey ?? null,
    fields.priority,
    fields.instancePriority ?? null,
    fields.reason ?? null,
    fields.compensate,
    fields.enabled,
    fields.description ?? null,
    queries.jsonOf(fields.webhook),
  ];
}

function routingPatternOf({ kind, name, eventPattern, definitionId, webhook }: TriggerFields): string | undefined {
  if (definitionId === undefined) return undefined;
  if (kind === "event") return eventPattern;
  if (webhook === undefined) return undefined;
  return routingPatternOfHook(eventPattern ?? defaultHookPattern({ name, ...webhook }));
}

function checkSchedule(
  { kind, schedule }: { kind: string; schedule: object | undefined },
  schedules: TriggerSchedules | undefined,
  findings: Findings,
): void {
  if (kind !== "schedule") {
    if (schedule !== undefined)
      findings.error("/schedule", `A trigger of kind ${kind} has no schedule`, "kind schedule");
  } else if (schedules === undefined) {
    findings.error("/kind", "This node makes no schedules", "event, webhook or manual");
  } else if (schedule === undefined) {
    findings.error("/schedule", "It is not said when it fires", '{ "cron": "0 9 * * 1-5" }, for example');
  }
}

async function claimName(tx: Db, { namespace, name }: { namespace: string; name: string }): Promise<void> {
  await tx.query(queries.lockTriggerNames, [namespace]);
  const [other] = await tx.query<{ id: string }>(queries.findTriggerByName, [namespace, name]);
  if (other === undefined) return;
  const message = `The trigger ${other.id} has the name ${name}; change that one, or give another name.`;
  throw triggerErrors.name_taken(message, { details: { id: other.id, name } });
}

async function routingChanged(tx: Db): Promise<number> {
  const [row] = await tx.query<{ revision: number }>(queries.routingChanged);
  return row!.revision;
}

export async function lock(tx: Db, { namespace, ref }: Reference): Promise<queries.TriggerRow> {
  const id = await idOf(tx, { namespace, ref });
  const [row] = await tx.query<queries.TriggerRow>(queries.lockTrigger, [namespace, id]);
  if (row === undefined) throw notFound(ref);
  return row;
}

/** Without a lock. Throws `trigger_not_found`. */
export async function readRow(db: Db, reference: Reference): Promise<queries.ListedRow> {
  const id = await idOf(db, reference);
  const [row] = await db.query<queries.ListedRow>(queries.readTrigger, [reference.namespace, id]);
  if (row === undefined) throw notFound(reference.ref);
  return row;
}

async function idOf(db: Db, { namespace, ref }: Reference): Promise<string> {
  if (isUuid(ref)) return ref.toLowerCase();
  const [row] = await db.query<{ id: string }>(queries.findTriggerByName, [namespace, ref]);
  if (row === undefined) throw notFound(ref);
  return row.id;
}

async function readView(db: Db, { namespace, id }: { namespace: string; id: string }): Promise<TriggerView> {
  return viewOf(await readRow(db, { namespace, ref: id }));
}

function refuse({ errors }: Findings): void {
  const [first] = errors;
  if (first === undefined) return;
  const detail = errors.length === 1 ? `${first.pointer} ${first.message}` : `it has ${errors.length} faults`;
  throw triggerErrors.trigger_invalid(`The trigger is refused: ${detail}.`, { errors });
}

function notFound(ref: string): AppError {
  return triggerErrors.trigger_not_found(`There is no trigger ${ref.slice(0, 255)}.`);
}
