/** Versions, statuses and contents of definitions: the laws, without I/O. */
import { createHash } from "node:crypto";
import semver from "semver";

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

const maxVersionLength = 50;

/** A semantic version as it is written down, without a leading `v` or blanks. */
export function isVersion(text: string): boolean {
  return text.length <= maxVersionLength && semver.valid(text) !== null && /^\d/.test(text) && !/\s/.test(text);
}

export const firstVersion = "1.0.0";

/**
 * The next minor version after the highest; after a prerelease of a minor version, that version (2.0.0-rc.1 → 2.0.0).
 * Undefined when numbers end there.
 */
export function nextVersion(highest: string | undefined): string | undefined {
  if (highest === undefined) return firstVersion;
  const next = semver.inc(highest, "minor");
  return next !== null && isVersion(next) ? next : undefined;
}

/**
 * A text whose order by bytes is the order of versions: semantic precedence, then build metadata, so that two versions
 * never have the same place.
 *
 * A number is written with its count of digits in front (7 is `017`, 42 is `0242`). A release ends in `~`, above every
 * prerelease. Each identifier of a prerelease begins with `!`, below all that one may hold, and then `0` for a number or
 * `a` for a word; build metadata begins with a blank, below even that.
 */
export function versionOrder(version: string): string {
  const { major, minor, patch, prerelease, build } = parse(version);
  const release = [major, minor, patch].map((part) => sortable(String(part))).join(".");
  const stage = prerelease.length === 0 ? "~" : prerelease.map(identifierOrder).join("");
  return release + stage + (build.length === 0 ? "" : ` ${build.map(identifierOrder).join("")}`);
}

function identifierOrder(identifier: string | number): string {
  const text = String(identifier);
  return /^\d+$/.test(text) ? `!0${sortable(text)}` : `!a${text}`;
}

function parse(version: string): semver.SemVer {
  const parsed = semver.parse(version);
  if (parsed === null) throw new RangeError(`${version} is not a semantic version`);
  return parsed;
}

function sortable(digits: string): string {
  return String(digits.length).padStart(2, "0") + digits;
}

/**
 * SHA-256 of a definition's content: all that is stored but its version, its status and who made it. Two documents
 * that say the same in another order of fields have one hash.
 */
export function contentHash(content: object): string {
  const { version: _version, createdBy: _createdBy, ...rest } = content as Record<string, unknown>;
  return createHash("sha256").update(canonicalJson(rest)).digest("hex");
}

/** JSON with the members of every object in the order of their names; undefined members are left out. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member !== "object" || member === null || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
