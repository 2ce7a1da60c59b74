/** The verbs on event definitions. Those that change something need an open transaction; every one takes `db` first. */
import type { Json } from "../../engine/index.ts";
import type { Db } from "../../foundation/database/index.ts";
import type { AppError, InputError } from "../../foundation/errors.ts";
import { isUuid, uuidv7 } from "../../foundation/ids.ts";
import { isVersion, nextVersion, versionOrder } from "../../foundation/semantic_version.ts";
import type { SourceType } from "../source.ts";
import { eventDefinitionErrors as refusals } from "./errors.ts";
import { type DefinitionStatus, exampleFaults, faultsOf, isSameContent } from "./model.ts";
import * as queries from "./queries.ts";
import { type DefinitionView, viewOf } from "./views.ts";

/** Faults of one answer. */
const maxErrors = 100;

type Metadata = { [key: string]: Json };

export interface NewDefinition {
  namespace: string;
  eventId: string;
  name?: string;
  description?: string;
  pattern: string;
  version?: string;
  sourceTypes?: SourceType[];
  payloadSchema?: Json;
  examples?: Json[];
  uiMetadata?: Metadata;
  status?: "draft" | "active";
  createdBy: string;
}

/**
 * Stores a version. The same content again (pattern, source types, schema) changes nothing but what is given of the rest;
 * other content under a version is refused, for events were checked by it. Without a version: as the highest when its
 * content is the same, else the next minor. Throws `definition_invalid` with every fault.
 */
export async function createDefinition(
  tx: Db,
  given: NewDefinition,
): Promise<{ created: boolean; definition: DefinitionView }> {
  const { namespace, eventId, description, uiMetadata, payloadSchema, sourceTypes } = given;
  refuse(faultsOf({ ...given, examples: given.examples ?? [] }));
  await tx.execute(queries.touchNamespace, [namespace]);
  const { version, existing } = await placeInVersions(tx, given);
  if (existing !== undefined) return { created: false, definition: await change(tx, existing, given) };
  const status = given.status ?? "active";
  if (status === "active") await refuseTakenPattern(tx, given);
  const id = uuidv7(Date.now());
  await tx.execute(queries.insertDefinition, [
    id,
    namespace,
    eventId,
    given.name ?? eventId,
    description ?? null,
    given.pattern,
    version,
    versionOrder(version),
    jsonOrNull(sourceTypes),
    jsonOrNull(payloadSchema),
    JSON.stringify(given.examples ?? []),
    jsonOrNull(uiMetadata),
    status,
    given.createdBy,
  ]);
  return { created: true, definition: await readById(tx, { namespace, id }) };
}

/** The version that a definition is, and the row that has it with the same content. */
async function placeInVersions(tx: Db, given: NewDefinition): Promise<{ version: string; existing?: DefinitionView }> {
  const { namespace, eventId, version } = given;
  if (version !== undefined) {
    const [row] = await tx.query<queries.DefinitionRow>(queries.readDefinitionVersion, [
      namespace,
      eventId,
      versionOrder(version),
    ]);
    if (row === undefined) return { version };
    const existing = viewOf(row);
    if (isSameContent(existing, given)) return { version, existing };
    const message = `Version ${version} of ${eventId} has another pattern, schema or source types; give another version.`;
    throw refusals.version_exists(message, { details: { id: row.id, eventId, version } });
  }
  const [row] = await tx.query<queries.DefinitionRow>(queries.readHighestDefinition, [namespace, eventId]);
  const highest = row === undefined ? undefined : viewOf(row);
  if (highest !== undefined && isSameContent(highest, given)) return { version: highest.version, existing: highest };
  const next = nextVersion(highest?.version);
  if (next !== undefined) return { version: next };
  const message = `No version can follow ${highest?.version}`;
  throw refusals.definition_invalid(`${message}.`, {
    errors: [{ pointer: "/version", message, expected: "a version" }],
  });
}

export interface Reference {
  namespace: string;
  /** An id, or an eventId: then the highest active version, or the highest when none is active. */
  ref: string;
  /** With an eventId. */
  version?: string;
}

/** Throws `definition_not_found`. */
export async function getDefinition(db: Db, { namespace, ref, version }: Reference): Promise<DefinitionView> {
  if (isUuid(ref)) {
    const [row] = await db.query<queries.DefinitionRow>(queries.readDefinition, [namespace, ref.toLowerCase()]);
    if (row !== undefined) {
      if (version !== undefined && version !== row.version) throw notFound({ ref, version });
      return viewOf(row);
    }
  }
  if (version !== undefined && !isVersion(version)) throw notFound({ ref, version });
  const [row] =
    version === undefined
      ? await db.query<queries.DefinitionRow>(queries.readDefinitionByEventId, [namespace, ref])
      : await db.query<queries.DefinitionRow>(queries.readDefinitionVersion, [namespace, ref, versionOrder(version)]);
  if (row === undefined) throw notFound({ ref, version });
  return viewOf(row);
}

export interface Change {
  name?: string;
  /** null: none. Absent: as it is. */
  description?: string | null;
  examples?: Json[];
  uiMetadata?: Metadata | null;
  status?: DefinitionStatus;
}

/** Examples must fit the schema: else `definition_invalid`. */
export async function changeDefinition(tx: Db, reference: Reference, wanted: Change): Promise<DefinitionView> {
  await tx.execute(queries.touchNamespace, [reference.namespace]);
  return await change(tx, await getDefinition(tx, reference), wanted);
}

/** Lets a draft or deprecated version check events, and takes an active one out of that. */
export function setStatus(tx: Db, reference: Reference, status: "active" | "deprecated"): Promise<DefinitionView> {
  return changeDefinition(tx, reference, { status });
}

/** Under the lock of the namespace. */
async function change(tx: Db, definition: DefinitionView, wanted: Change): Promise<DefinitionView> {
  const { id, namespace } = definition;
  const { name = definition.name, description = definition.description, examples = definition.examples } = wanted;
  const { uiMetadata = definition.uiMetadata, status = definition.status } = wanted;
  refuse(exampleFaults(definition.payloadSchema, examples));
  if (status !== definition.status) {
    refuseStatus(definition, status);
    if (status === "active") await refuseTakenPattern(tx, definition);
  }
  await tx.execute(queries.changeDefinition, [
    namespace,
    id,
    name,
    description ?? null,
    JSON.stringify(examples),
    jsonOrNull(uiMetadata ?? undefined),
    status,
  ]);
  return await readById(tx, { namespace, id });
}

/** Only a draft goes: events were never checked by it. */
export async function deleteDefinition(tx: Db, reference: Reference): Promise<void> {
  await tx.execute(queries.touchNamespace, [reference.namespace]);
  const { id, eventId, version, status } = await getDefinition(tx, reference);
  if (status !== "draft") {
    const message = `Version ${version} of ${eventId} is ${status}, not a draft; deprecate it instead.`;
    throw refusals.not_a_draft(message, { details: { id, eventId, version, status } });
  }
  await tx.execute(queries.deleteDefinition, [reference.namespace, id]);
}

/** Newest first. `next` is where the next page begins. */
export async function listDefinitions(
  db: Db,
  filter: queries.ListFilter,
): Promise<{ items: DefinitionView[]; next: string | undefined }> {
  const rows = await queries.listDefinitionRows(db, { ...filter, limit: filter.limit + 1 });
  const items = rows.slice(0, filter.limit).map(viewOf);
  return { items, next: rows.length > filter.limit ? items.at(-1)?.id : undefined };
}

async function readById(db: Db, { namespace, id }: { namespace: string; id: string }): Promise<DefinitionView> {
  const [row] = await db.query<queries.DefinitionRow>(queries.readDefinition, [namespace, id]);
  if (row === undefined) throw notFound({ ref: id });
  return viewOf(row);
}

async function refuseTakenPattern(
  tx: Db,
  { namespace, pattern, eventId }: { namespace: string; pattern: string; eventId: string },
): Promise<void> {
  const [owner] = await tx.query<{ eventId: string }>(queries.readOwnerOfPattern, [namespace, pattern, eventId]);
  if (owner === undefined) return;
  const message = `Events named ${pattern} are described by active versions of ${owner.eventId}; deprecate those first.`;
  throw refusals.pattern_taken(message, { details: { pattern, eventId: owner.eventId } });
}

function refuseStatus({ id, eventId, version, status: from }: DefinitionView, to: DefinitionStatus): void {
  if (to === "active" || (to === "deprecated" && from === "active")) return;
  const message = `Version ${version} of ${eventId} is ${from} and cannot become ${to}.`;
  throw refusals.status_change_refused(message, { details: { id, eventId, version, status: from } });
}

function refuse(errors: InputError[]): void {
  const [first] = errors;
  if (first === undefined) return;
  const detail = errors.length === 1 ? `${first.pointer} ${first.message}` : `it has ${errors.length} faults`;
  throw refusals.definition_invalid(`The definition of the event cannot be stored: ${detail}.`, {
    errors: errors.slice(0, maxErrors),
  });
}

function notFound({ ref, version }: { ref: string; version?: string }): AppError {
  const which = version === undefined ? "" : ` in version ${version}`;
  return refusals.definition_not_found(`There is no definition of an event ${ref.slice(0, 255)}${which}.`);
}

function jsonOrNull(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
