/** Versions of what users write (definitions, templates): which there are, and their order. */
import semver from "semver";

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
