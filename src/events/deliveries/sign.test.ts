import { Webhook } from "standardwebhooks";
import { describe, expect, test } from "vitest";
import { makeSecret, rotated, secretFault } from "../subscriptions/model.ts";
import { signatureHeaders } from "./sign.ts";

describe("signatures are those of Standard Webhooks", () => {
  /** The vector of the reference libraries. */
  test.each([
    {
      secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
      timestamp: 1614265330,
      body: '{"test": 2432232314}',
      signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
  ])("$id at $timestamp is signed $signature", ({ secret, id, timestamp, body, signature }) => {
    expect(signatureHeaders([secret], { id, atMs: timestamp * 1_000 + 999, body })).toEqual({
      "webhook-id": id,
      "webhook-timestamp": String(timestamp),
      "webhook-signature": signature,
    });
  });

  test("a receiver that knows any of the secrets takes a request, and no other one does", () => {
    const [newer, older, other] = [makeSecret(), makeSecret(), makeSecret()];
    const body = '{"specversion":"1.0"}';
    const headers = signatureHeaders([newer, older], { id: "msg_1", atMs: Date.now(), body });
    expect(headers["webhook-signature"]!.split(" ")).toHaveLength(2);
    for (const secret of [newer, older])
      expect(new Webhook(secret).verify(body, headers)).toEqual({ specversion: "1.0" });
    expect(() => new Webhook(other).verify(body, headers)).toThrow("No matching signature");
    expect(() => new Webhook(newer).verify(`${body} `, headers)).toThrow("No matching signature");
    const old = signatureHeaders([newer], { id: "msg_1", atMs: Date.now() - 600_000, body });
    expect(() => new Webhook(newer).verify(body, old)).toThrow("too old");
  });
});

describe("secrets", () => {
  test.each([
    ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", undefined],
    ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "does not begin with whsec_"],
    ["whsec_MfKQ9r8GKYqr!", "is not base64 after its prefix"],
    ["whsec_AAAA", "holds 3 bytes, not 24 to 64"],
    [`whsec_${Buffer.alloc(65).toString("base64")}`, "holds 65 bytes, not 24 to 64"],
  ])("%s: %s", (secret, fault) => {
    expect(secretFault(secret)).toBe(fault);
  });

  test("overlap: the former ones end with the overlap, or sooner where they were to", () => {
    const first = { secret: "a", createdAt: "2026-01-01T00:00:00.000Z" };
    const nowMs = Date.parse("2026-01-02T00:00:00Z");
    const second = rotated([first], { secret: "b", nowMs, overlapMs: 3_600_000 });
    expect(second).toEqual([
      { secret: "b", createdAt: "2026-01-02T00:00:00.000Z" },
      { ...first, expiresAt: "2026-01-02T01:00:00.000Z" },
    ]);
    const third = rotated(second, { secret: "c", nowMs: nowMs + 60_000, overlapMs: 86_400_000 });
    expect(third.map(({ secret, expiresAt }) => [secret, expiresAt])).toEqual([
      ["c", undefined],
      ["b", "2026-01-03T00:01:00.000Z"],
      ["a", "2026-01-02T01:00:00.000Z"],
    ]);
    expect(rotated(third, { secret: "d", nowMs, overlapMs: 0 }).map(({ secret }) => secret)).toEqual(["d"]);
  });
});
