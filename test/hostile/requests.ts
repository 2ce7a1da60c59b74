/** Random requests to every route of the OpenAPI document, from nearly right to mad. */
import fc from "fast-check";
import { goodBodies } from "./good_bodies.ts";
import { anyOfSchema, hostileTexts, hostileValue, type Json, type Schema, spoil } from "./values.ts";

export interface HostileRequest {
  method: string;
  /** As it is sent, escaped or badly escaped. */
  path: string;
  headers: Record<string, string>;
  body: Buffer | undefined;
}

export interface Route {
  method: string;
  /** With parameters as `{name}`. */
  template: string;
  query: string[];
  body: Schema | undefined;
}

interface OpenApi extends Schema {
  paths: Record<string, Record<string, Operation>>;
}

interface Operation {
  parameters?: { in: string; name: string }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
}

export function routesOf(document: OpenApi): Route[] {
  return Object.entries(document.paths).flatMap(([template, operations]) =>
    Object.entries(operations).map(([method, { parameters = [], requestBody }]) => ({
      method: method.toUpperCase(),
      template,
      query: parameters.filter((parameter) => parameter.in === "query").map(({ name }) => name),
      body: requestBody?.content["application/json"]?.schema,
    })),
  );
}

export interface Aim {
  routes: readonly Route[];
  /** To which `$ref`s in bodies lead. */
  root: Schema;
  /** The published schema of definitions: their routes take any object and judge by it. */
  definition: Schema;
  /** Ids and names of what exists. */
  existing: readonly string[];
  /** Of what has routes of its own, by a part of their path: among all that exists it would hardly be met. */
  named: Readonly<Record<string, readonly string[]>>;
  /** Ids of instances that have ended: what would change them is a conflict. */
  ended: readonly string[];
  key: string;
}

const rawTexts: readonly string[] = [
  "{",
  "[1,",
  '{"a":1}}',
  '{"a":1,"a":2}',
  "{'a':1}",
  '{"a":01}',
  '{"a":1e999}',
  '{"a":"\\ud800"}',
  '{"a":"\\u0000"}',
  '{"__proto__":{"x":1}}',
  "\ufeff{}",
  "nul",
  "",
  " ",
  '"text"',
  "[".repeat(100_000),
  `${"[".repeat(300)}${"]".repeat(300)}`,
  `${'{"a":'.repeat(5_000)}1${"}".repeat(5_000)}`,
  "a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]",
  "a: !!js/function 'x'",
  "? [complex]\n: key",
  "- - - - - -\n  - : :",
  "a: b: c",
  "%YAML 9.9\n---\na",
  "---\na: 1\n---\nb: 2",
  "<<: {a: 1}",
];

const contentTypes: readonly string[] = [
  "application/json",
  "application/json; charset=utf-8",
  "application/json; charset=utf-16",
  "application/problem+json",
  "application/cloudevents+json",
  "application/cloudevents-batch+json",
  "application/yaml",
  "text/yaml",
  "text/plain",
  "multipart/form-data; boundary=x",
  "application/x-www-form-urlencoded",
  "application/octet-stream",
  ";",
  "x",
];

export function hostileRequest(aim: Aim): fc.Arbitrary<HostileRequest> {
  return fc.constantFrom(...aim.routes).chain((route) =>
    fc
      .record({
        method: fc.oneof(
          { weight: 19, arbitrary: fc.constant(route.method) },
          {
            weight: 1,
            arbitrary: fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "PROPFIND"),
          },
        ),
        segments: fc.array(segment(aim, route), { minLength: 3, maxLength: 3 }),
        query: queryOf(route),
        headers: headersOf(aim),
        body: bodyOf(route, aim),
      })
      .map(({ method, segments, query, headers, body }) => {
        let next = 0;
        const path = route.template.replaceAll(/\{[^}]+\}/g, () => segments[next++ % segments.length]!);
        const type: Record<string, string> = body === undefined ? {} : { "content-type": body.contentType };
        return {
          method,
          path: `${path}${query}`,
          headers: { ...type, ...headers },
          body: body && Buffer.from(body.text),
        };
      }),
  );
}

/** One part of a path: something that exists, something that could, something hostile, something badly escaped. */
function segment({ existing, named, ended }: Aim, { template }: Route): fc.Arbitrary<string> {
  const [, known = existing] = Object.entries(named).find(([part]) => template.includes(part)) ?? [];
  return fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...known) },
    { weight: 4, arbitrary: fc.constantFrom(...ended) },
    { weight: 2, arbitrary: fc.uuid() },
    { weight: 3, arbitrary: fc.constantFrom(...hostileTexts.filter((text) => text.length < 3_000)).map(escapePart) },
    { weight: 1, arbitrary: fc.constantFrom("%", "%zz", "%C3%28", "%00", "..", ".", "*", "~", ";a=b", "a%2Fb") },
  );
}

function escapePart(text: string): string {
  return encodeURIComponent(text.toWellFormed()) || "%20";
}

function queryOf({ query }: Route): fc.Arbitrary<string> {
  const name =
    query.length === 0 ? fc.constantFrom("x", "limit") : fc.oneof(fc.constantFrom(...query), fc.constant("x"));
  const value = fc.oneof(
    fc.constantFrom(
      "1",
      "500",
      "COMPLETED",
      "COMPLETED,FAILED",
      "double",
      "2026-01-01T00:00:00Z",
      "PT0.1S",
      "eyJh",
      "MTI",
      "IngiCg",
    ),
    fc.constantFrom(...hostileTexts.filter((text) => text.length < 3_000)),
  );
  const pair = fc.tuple(name, value).map(([key, text]) => `${key}=${escapePart(text)}`);
  const raw = fc.constantFrom(
    "?",
    "?%",
    "?limit",
    "?limit[]=1",
    "?a=%zz",
    "?limit=1&limit=2",
    "?__proto__=1",
    "?constructor=1",
  );
  return fc.oneof(
    { weight: 8, arbitrary: fc.constant("") },
    { weight: 5, arbitrary: fc.array(pair, { minLength: 1, maxLength: 4 }).map((pairs) => `?${pairs.join("&")}`) },
    { weight: 1, arbitrary: raw },
  );
}

function headersOf({ key }: Aim): fc.Arbitrary<Record<string, string>> {
  const oddly = fc.constantFrom<Record<string, string>>(
    { "x-millrace-namespace": "other" },
    { "x-millrace-namespace": "../Hostile" },
    { "x-millrace-namespace": "" },
    { "idempotency-key": "same" },
    { "idempotency-key": "x".repeat(300) },
    { "idempotency-key": "" },
    { "last-event-id": "99999999999999999999" },
    { "last-event-id": "-1" },
    { traceparent: "00-zz" },
    { "ce-specversion": "1.0", "ce-id": "%F0%9F", "ce-source": "/", "ce-type": "a.b" },
    { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/", "ce-type": "trap.set", "ce-__proto__": "x" },
    { "x-request-id": "a b\tc" },
    { accept: "text/html" },
    { expect: "200-maybe" },
    { "content-encoding": "gzip" },
    { authorization: "Bearer " },
    { authorization: "Basic eDp5" },
    { authorization: `Bearer ${"x".repeat(4_000)}` },
    { cookie: "a=b; ".repeat(100) },
  );
  const right = { authorization: `Bearer ${key}` };
  return fc.oneof(
    { weight: 5, arbitrary: fc.constant(right) },
    { weight: 2, arbitrary: oddly.map((odd) => ({ ...right, ...odd })) },
  );
}

interface HostileBody {
  text: string;
  contentType: string;
}

function bodyOf(route: Route, { root, definition }: Aim): fc.Arbitrary<HostileBody | undefined> {
  const contentType = fc.oneof(
    { weight: 12, arbitrary: fc.constant("application/json") },
    { weight: 2, arbitrary: fc.constant("application/yaml") },
    { weight: 1, arbitrary: fc.constantFrom(...contentTypes) },
  );
  const raw = fc.constantFrom(...rawTexts);
  const good = fc.constantFrom(...(goodBodies(route.template) as Json[]));
  const mad = hostileValue.map((value) => JSON.stringify(value));
  const isDefinition = route.template.includes("/definitions") && route.body !== undefined;
  const shaped = isDefinition ? anyOfSchema(definition, definition) : anyOfSchema(route.body, root);
  const spoiled = fc
    .tuple(fc.oneof({ weight: 3, arbitrary: good }, { weight: 1, arbitrary: shaped }), fc.nat(1_000), hostileValue)
    .map(([value, where, by]) => JSON.stringify(spoil(value, { where, by })));
  const nearlyRight = shaped.map((value) => JSON.stringify(value));
  const text =
    route.body === undefined
      ? fc.oneof(mad, raw)
      : fc.oneof(
          { weight: 10, arbitrary: good.map((value) => JSON.stringify(value)) },
          { weight: 2, arbitrary: nearlyRight },
          { weight: 10, arbitrary: spoiled },
          { weight: 2, arbitrary: mad },
          { weight: 2, arbitrary: raw },
        );
  const body = fc.record({ text, contentType });
  return route.body === undefined
    ? fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: body })
    : fc.oneof({ weight: 1, arbitrary: fc.constant(undefined) }, { weight: 19, arbitrary: body });
}
