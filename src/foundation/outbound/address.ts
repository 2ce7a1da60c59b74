/**
 * Which addresses the program may be sent to: only those of the public internet.
 *
 * Whoever writes a definition or a subscription chooses the URL, often with parts from data; without this they could read the
 * cloud's metadata service or talk to a database beside the node. Sources: the IANA special-purpose address registries
 * (RFC 6890 and its successors), as `ipaddr.js` knows them. For IPv6 only 2000::/3 is public, minus what is carved out
 * of it; that leaves no way round through addresses which carry an IPv4 address inside (mapped, compatible, NAT64,
 * 6to4, Teredo), whatever the embedded one is.
 */

import ipaddr from "ipaddr.js";

/** Why an address may not be reached; undefined when it may. */
export type AddressJudge = (address: string) => string | undefined;

export const refuseNonPublic: AddressJudge = (address) => {
  if (!ipaddr.isValid(address)) return "is not an IP address";
  const parsed = ipaddr.parse(address);
  const range = parsed.range();
  if (range !== "unicast") return `is ${rangeNames[range] ?? `reserved (${range})`}`;
  if (parsed.kind() === "ipv6" && !parsed.match(globalUnicast)) return "is outside the public part of IPv6";
  return undefined;
};

export const allowEvery: AddressJudge = () => undefined;

const globalUnicast = ipaddr.IPv6.parseCIDR("2000::/3");

const rangeNames: Readonly<Record<string, string>> = {
  unspecified: "unspecified",
  broadcast: "a broadcast address",
  multicast: "a multicast address",
  linkLocal: "link-local",
  loopback: "loopback",
  carrierGradeNat: "carrier-grade NAT",
  private: "private",
  uniqueLocal: "private (unique local)",
  deprecatedSiteLocal: "private (site-local)",
  ipv4Mapped: "an IPv4 address inside IPv6",
  rfc6145: "an IPv4 address inside IPv6",
  rfc6052: "an IPv4 address inside IPv6 (NAT64)",
  "6to4": "an IPv4 address inside IPv6 (6to4)",
  teredo: "an IPv4 address inside IPv6 (Teredo)",
};
