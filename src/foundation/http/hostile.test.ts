import { connect } from "node:net";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { adminKey, type Demo, startDemo } from "./demo.support.ts";

let demo: Demo;
beforeAll(async () => {
  demo = await startDemo({ bodyLimitBytes: 64 * 1024 });
});
afterAll(() => demo.server.close());

const method = fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD");
const segment = fc.oneof(
  fc.constantFrom(
    "api",
    "v1",
    "things",
    "stream/",
    "cancel",
    "health",
    "..",
    ".",
    "%00",
    "%ff",
    "%2e%2e",
    "__proto__",
    "0190b5a0-0000-7000-8000-000000000000",
  ),
  fc.string({ unit: "binary" }).map((text) => encodeURIComponent(text.toWellFormed())),
);
const path = fc.oneof(
  fc.constantFrom(
    "/api/v1/things",
    "/api/v1/things/a",
    "/api/v1/things/0190b5a0-0000-7000-8000-000000000000/cancel",
    "/health",
  ),
  fc.array(segment, { maxLength: 6 }).map((segments) => `/${segments.join("/")}`),
);
const query = fc.oneof(
  fc.constant(""),
  fc
    .array(fc.tuple(fc.constantFrom("limit", "deep", "status", "limit[]", "__proto__", "a.b", "%00"), fc.string()), {
      maxLength: 4,
    })
    .map(
      (pairs) => `?${pairs.map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`).join("&")}`,
    ),
  fc.string().map((text) => `?${encodeURI(text.toWellFormed())}`),
);
const name = fc.constantFrom(
  "name",
  "parts",
  "notes",
  "plan",
  "sku",
  "count",
  "id",
  "next",
  "__proto__",
  "constructor",
  "reason",
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.jsonValue(),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(name, tie("value"), { maxKeys: 4 }),
  ),
}));
const body = fc.oneof(
  value.map((json) => JSON.stringify(json)),
  fc.tuple(value, fc.nat(), fc.string()).map(([json, at, text]) => {
    const whole = JSON.stringify(json);
    return whole.slice(0, at % (whole.length + 1)) + text + whole.slice(at % (whole.length + 1));
  }),
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.constantFrom(
    "[".repeat(60_000),
    "x".repeat(70_000),
    '{"name":"\\u0000"}',
    "&a [*a, *a]",
    "a: *a",
    "? ? ?",
    "{{{{",
    "- - - -",
    "!!js/function a",
    "%YAML 9.9\n---\n",
  ),
);
const headers = fc.record(
  {
    "content-type": fc.constantFrom(
      "application/json",
      "application/yaml",
      "text/yaml",
      "application/cloudevents+json",
      "text/plain",
      "application/json; charset=x",
      "multipart/form-data",
      "",
      "x",
    ),
    "x-api-key": fc.constantFrom("", "wrong", adminKey),
    "x-millrace-namespace": fc.constantFrom("default", "A", "..", "a".repeat(100)),
    "x-request-id": fc.constantFrom("ok", "a b", "é".normalize("NFD").slice(0, 1), "a".repeat(500)),
    traceparent: fc.constantFrom("00-0-0-0", "x"),
    accept: fc.constantFrom("text/html", "*/*", "nonsense"),
  },
  { requiredKeys: ["content-type"] },
);

test("whatever is sent, the answer is below 500 and a problem document from 400 on", { timeout: 60_000 }, async () => {
  const request = fc.record({ method, path, query, body: fc.option(body, { nil: undefined }), headers });
  await fc.assert(
    fc.asyncProperty(request, async (sent) => {
      const response = await demo.server.fastify.inject({
        method: sent.method as "GET",
        url: sent.path + sent.query,
        headers: { "x-api-key": adminKey, ...sent.headers },
        payload: sent.method === "GET" || sent.method === "HEAD" ? undefined : sent.body,
      });
      expect(response.statusCode).toBeLessThan(500);
      if (response.statusCode < 400 || sent.method === "HEAD") return;
      expect(response.headers["content-type"]).toBe("application/problem+json; charset=utf-8");
      const problem = response.json();
      expect(problem.status).toBe(response.statusCode);
      expect(problem.code).toMatch(/^http\.[a-z_]+$/);
      expect(problem.requestId).toBe(response.headers["x-request-id"]);
    }),
    { numRuns: 4_000 },
  );
});

test("whatever bytes are sent, they are answered below 500 or the connection closes, and the server lives on", async () => {
  const line = fc.constantFrom(
    "GET /health HTTP/1.1\r\n",
    "POST /api/v1/things HTTP/1.1\r\n",
    "Host: a\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "\r\n",
    "0\r\n\r\n",
    "Content-Type: application/json\r\n",
  );
  const bytes = fc.array(
    fc.oneof(
      line.map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 40 }),
    ),
    { maxLength: 8 },
  );
  await fc.assert(
    fc.asyncProperty(bytes, async (chunks) => {
      const socket = connect(demo.port, "127.0.0.1");
      socket.end(Buffer.concat([...chunks]));
      const answered = await text(socket).catch(() => "");
      for (const [, status] of answered.matchAll(/^HTTP\/1\.1 (\d+)/gm)) expect(Number(status)).toBeLessThan(500);
    }),
    { numRuns: 300 },
  );
  expect((await demo.call("GET", "/health")).status).toBe(200);
});
