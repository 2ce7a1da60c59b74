import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { checkSchema } from "../json_schema/index.ts";
import { type Demo, startDemo } from "./demo.support.ts";
import { openApiDocument } from "./openapi.ts";
import { Components } from "./openapi_components.ts";

let demo: Demo;
let document: Record<string, unknown>;

beforeAll(async () => {
  demo = await startDemo();
  document = (await demo.call("GET", "/api/v1/openapi.json", { headers: { "x-api-key": "" } })).json;
});
afterAll(() => demo.server.close());

function at(pointer: string): unknown {
  return pointer
    .slice(2)
    .split("/")
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document);
}

function* every(value: unknown, key: string): Generator<unknown> {
  if (typeof value !== "object" || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    if (name === key) yield inner;
    yield* every(inner, key);
  }
}

test("the document is OpenAPI 3.1 of this version", () => {
  expect(document).toMatchObject({ openapi: "3.1.0", info: { title: "Millrace", version: "1.2.3" } });
});

test("every reference resolves", () => {
  const references = [...every(document, "$ref")] as string[];
  expect(references.length).toBeGreaterThan(5);
  for (const reference of references) expect(at(reference), reference).toBeDefined();
});

test("every route is there, with a name of its own, its parameters and its answers", () => {
  const paths = document.paths as Record<string, Record<string, Record<string, unknown>>>;
  expect(Object.keys(paths).sort()).toEqual([
    "/against-contract",
    "/api/v1/openapi.json",
    "/api/v1/stream",
    "/api/v1/things",
    "/api/v1/things/{id}",
    "/api/v1/things/{id}/cancel",
    "/broken",
    "/database-away",
    "/health",
  ]);
  const operations = Object.values(paths).flatMap((path) => Object.values(path));
  expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
  for (const operation of operations) {
    expect(operation.summary).toBeTruthy();
    expect(operation.responses).toHaveProperty("default", { $ref: "#/components/responses/Problem" });
  }
  expect(paths["/api/v1/things/{id}"]!.get!.parameters).toEqual(
    expect.arrayContaining([
      { name: "id", in: "path", required: true, schema: { type: "string", maxLength: 200 } },
      {
        name: "limit",
        in: "query",
        required: false,
        schema: { type: "integer", minimum: 1, maximum: 500, default: 50 },
      },
      { $ref: "#/components/parameters/Namespace" },
    ]),
  );
  const { requestBody, responses, description } = paths["/api/v1/things"]!.post!;
  expect(description).toContain("Needs the permission `things:write`.");
  expect(Object.keys((requestBody as { content: object }).content)).toEqual(["application/json", "application/yaml"]);
  expect(Object.keys(responses as object)).toEqual(["201", "400", "401", "403", "413", "415", "default"]);
  expect(paths["/health"]!.get!.security).toEqual([]);
});

test("named schemas are components, and those that requests need differently have a name of their own", () => {
  const schemas = (document.components as { schemas: Record<string, { additionalProperties?: unknown }> }).schemas;
  expect(Object.keys(schemas).sort()).toEqual(["Health", "Part", "PartInput", "Problem", "Step", "Thing"]);
  expect(schemas.PartInput!.additionalProperties).toBe(false);
  expect(schemas.Part!.additionalProperties).toBeUndefined();
});

test("every schema of the document is a valid JSON Schema", () => {
  for (const schema of every(document, "schema")) {
    const { components } = document as { components: unknown };
    const here = JSON.parse(JSON.stringify({ ...(schema as object), components }));
    expect(checkSchema(here), JSON.stringify(schema)).toEqual([]);
  }
});

test("two schemas of one name, and two operations of one id, are refused", () => {
  const route = (url: string, schema: z.ZodType) => {
    return { method: "GET", url, summary: "x", public: true, responses: { 200: schema } } as const;
  };
  const twice = route("/a", z.object({}));
  expect(() => openApiDocument({ routes: [twice, twice], version: "1" })).toThrow(/operation id getA is used twice/);
  const components = new Components();
  const answer = { io: "output", closed: false } as const;
  const named = z.object({ a: z.string() }).meta({ id: "Named" });
  components.use(z.object({ inner: named }), answer, "first");
  components.use(named, answer, "again");
  expect(() => components.use(named, { io: "output", closed: true }, "closed")).toThrow(/Named stands for two schemas/);
});
