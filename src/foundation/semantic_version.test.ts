import fc from "fast-check";
import semver from "semver";
import { expect, test } from "vitest";
import { isVersion, nextVersion, versionOrder } from "./semantic_version.ts";

const number = fc.oneof(fc.nat(20), fc.nat(2 ** 31), fc.constant(Number.MAX_SAFE_INTEGER));
const identifier = fc
  .oneof(fc.nat(120).map(String), fc.stringMatching(/^[0-9A-Za-z-]{1,5}$/))
  .filter((text) => !/^0\d+$/.test(text));
const identifiers = (mark: string) =>
  fc.array(identifier, { maxLength: 3 }).map((parts) => (parts.length === 0 ? "" : mark + parts.join(".")));
const version = fc
  .tuple(number, number, number, identifiers("-"), identifiers("+"))
  .map(([major, minor, patch, prerelease, build]) => `${major}.${minor}.${patch}${prerelease}${build}`)
  .filter(isVersion);

test("the order of the texts is the order of the versions, build metadata last", () => {
  fc.assert(
    fc.property(version, version, (a, b) => {
      const [left, right] = [versionOrder(a), versionOrder(b)];
      expect(Math.sign(Buffer.compare(Buffer.from(left), Buffer.from(right)))).toBe(semver.compareBuild(a, b));
    }),
    { numRuns: 5_000 },
  );
});

test("versions of the examples of semver.org sort as it says", () => {
  const sorted = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.2.0",
    "1.10.0",
  ];
  const orders = sorted.map(versionOrder);
  expect([...orders].sort()).toEqual(orders);
});

test("two versions never share a place", () => {
  expect(versionOrder("1.0.0+1")).not.toBe(versionOrder("1.0.0+2"));
});

test.each([
  [undefined, "1.0.0"],
  ["1.0.0", "1.1.0"],
  ["1.9.7", "1.10.0"],
  ["2.0.0-rc.1", "2.0.0"],
  ["1.2.3-rc.1", "1.3.0"],
])("after %s comes %s", (highest, next) => {
  expect(nextVersion(highest)).toBe(next);
});

test("the next version is above the highest, and there is none after the last number", () => {
  fc.assert(
    fc.property(version, (highest) => {
      const next = nextVersion(highest);
      if (next === undefined) expect(semver.minor(highest)).toBe(Number.MAX_SAFE_INTEGER);
      else expect(versionOrder(next) > versionOrder(highest)).toBe(true);
    }),
  );
});

test.each(["1", "1.0", "v1.0.0", " 1.0.0", "1.0.0 ", "01.0.0", "1.0.0-01", "latest", "", `1.0.0-${"a".repeat(50)}`])(
  "%j is not a version",
  (text) => {
    expect(isVersion(text)).toBe(false);
  },
);
