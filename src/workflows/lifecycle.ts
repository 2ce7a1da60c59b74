/** What becomes of a version after it was stored; see `model.ts`. Each verb needs an open transaction, as `create.ts` says. */
import type { Db } from "../foundation/database/index.ts";
import { workflowErrors } from "./errors.ts";
import type { VisibleStatus } from "./model.ts";
import * as queries from "./queries.ts";
import { getDefinition, notFound, type Reference, readView } from "./read.ts";
import type { DefinitionView } from "./views.ts";

/** Whether an instance of this definition exists; `app.ts` gives the engine's answer. */
export type IsUsed = (db: Db, definitionId: string) => Promise<boolean>;

/** Lets a draft or deprecated version be the latest. An active one stays as it is. */
export function activate(tx: Db, reference: Reference): Promise<DefinitionView> {
  return transition(tx, reference, "active");
}

/** Takes a version out of the choice of the latest; whoever names it can still start it. */
export function deprecate(tx: Db, reference: Reference): Promise<DefinitionView> {
  return transition(tx, reference, "deprecated");
}

async function transition(tx: Db, reference: Reference, to: VisibleStatus): Promise<DefinitionView> {
  const { id, workflowId, version, status: from } = await lockVersion(tx, reference);
  if (from !== to) await changeStatus(tx, { namespace: reference.namespace, workflowId, id, version, from, to });
  return await readView(tx, id);
}

/** Removes a version that no instance used. Its row stays unseen, for a start under way may still refer to it. */
export async function deleteDefinition(
  tx: Db,
  { isUsed, ...reference }: Reference & { isUsed: IsUsed },
): Promise<void> {
  const { id, workflowId, version } = await lockVersion(tx, reference);
  if (await isUsed(tx, id)) {
    const message = `Version ${version} of ${workflowId} has instances and cannot be deleted; deprecate it.`;
    throw workflowErrors.definition_used(message, { details: { id, workflowId, version } });
  }
  await tx.execute(queries.setStatus, [id, "deleted"]);
  await tx.execute(queries.moveHead, [reference.namespace, workflowId]);
}

/** The version that a change means, read again under the lock of its workflow. */
async function lockVersion(tx: Db, reference: Reference): Promise<DefinitionView> {
  const { workflowId, id } = await getDefinition(tx, reference);
  await tx.query(queries.lockHead, [reference.namespace, workflowId]);
  const version = await readView(tx, id);
  if (version.status === "deleted") throw notFound(reference.ref, reference.version);
  if (version.status === "replaced") {
    throw workflowErrors.status_change_refused(
      `This content of version ${version.version} of ${workflowId} was replaced.`,
    );
  }
  return version;
}

interface StatusChange {
  namespace: string;
  workflowId: string;
  id: string;
  version: string;
  from: string;
  to: VisibleStatus;
}

/** Changes a status under the lock of the head, and moves the head. Refuses what the model forbids. */
export async function changeStatus(
  tx: Db,
  { namespace, workflowId, id, version, from, to }: StatusChange,
): Promise<void> {
  if (to === "draft" || (to === "deprecated" && from === "draft")) {
    const message = `Version ${version} of ${workflowId} is ${from} and cannot become ${to}.`;
    throw workflowErrors.status_change_refused(message, { details: { id, workflowId, version, status: from } });
  }
  await tx.execute(queries.setStatus, [id, to]);
  await tx.execute(queries.moveHead, [namespace, workflowId]);
}
