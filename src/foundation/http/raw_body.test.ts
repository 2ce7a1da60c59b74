import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { createLogger } from "../log.ts";
import { createHttpServer, type HttpServer, readRawBody } from "./index.ts";

let server: HttpServer;
let url: string;
const lines: string[] = [];

beforeAll(async () => {
  server = createHttpServer({
    log: createLogger({ level: "debug", destination: { write: (line) => void lines.push(line) } }),
    version: "1.0.0",
    authenticate: () => undefined,
  });
  server.route({
    method: "POST",
    url: "/raw",
    summary: "Takes bytes",
    query: z.looseObject({}),
    rawBody: true,
    public: true,
    responses: { 200: z.unknown() },
    handler: ({ rawBody, headers }) => ({
      bytes: rawBody.toString("latin1"),
      value: readRawBody(rawBody, headers["content-type"]),
    }),
  });
  server.route({
    method: "POST",
    url: "/json",
    summary: "Takes JSON",
    body: z.unknown(),
    public: true,
    responses: { 200: z.unknown() },
    handler: ({ body, rawBody }) => ({ body, raw: rawBody.length }),
  });
  url = await server.listen({ host: "127.0.0.1", port: 0 });
});
afterAll(() => server.close());

async function post(path: string, body: string | undefined, type?: string) {
  const headers: Record<string, string> = type === undefined ? {} : { "content-type": type };
  const answer = await fetch(url + path, { method: "POST", headers, body });
  return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
}

const form = "application/x-www-form-urlencoded";

describe("a route of raw bodies", () => {
  test.each<[string, string | undefined, string | undefined, unknown]>([
    ["JSON, with its blanks", ' {"a" : 1}', "application/json", { a: 1 }],
    ["JSON by another name", "[1]", "application/cloudevents+json; charset=utf-8", [1]],
    ["a form", "a=1+2&b=%C3%A9&a=x&c", form, { a: ["1 2", "x"], b: "é", c: "" }],
    ["an empty body", undefined, undefined, null],
    ["an empty body of a type", "", "application/json", null],
  ])("gets the bytes of %s as they came", async (_, body, type, value) => {
    const { status, json } = await post("/raw", body, type);
    expect([status, json]).toEqual([200, { bytes: body ?? "", value }]);
  });

  test.each([
    ["{", "application/json", "http.malformed_body"],
    ['{"a":"\\u0000"}', "application/json", "http.input_invalid"],
    ["__proto__=1", form, "http.input_invalid"],
    ["a=%00", form, "http.input_invalid"],
  ])("refuses %j of %s with %s only when somebody reads it", async (body, type, code) => {
    expect((await post("/raw", body, type)).json.code).toBe(code);
  });

  test("is told what it may be sent, here and in the OpenAPI document", async () => {
    const { status, json } = await post("/raw", "x", "text/plain");
    expect([status, json.details]).toEqual([415, { accepted: ["application/json", form] }]);
    const document = (await (await fetch(`${url}/api/v1/openapi.json`)).json()) as {
      paths: Record<string, { post: { requestBody: { content: object } } }>;
    };
    expect(Object.keys(document.paths["/raw"]!.post.requestBody.content)).toEqual(["application/json", form]);
  });

  test("has no query in the log, where a token may be", async () => {
    await post("/raw?token=secret-token", "{}", "application/json");
    await expect.poll(() => lines.filter((line) => line.includes('"/raw"')).length).toBeGreaterThan(0);
    expect(lines.join("")).not.toContain("secret-token");
  });
});

test("another route has no bytes, and refuses forms", async () => {
  expect((await post("/json", '{"a":1}', "application/json")).json).toEqual({ body: { a: 1 }, raw: 0 });
  const { status, json } = await post("/json", "a=1", form);
  expect([status, json.details]).toEqual([415, { accepted: ["application/json"] }]);
});
