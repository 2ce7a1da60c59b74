/** Reading definitions and resolving what a start means. One statement each, two when the first finds nothing. */
import type { Definition } from "../engine/index.ts";
import type { Db } from "../foundation/database/index.ts";
import type { AppError } from "../foundation/errors.ts";
import { isUuid } from "../foundation/ids.ts";
import { isVersion, versionOrder } from "../foundation/semantic_version.ts";
import { workflowErrors } from "./errors.ts";
import { isStartable } from "./model.ts";
import * as queries from "./queries.ts";
import { type DefinitionSummary, type DefinitionView, summaryOf, viewOf } from "./views.ts";

export interface Reference {
  namespace: string;
  /** The id of a version, or a workflowId. */
  ref: string;
  /** With a workflowId. */
  version?: string;
}

/** One version, whatever its status; a workflowId alone means the latest active, or the highest when none is active. */
export async function getDefinition(db: Db, reference: Reference): Promise<DefinitionView> {
  const row = (await resolve(db, reference)) ?? (await highestOf(db, reference));
  if (row === undefined) throw notFound(reference.ref, reference.version);
  return await readView(db, row.id);
}

/** The stored definition that an instance runs, by its id; also of replaced and deleted versions. */
export async function loadDefinition(db: Db, id: string): Promise<Definition & { id: string; namespace: string }> {
  const {
    status: _status,
    latest: _latest,
    createdAt: _created,
    updatedAt: _updated,
    ...definition
  } = await readView(db, id);
  return definition;
}

export interface Resolved {
  id: string;
  workflowId: string;
  version: string;
  /** Of the workflow's latest version at the time of the answer. */
  revision: number;
  /** The choice was "the latest": it is stale as soon as the revision has changed. */
  followsLatest: boolean;
}

/**
 * The version that a start means. A workflowId alone: the latest active. An id or a version: that one, while it is
 * active or deprecated. Throws `definition_not_found`, or `definition_not_startable` for drafts, replaced versions, and
 * workflows without an active version.
 */
export async function resolveDefinition(db: Db, reference: Reference): Promise<Resolved> {
  const row = await resolve(db, reference);
  if (row === undefined) {
    const highest = await highestOf(db, reference);
    if (highest === undefined) throw notFound(reference.ref, reference.version);
    throw notStartable(`The workflow ${reference.ref} has no active version; activate one or name a version.`, highest);
  }
  const { id, workflowId, version, revision, status } = row;
  if (!isStartable(status)) {
    throw notStartable(`Version ${version} of ${workflowId} is ${status === "draft" ? "a draft" : status}.`, row);
  }
  return {
    id,
    workflowId,
    version,
    revision,
    followsLatest: reference.version === undefined && reference.ref.toLowerCase() !== id,
  };
}

async function resolve(db: Db, { namespace, ref, version }: Reference): Promise<queries.ResolvedRow | undefined> {
  if (isUuid(ref) && version === undefined) {
    const [row] = await db.query<queries.ResolvedRow>(queries.resolveById, [namespace, ref.toLowerCase()]);
    if (row !== undefined) return row;
  }
  if (version === undefined) {
    return (await db.query<queries.ResolvedRow>(queries.resolveLatest, [namespace, ref]))[0];
  }
  if (!isVersion(version)) return undefined;
  return (await db.query<queries.ResolvedRow>(queries.resolveVersion, [namespace, ref, versionOrder(version)]))[0];
}

async function highestOf(db: Db, { namespace, ref, version }: Reference): Promise<queries.VersionRow | undefined> {
  if (version !== undefined) return undefined;
  return (await db.query<queries.VersionRow>(queries.findHighestVersion, [namespace, ref]))[0];
}

/** Newest first; `next` is the id below which the next page begins. */
export async function listDefinitions(
  db: Db,
  filter: queries.ListFilter,
): Promise<{ items: DefinitionSummary[]; next: string | undefined }> {
  const rows = await queries.listDefinitionRows(db, { ...filter, limit: filter.limit + 1 });
  const items = rows.slice(0, filter.limit).map(summaryOf);
  return { items, next: rows.length > filter.limit ? items.at(-1)?.id : undefined };
}

/** The versions of a workflow, highest first; `next` is the place below which the next page begins. */
export async function listVersions(
  db: Db,
  { namespace, ref, below, limit }: { namespace: string; ref: string; below?: string; limit: number },
): Promise<{ items: DefinitionSummary[]; next: string | undefined }> {
  const { workflowId } = await getDefinition(db, { namespace, ref });
  const values = [namespace, workflowId, below ?? null, limit + 1];
  const rows = await db.query<queries.SummaryRow & { versionOrder: string }>(queries.listVersionRows, values);
  const page = rows.slice(0, limit);
  return { items: page.map(summaryOf), next: rows.length > limit ? page.at(-1)?.versionOrder : undefined };
}

/** The ids of a workflow's versions, in no order. */
export async function versionIds(db: Db, what: { namespace: string; workflowId: string }): Promise<string[]> {
  const rows = await db.query<{ id: string }>(queries.listVersionIds, [what.namespace, what.workflowId]);
  return rows.map(({ id }) => id);
}

/** Whatever its status, for whoever holds its id. */
export async function readView(db: Db, id: string): Promise<DefinitionView> {
  const [row] = await db.query<queries.DefinitionRow>(queries.readDefinition, [id]);
  if (row === undefined) throw notFound(id);
  return viewOf(row);
}

export function notFound(ref: string, version?: string): AppError {
  const which = version === undefined ? "" : ` in version ${version.slice(0, 50)}`;
  return workflowErrors.definition_not_found(`There is no definition ${ref.slice(0, 255)}${which}.`);
}

function notStartable(message: string, { id, version, status }: { id: string; version: string; status: string }) {
  return workflowErrors.definition_not_startable(message, { details: { id, version, status } });
}
