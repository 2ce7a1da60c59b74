/**
 * Storing definitions. The verbs need an open transaction: they lock the workflow's head row first, so that changes of
 * one workflow follow one another, and end by moving the head when another version became the latest.
 */
import type { Db } from "../foundation/database/index.ts";
import type { InputError } from "../foundation/errors.ts";
import { uuidv7 } from "../foundation/ids.ts";
import { nextVersion, versionOrder } from "../foundation/semantic_version.ts";
import type { DefinitionDocument } from "./document.ts";
import { workflowErrors } from "./errors.ts";
import { changeStatus, type IsUsed } from "./lifecycle.ts";
import { contentHash } from "./model.ts";
import { normaliseDocument } from "./normalise/normalise.ts";
import * as queries from "./queries.ts";
import { getDefinition, readView } from "./read.ts";
import { isRecord } from "./validate/pointer.ts";
import { type Validation, validateDocument } from "./validate/validate.ts";
import type { DefinitionView } from "./views.ts";

/** Checks a document in either dialect; pointers lead into what was given. Never throws for any JSON value. */
export function validateDefinition(given: unknown): Validation {
  const { document, errors, originOf } = normaliseDocument(given);
  const validation = validateDocument(document);
  const relocate = (finding: InputError) => ({ ...finding, pointer: originOf(finding.pointer) });
  const found = distinct([...errors, ...validation.errors.map(relocate)]);
  const warnings = distinct(validation.warnings.map(relocate));
  return found.length === 0 ? { ...validation, warnings } : { errors: found, warnings };
}

/** What was written once and read in two places has its faults twice. */
function distinct(findings: readonly InputError[]): InputError[] {
  return [...new Map(findings.map((finding) => [JSON.stringify(finding), finding])).values()];
}

export interface NewDefinition {
  isUsed: IsUsed;
  namespace: string;
  /** In either dialect. */
  document: unknown;
  /** Who is noted when the document does not say. */
  createdBy?: string;
}

export interface Creation {
  /** False when the same content was there already. */
  created: boolean;
  definition: DefinitionView;
  warnings: Validation["warnings"];
}

/**
 * Stores a version of a workflow.
 *
 * The same content again changes nothing; without a `version` it is compared with the highest one, else it becomes the
 * next minor version. Other content under a version replaces it by a new row as long as no instance used it, and is
 * refused with `version_used` afterwards. A start accepted by another node at the same moment keeps the row it
 * resolved. A version keeps its status unless the document gives one; a new one is active. Throws `definition_invalid`
 * with every fault.
 */
export async function createDefinition(
  tx: Db,
  { isUsed, namespace, document: given, createdBy }: NewDefinition,
): Promise<Creation> {
  const { document, errors, warnings } = validateDefinition(given);
  if (document === undefined) {
    throw workflowErrors.definition_invalid(`The definition has ${errors.length} fault(s).`, { errors });
  }
  const { workflowId } = document;
  await tx.query(queries.lockHead, [namespace, workflowId]);
  const hash = contentHash(storable(document));
  const { version, existing } = await placeOf(tx, { namespace, document, hash });
  if (existing?.contentHash === hash) {
    const wanted = document.status;
    if (wanted !== undefined && wanted !== existing.status) {
      await changeStatus(tx, { namespace, workflowId, id: existing.id, version, from: existing.status, to: wanted });
    }
    return { created: false, definition: await readView(tx, existing.id), warnings };
  }
  if (existing !== undefined) {
    if (await isUsed(tx, existing.id)) {
      const message = `Version ${version} of ${workflowId} has instances, so its content stays; give another version.`;
      throw workflowErrors.version_used(message, { details: { id: existing.id, workflowId, version } });
    }
    await tx.execute(queries.setStatus, [existing.id, "replaced"]);
  }
  const id = uuidv7(Date.now());
  const status = document.status ?? existing?.status ?? "active";
  await tx.execute(queries.insertDefinition, rowOf(document, { id, namespace, version, status, hash, createdBy }));
  await tx.execute(queries.moveHead, [namespace, workflowId]);
  return { created: true, definition: await readView(tx, id), warnings };
}

/** As `createDefinition`, for the workflow that `ref` names; a document without a `workflowId` is given its. */
export async function putDefinition(tx: Db, { ref, ...creation }: NewDefinition & { ref: string }): Promise<Creation> {
  const { workflowId } = await getDefinition(tx, { namespace: creation.namespace, ref });
  const { document } = creation;
  if (!isRecord(document) || document.workflowId === workflowId) return await createDefinition(tx, creation);
  if (document.workflowId === undefined) {
    return await createDefinition(tx, { ...creation, document: { ...document, workflowId } });
  }
  const message = `The document is of another workflow than ${workflowId}`;
  const errors = [{ pointer: "/workflowId", message, expected: JSON.stringify(workflowId) }];
  throw workflowErrors.definition_invalid(`${message}.`, { errors });
}

/** Which version a document is, and the row that has it now. */
async function placeOf(
  tx: Db,
  { namespace, document, hash }: { namespace: string; document: DefinitionDocument; hash: string },
): Promise<{ version: string; existing?: queries.VersionRow }> {
  const { workflowId, version } = document;
  if (version !== undefined) {
    const values = [namespace, workflowId, versionOrder(version)];
    return { version, existing: (await tx.query<queries.VersionRow>(queries.findVersion, values))[0] };
  }
  const [highest] = await tx.query<queries.VersionRow>(queries.findHighestVersion, [namespace, workflowId]);
  if (highest?.contentHash === hash) return { version: highest.version, existing: highest };
  const next = nextVersion(highest?.version);
  if (next === undefined) {
    const errors = [
      { pointer: "/version", message: `No version can follow ${highest?.version}`, expected: "a version" },
    ];
    throw workflowErrors.definition_invalid("The definition needs a version.", { errors });
  }
  return { version: next };
}

/** What is stored of a document: all but the editor's `$schema` and the wish for a status. */
function storable(document: DefinitionDocument): Omit<DefinitionDocument, "$schema" | "status"> {
  const { $schema: _editor, status: _status, ...content } = document;
  return content;
}

interface RowIdentity {
  id: string;
  namespace: string;
  version: string;
  status: string;
  hash: string;
  createdBy: string | undefined;
}

function rowOf(document: DefinitionDocument, identity: RowIdentity): unknown[] {
  const json = (value: unknown) => (value === undefined ? null : JSON.stringify(value));
  return [
    identity.id,
    identity.namespace,
    document.workflowId,
    document.name,
    document.description ?? null,
    identity.version,
    versionOrder(identity.version),
    identity.status,
    json(document.steps),
    json(document.inputSchema),
    json(document.outputSchema),
    json(document.output),
    json(document.variables),
    json(document.compensationSteps),
    document.compensateOnFailure ?? null,
    json(document.cancellationTriggers),
    json(document.timeout),
    json(document.retryPolicy),
    json(document.concurrency),
    json(document.retention),
    json(document.uiComponents),
    json(document.executionLog),
    document.templateId ?? null,
    document.createdBy ?? identity.createdBy ?? null,
    identity.hash,
  ];
}
