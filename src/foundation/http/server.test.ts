import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { createLogger } from "../log.ts";
import { adminKey, type Demo, readerKey, startDemo } from "./demo.support.ts";

let demo: Demo;
const logged: string[] = [];

beforeAll(async () => {
  const log = createLogger({
    level: "debug",
    pretty: false,
    destination: { write: (line: string) => void logged.push(line) },
  });
  demo = await startDemo({ log });
});
afterAll(() => demo.server.close());

const thing = "/api/v1/things/a";

/** Sends bytes as they are and gives all that comes back. */
async function raw(request: string): Promise<string> {
  const socket = connect(demo.port, "127.0.0.1");
  socket.end(request);
  return text(socket);
}

describe("a request", () => {
  test("with either form of key reaches its handler, in the namespace that it names", async () => {
    const { json } = await demo.call("GET", `${thing}?limit=7&status=x`, {
      headers: { "x-millrace-namespace": "team-a" },
    });
    expect(json).toEqual({ id: "a", limit: 7, namespace: "team-a", caller: "admin" });
    const bearer = await fetch(demo.url + thing, { headers: { authorization: `Bearer ${adminKey}` } });
    expect(await bearer.json()).toEqual({ id: "a", limit: 50, namespace: "default", caller: "admin" });
  });

  test("keeps its id when it has one, and gets one when it has none", async () => {
    const given = await demo.call("GET", thing, { headers: { "x-request-id": "abc-1" } });
    expect(given.headers.get("x-request-id")).toBe("abc-1");
    const odd = await demo.call("GET", thing, { headers: { "x-request-id": "a b" } });
    expect(odd.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("is written to the access log at debug", async () => {
    await demo.call("GET", thing, { headers: { "x-request-id": "logged-1" } });
    await expect.poll(() => logged.find((line) => line.includes("logged-1"))).toBeDefined();
    const line = JSON.parse(logged.find((entry) => entry.includes("logged-1"))!);
    expect(line).toMatchObject({ level: "debug", method: "GET", url: thing, status: 200, requestId: "logged-1" });
  });

  test("with YAML is read like JSON where the route says so, and nowhere else", async () => {
    const yaml = { headers: { "content-type": "application/yaml" }, body: "name: a\nparts:\n  - sku: x\n" };
    const made = await demo.call("POST", "/api/v1/things", yaml);
    expect([made.status, made.json]).toEqual([201, { name: "a", parts: [{ sku: "x", count: 1 }] }]);
    const refused = await demo.call("POST", "/api/v1/things/0190b5a0-0000-7000-8000-000000000000/cancel", yaml);
    expect([refused.status, refused.json.code]).toEqual([415, "http.content_type_unsupported"]);
  });

  test("may leave out an optional body, or send an empty one", async () => {
    const path = "/api/v1/things/0190b5a0-0000-7000-8000-000000000000/cancel";
    for (const options of [
      {},
      { json: {} },
      { json: { reason: "late" } },
      { headers: { "content-type": "application/json" } },
    ]) {
      expect((await demo.call("POST", path, options)).status).toBe(204);
    }
  });
});

describe("a refusal is a problem document", () => {
  const post = (body: string | Buffer, headers?: Record<string, string>) =>
    demo.call("POST", "/api/v1/things", { body, headers });

  test("with every member of the contract", async () => {
    const { status, headers, json } = await demo.call("GET", "/nowhere?a=1");
    expect(status).toBe(404);
    expect(headers.get("content-type")).toBe("application/problem+json; charset=utf-8");
    expect(json).toEqual({
      type: "urn:millrace:problem:http.route_not_found",
      title: "Not found",
      status: 404,
      detail: "No route has this path.",
      instance: "/nowhere",
      code: "http.route_not_found",
      requestId: headers.get("x-request-id"),
    });
  });

  test("that lists every fault of parameters, query and body at once", async () => {
    const params = await demo.call("GET", `/api/v1/things/${"a".repeat(201)}?limit=x&unknown=1&deep=maybe`);
    expect((params.json.errors as { pointer: string }[]).map(({ pointer }) => pointer).sort()).toEqual([
      "/params/id",
      "/query/deep",
      "/query/limit",
      "/query/unknown",
    ]);
    const body = await post(
      JSON.stringify({ parts: [{ sku: "" }, { sku: "a", count: 0 }, 5], other: 1, plan: { id: "a", next: [{}] } }),
    );
    expect(body.json.code).toBe("http.input_invalid");
    expect((body.json.errors as { pointer: string }[]).map(({ pointer }) => pointer).sort()).toEqual([
      "/name",
      "/other",
      "/parts/0/sku",
      "/parts/1/count",
      "/parts/2",
      "/plan/next/0/id",
    ]);
  });

  test.each<[string, string, number, string]>([
    ["malformed JSON", '{"name": }', 400, "http.malformed_body"],
    ["an empty text", " ", 400, "http.malformed_body"],
    ["a reserved name", '{"name":"a","notes":{"__proto__":1}}', 400, "http.input_invalid"],
    ["a reserved name in disguise", '{"name":"a","notes":{"\\u005f_proto__":1}}', 400, "http.input_invalid"],
    ["a NUL", '{"name":"a\\u0000"}', 400, "http.input_invalid"],
    ["half a surrogate pair", '{"name":"a","notes":["\\ud83d"]}', 400, "http.input_invalid"],
    ["deep nesting", `{"name":"a","notes":${"[".repeat(300)}${"]".repeat(300)}}`, 400, "http.body_too_deep"],
    ["nesting beyond any stack", "[".repeat(1_000_000), 400, "http.body_too_deep"],
    ["another type", "[]", 400, "http.input_invalid"],
    ["null", "null", 400, "http.input_invalid"],
  ])("for a body with %s", async (_, body, status, code) => {
    const answered = await post(body);
    expect([answered.status, answered.json.code]).toEqual([status, code]);
  });

  test("that says where malformed JSON breaks", async () => {
    const { json } = await post('{\n  "name": "a",\n  "parts": [1, 2,]\n}');
    expect(json.details).toEqual({ line: 3, column: 18 });
    expect(json.detail).toContain("line 3, column 18");
  });

  test("for bytes that are no UTF-8, other character sets and other types", async () => {
    expect((await post(Buffer.from([0x22, 0xff, 0x22]))).json.code).toBe("http.malformed_body");
    expect((await post("{}", { "content-type": "application/json; charset=latin1" })).status).toBe(415);
    const plain = await post("name: a", { "content-type": "text/plain" });
    expect([plain.status, plain.json.details]).toEqual([415, { accepted: ["application/json", "application/yaml"] }]);
  });

  test("for a body beyond the limit, of the server or of the route", async () => {
    const small = await startDemo({ bodyLimitBytes: 100 });
    const answered = await small.call("POST", "/api/v1/things", { json: { name: "a", notes: "x".repeat(200) } });
    expect([answered.status, answered.json.code]).toEqual([413, "http.body_too_large"]);
    await small.server.close();
  });

  test("for a wrong method, with the right ones in Allow", async () => {
    const { status, headers, json } = await demo.call("DELETE", thing);
    expect([status, json.code, headers.get("allow")]).toEqual([405, "http.method_not_allowed", "GET, HEAD"]);
  });

  test("without a valid key, before the body is looked at", async () => {
    for (const key of ["", "wrong"]) {
      const { status, headers, json } = await demo.call("POST", "/api/v1/things", {
        body: "{",
        headers: { "x-api-key": key },
      });
      expect([status, json.code, headers.get("www-authenticate")]).toEqual([401, "http.unauthenticated", "Bearer"]);
    }
  });

  test("without the permission", async () => {
    const { status, json } = await demo.call("POST", "/api/v1/things", {
      json: { name: "a" },
      headers: { "x-api-key": readerKey },
    });
    expect([status, json.code, json.details]).toEqual([403, "http.forbidden", { permission: "things:write" }]);
  });

  test("for a namespace that is none", async () => {
    for (const name of ["A", "-a", "a".repeat(64), "a/b"]) {
      const { status, json } = await demo.call("GET", thing, { headers: { "x-millrace-namespace": name } });
      expect([status, json.code]).toEqual([400, "http.namespace_invalid"]);
    }
  });

  test("for paths that do not decode, and for NULs in them", async () => {
    expect((await demo.call("GET", "/%ff")).json.code).toBe("http.malformed_request");
    const nul = await demo.call("GET", "/api/v1/things/a%00b?status=%00");
    expect((nul.json.errors as { pointer: string }[]).map(({ pointer }) => pointer)).toEqual([
      "/params/id",
      "/query/status",
    ]);
  });

  test("that tells nothing about the program when the program fails, and logs it", async () => {
    const { status, json } = await demo.call("GET", "/broken", { headers: { "x-request-id": "fails-1" } });
    expect([status, json.code]).toEqual([500, "http.internal"]);
    expect(JSON.stringify(json)).not.toContain("secret of the house");
    expect(logged.find((line) => line.includes("fails-1") && line.includes("secret of the house"))).toBeDefined();
  });

  test("with 503 when the database is away", async () => {
    const { status, headers, json } = await demo.call("GET", "/database-away");
    expect([status, json.code, headers.get("retry-after")]).toEqual([503, "http.database_unavailable", "1"]);
  });

  test("when an answer breaks its contract and answers are checked", async () => {
    expect((await demo.call("GET", "/against-contract")).status).toBe(500);
  });

  test("even for what is not HTTP", async () => {
    const garbage = await raw("HELLO\r\n\r\n");
    expect(garbage).toMatch(/^HTTP\/1.1 400 /);
    expect(JSON.parse(garbage.split("\r\n\r\n")[1]!)).toMatchObject({ code: "http.malformed_request", status: 400 });
    const large = await raw(`GET / HTTP/1.1\r\nHost: a\r\nX-Large: ${"a".repeat(70_000)}\r\n\r\n`);
    expect(large).toMatch(/^HTTP\/1.1 431 /);
  });
});

describe("declaring a route", () => {
  const route = {
    method: "POST",
    url: "/x",
    summary: "x",
    responses: { 200: "Done." },
    handler: () => undefined,
  } as const;

  test("is refused without a permission, unless it is public", () => {
    expect(() => demo.server.route(route)).toThrow(/has no permission/);
  });

  test.each<[string, z.ZodType]>([
    ["a refinement", z.object({ a: z.string().refine((value) => value !== "") })],
    ["a transform", z.object({ a: z.string().transform(Number) })],
    ["a trim", z.object({ a: z.string().trim() })],
    ["a date", z.object({ a: z.date() })],
  ])("is refused with %s, which would be skipped in silence", (_, body) => {
    expect(() => demo.server.route({ ...route, public: true, body })).toThrow();
  });
});
