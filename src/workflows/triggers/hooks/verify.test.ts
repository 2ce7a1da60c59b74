/** Conformance of the verifications: the cases of public suites and documents as tables. */
import { createHmac } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { AppError } from "../../../foundation/errors.ts";
import type { WebhookSettings } from "../model.ts";
import { keptSecret } from "./secrets.ts";
import { verify } from "./verify.ts";

type Headers = Record<string, string | undefined>;

interface Attempt {
  settings: WebhookSettings;
  secrets: string[];
  headers?: Headers;
  query?: Record<string, string>;
  body?: string | Buffer;
  nowMs?: number;
}

/** "ok", or the code of the refusal. */
function outcome({ settings, secrets, headers = {}, query = {}, body = "", nowMs = Date.now() }: Attempt): string {
  const kept = secrets.map((secret) => keptSecret(settings.verification, secret));
  try {
    verify({ headers, query, raw: Buffer.from(body) }, { settings, secrets: kept, nowMs });
    return "ok";
  } catch (error) {
    const { code, message, details } = error as AppError;
    for (const secret of secrets) expect(`${message} ${JSON.stringify(details)}`).not.toContain(secret);
    return code.replace("triggers.", "");
  }
}

describe("Standard Webhooks", () => {
  // The key, message and signature of the reference implementations' own tests.
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const body = '{"test": 2432232314}';
  const signedAt = 1_614_265_330;
  const signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  const other = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
  const good: Headers = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": String(signedAt),
    "webhook-signature": signature,
  };

  beforeEach(() => void vi.setSystemTime(signedAt * 1_000));
  afterEach(() => void vi.useRealTimers());

  const standard = (given: Partial<Attempt>) =>
    outcome({ settings: { verification: "standard" }, secrets: [secret], headers: good, body, ...given });

  test.each<[string, Headers, string]>([
    ["as it was signed", {}, "ok"],
    ["without an id", { "webhook-id": undefined }, "signature_missing"],
    ["without a timestamp", { "webhook-timestamp": undefined }, "signature_missing"],
    ["without a signature", { "webhook-signature": undefined }, "signature_missing"],
    ["with an empty signature", { "webhook-signature": "" }, "signature_missing"],
    ["with another id", { "webhook-id": "msg_other" }, "signature_invalid"],
    ["with another timestamp", { "webhook-timestamp": String(signedAt + 1) }, "signature_invalid"],
    ["with a timestamp that is no number", { "webhook-timestamp": "hello" }, "timestamp_refused"],
    ["with a timestamp in milliseconds", { "webhook-timestamp": `${signedAt}000` }, "timestamp_refused"],
    ["with another signature", { "webhook-signature": other }, "signature_invalid"],
    ["with half of a signature", { "webhook-signature": signature.slice(0, 10) }, "signature_invalid"],
    ["with a signature without its version", { "webhook-signature": signature.slice(3) }, "signature_invalid"],
    ["with a version alone", { "webhook-signature": "v1" }, "signature_invalid"],
    ["with a version and a comma", { "webhook-signature": "v1," }, "signature_invalid"],
    ["with a version that nobody knows", { "webhook-signature": `v2,${signature.slice(3)}` }, "signature_invalid"],
    [
      "with several signatures, one of them right",
      { "webhook-signature": `${other} v2,x ${signature} ${other}` },
      "ok",
    ],
    ["with several signatures, none of them right", { "webhook-signature": `${other} v2,x` }, "signature_invalid"],
    ["with an asymmetric signature beside it", { "webhook-signature": `v1a,abc ${signature}` }, "ok"],
  ])("a call %s: %s", (_, headers, expected) => {
    expect(standard({ headers: { ...good, ...headers } })).toBe(expected);
  });

  test.each([
    ["of the same second", 0, "ok"],
    ["of five minutes ago", 300, "ok"],
    ["of a second more", 301, "timestamp_refused"],
    ["of five minutes ahead", -300, "ok"],
    ["of a second more ahead", -301, "timestamp_refused"],
  ])("a call %s (%d s old): %s", (_, ageSeconds, expected) => {
    vi.setSystemTime((signedAt + ageSeconds) * 1_000);
    expect(standard({})).toBe(expected);
  });

  test.each<[string, Partial<Attempt>, string]>([
    ["with a changed body", { body: '{"test": 2432232315}' }, "signature_invalid"],
    ["with a body that only looks the same", { body: '{"test":2432232314}' }, "signature_invalid"],
    ["with a body that is no text", { body: Buffer.from([0xff, 0xfe]) }, "signature_invalid"],
    ["of who knows another secret", { secrets: ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"] }, "signature_invalid"],
    ["for a secret without its prefix", { secrets: [secret.slice("whsec_".length)] }, "ok"],
    ["with the older of two secrets", { secrets: ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", secret] }, "ok"],
    ["when no secret is good", { secrets: [] }, "signature_invalid"],
  ])("a call %s: %s", (_, given, expected) => {
    expect(standard(given)).toBe(expected);
  });
});

describe("GitHub", () => {
  // The example of GitHub's documentation.
  const secret = "It's a Secret to Everybody";
  const body = "Hello, World!";
  const signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
  const github = (header: string | undefined, given: Partial<Attempt> = {}) =>
    outcome({
      settings: { verification: "github" },
      secrets: [secret],
      headers: { "x-hub-signature-256": header },
      body,
      ...given,
    });

  test.each([
    ["the documented one", signature, "ok"],
    ["none", undefined, "signature_missing"],
    ["another", signature.replace("757107", "757108"), "signature_invalid"],
    ["one in capitals", signature.toUpperCase(), "signature_invalid"],
    ["one without its scheme", signature.slice(7), "signature_invalid"],
    ["one of SHA-1", `sha1=${createHmac("sha1", secret).update(body).digest("hex")}`, "signature_invalid"],
    ["a part of it", signature.slice(0, -2), "signature_invalid"],
  ])("signature: %s", (_, header, expected) => {
    expect(github(header)).toBe(expected);
  });

  test("a changed body, and a secret that is not the webhook's, are refused; the older secret is good", () => {
    expect(github(signature, { body: "Hello, World?" })).toBe("signature_invalid");
    expect(github(signature, { secrets: ["another secret"] })).toBe("signature_invalid");
    expect(github(signature, { secrets: ["another secret", secret] })).toBe("ok");
  });
});

describe("Stripe", () => {
  const secret = "whsec_test_secret";
  const body = '{"id": "evt_test_webhook", "object": "event"}';
  const at = 1_700_000_000;
  const v1 = (time: number, key = secret) => createHmac("sha256", key).update(`${time}.${body}`).digest("hex");
  const stripe = (header: string | undefined, given: Partial<Attempt> & { toleranceSeconds?: number } = {}) =>
    outcome({
      settings: { verification: "stripe", toleranceSeconds: given.toleranceSeconds },
      secrets: [secret],
      headers: { "stripe-signature": header },
      body,
      nowMs: at * 1_000,
      ...given,
    });

  test.each([
    ["as Stripe writes it", `t=${at},v1=${v1(at)}`, "ok"],
    ["with its old scheme beside it", `t=${at},v1=${v1(at)},v0=abc`, "ok"],
    ["with several, one of them right", `t=${at},v1=abc,v1=${v1(at)}`, "ok"],
    ["with blanks", `t=${at}, v1=${v1(at)}`, "ok"],
    ["none", undefined, "signature_missing"],
    ["without a time", `v1=${v1(at)}`, "signature_missing"],
    ["without a signature", `t=${at}`, "signature_missing"],
    ["with the old scheme only", `t=${at},v0=${v1(at)}`, "signature_missing"],
    ["with nonsense", "nonsense", "signature_missing"],
    ["with a time that is no number", `t=now,v1=${v1(at)}`, "signature_missing"],
    ["of another time", `t=${at + 1},v1=${v1(at)}`, "signature_invalid"],
    ["of another secret", `t=${at},v1=${v1(at, "whsec_other")}`, "signature_invalid"],
    ["of five minutes ago", `t=${at - 300},v1=${v1(at - 300)}`, "ok"],
    ["of a second more", `t=${at - 301},v1=${v1(at - 301)}`, "timestamp_refused"],
    ["of a time ahead", `t=${at + 301},v1=${v1(at + 301)}`, "timestamp_refused"],
  ])("signature: %s", (_, header, expected) => {
    expect(stripe(header)).toBe(expected);
  });

  test("the tolerance is the webhook's, a changed body is refused, and the older secret is good", () => {
    const header = `t=${at - 60},v1=${v1(at - 60)}`;
    expect(stripe(header, { toleranceSeconds: 60 })).toBe("ok");
    expect(stripe(header, { toleranceSeconds: 59 })).toBe("timestamp_refused");
    expect(stripe(header, { body: `${body} ` })).toBe("signature_invalid");
    expect(stripe(header, { secrets: ["whsec_new", secret] })).toBe("ok");
  });
});

describe("a token", () => {
  const token = "a-token-of-some-length";
  const byToken = (given: Partial<Attempt> & Partial<Pick<WebhookSettings, "header" | "queryParameter">>) =>
    outcome({
      settings: { verification: "secret", header: given.header, queryParameter: given.queryParameter },
      secrets: [token],
      ...given,
    });

  test.each<[string, Partial<Attempt> & Partial<Pick<WebhookSettings, "header" | "queryParameter">>, string]>([
    ["in the usual header", { headers: { "x-webhook-token": token } }, "ok"],
    ["in the header that the webhook names", { header: "X-Own", headers: { "x-own": token } }, "ok"],
    ["as a bearer token", { header: "Authorization", headers: { authorization: `Bearer ${token}` } }, "ok"],
    ["in a query that the webhook allows", { queryParameter: "token", query: { token } }, "ok"],
    ["in a query that it does not allow", { query: { token } }, "signature_missing"],
    ["nowhere", { queryParameter: "token" }, "signature_missing"],
    ["that is another", { headers: { "x-webhook-token": "another-token" } }, "signature_invalid"],
    ["that is what is stored", { headers: { "x-webhook-token": keptSecret("secret", token) } }, "signature_invalid"],
    ["that is the older one", { headers: { "x-webhook-token": token }, secrets: ["newer-token", token] }, "ok"],
  ])("%s", (_, given, expected) => {
    expect(byToken(given)).toBe(expected);
  });
});
