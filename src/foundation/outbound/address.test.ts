import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { refuseNonPublic } from "./address.ts";

describe("addresses of the public internet are allowed", () => {
  test.each([
    "8.8.8.8",
    "1.1.1.1",
    "93.184.216.34",
    "172.15.0.1",
    "172.32.0.1",
    "2606:4700::1111",
    "2a00:1450:4001::8",
  ])("%s", (address) => {
    expect(refuseNonPublic(address)).toBe(undefined);
  });
});

describe("all others are refused", () => {
  test.each([
    ["127.0.0.1", "loopback"],
    ["127.255.255.254", "loopback"],
    ["0.0.0.0", "unspecified"],
    ["0.1.2.3", "unspecified"],
    ["10.1.2.3", "private"],
    ["172.16.0.1", "private"],
    ["192.168.1.1", "private"],
    ["169.254.169.254", "link-local"],
    ["100.64.0.1", "carrier-grade NAT"],
    ["192.0.0.8", "reserved"],
    ["192.0.2.1", "reserved"],
    ["198.18.0.1", "reserved"],
    ["224.0.0.1", "multicast"],
    ["240.0.0.1", "reserved"],
    ["255.255.255.255", "broadcast"],
    ["::", "unspecified"],
    ["::1", "loopback"],
    ["fe80::1", "link-local"],
    ["fe80::1%eth0", "link-local"],
    ["fc00::1", "unique local"],
    ["fd12:3456::1", "unique local"],
    ["fec0::1", "site-local"],
    ["ff02::1", "multicast"],
    ["::ffff:8.8.8.8", "inside IPv6"],
    ["::ffff:7f00:1", "inside IPv6"],
    ["::127.0.0.1", "inside IPv6"],
    ["::7f00:1", "outside the public part"],
    ["64:ff9b::7f00:1", "NAT64"],
    ["64:ff9b:1::a00:1", "NAT64"],
    ["2002:7f00:1::", "6to4"],
    ["2001::1", "Teredo"],
    ["2001:db8::1", "reserved"],
    ["3fff::1", "reserved"],
    ["100::1", "reserved"],
    ["4000::1", "outside the public part"],
    ["0x7f.1", "loopback"],
    ["2130706433", "loopback"],
    ["017700000001", "loopback"],
    ["localhost", "not an IP address"],
    ["", "not an IP address"],
  ])("%s", (address, reason) => {
    expect(refuseNonPublic(address)).toContain(reason);
  });
});

test("an IPv6 address that carries an IPv4 address is refused, whichever it carries", () => {
  const octet = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(
      fc.tuple(octet, octet, octet, octet),
      fc.constantFrom("::ffff:", "::", "64:ff9b::", "::ffff:0:"),
      (octets, prefix) => {
        expect(refuseNonPublic(prefix + octets.join("."))).toBeTypeOf("string");
      },
    ),
  );
});
