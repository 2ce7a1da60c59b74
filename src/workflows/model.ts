/** Statuses and contents of definitions: the laws, without I/O. */
import { createHash } from "node:crypto";
import { canonicalJson } from "../foundation/canonical_json.ts";

/**
 * What becomes of a version:
 *
 *     draft ──activate──▶ active ◀──activate── deprecated
 *       │                   │  ──deprecate──▶      │
 *       └───────────────────┴──────────────────────┘
 *             │ another content is given to a version that no instance used: replaced
 *             │ it is deleted, which also needs that no instance used it: deleted
 *
 * `replaced` and `deleted` are final and invisible in lists. Such a row stays, for a start that was accepted at the same
 * moment may still refer to it; what it says never changes.
 */
export const definitionStatuses = ["draft", "active", "deprecated", "replaced", "deleted"] as const;
export type DefinitionStatus = (typeof definitionStatuses)[number];

/** Those that a client sees. */
export const visibleStatuses = ["draft", "active", "deprecated"] as const;
export type VisibleStatus = (typeof visibleStatuses)[number];

/** Whether an instance may be started when the version is named, by its id or its number. */
export function isStartable(status: DefinitionStatus): boolean {
  return status === "active" || status === "deprecated";
}

/**
 * SHA-256 of a definition's content: all that is stored but its version, its status and who made it. Two documents
 * that say the same in another order of fields have one hash.
 */
export function contentHash(content: object): string {
  const { version: _version, createdBy: _createdBy, ...rest } = content as Record<string, unknown>;
  return createHash("sha256").update(canonicalJson(rest)).digest("hex");
}
