import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../../test/support/database.ts";
import { createHttpServer, type HttpServer } from "../foundation/http/index.ts";
import { compileSchema } from "../foundation/json_schema/index.ts";
import { silentLogger } from "../foundation/log.ts";
import { addDefinitionRoutes } from "./routes.ts";

type Fields = Record<string, unknown>;

let http: HttpServer;
let url: string;
let close: () => Promise<void>;
const used = new Set<string>();

beforeAll(async () => {
  const { db, drop } = await openTestDatabase();
  http = createHttpServer({
    log: silentLogger,
    version: "0.0.0",
    checkAnswers: true,
    authenticate: (headers) => {
      const permissions = headers["x-api-key"] === "reader" ? ["workflows:read"] : ["workflows:*"];
      return headers["x-api-key"] === undefined ? undefined : { id: "ann", permissions: new Set(permissions) };
    },
  });
  addDefinitionRoutes(http, { db, isUsed: async (_db, id) => used.has(id) });
  url = `${await http.listen({ host: "127.0.0.1", port: 0 })}/api/v1/workflows/definitions`;
  close = async () => {
    await http.close();
    await drop();
  };
});
afterAll(() => close());

let namespaces = 0;

/** A client in a namespace of its own. */
function client(key = "writer") {
  const namespace = `n${++namespaces}`;
  return async (method: string, path = "", body?: unknown, contentType = "application/json") => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const headers: Record<string, string> = { "x-api-key": key, "x-millrace-namespace": namespace };
    if (body !== undefined) headers["content-type"] = contentType;
    const answer = await fetch(url + path, { method, headers, body: body === undefined ? undefined : text });
    const content = await answer.text();
    const json: Fields = content === "" ? {} : JSON.parse(content);
    return { status: answer.status, json, location: answer.headers.get("location") };
  };
}

const document = (changes: Fields = {}): Fields => ({
  workflowId: "order",
  name: "Order",
  steps: [{ stepId: "a", type: "TASK", taskId: "t" }],
  ...changes,
});

describe("POST", () => {
  test("answers 201 with id and version, 200 for the same again, and 409 for other content once it was used", async () => {
    const call = client();
    const created = await call("POST", "", document({ version: "1.0.0" }));
    expect(created).toMatchObject({
      status: 201,
      json: { workflowId: "order", version: "1.0.0", status: "active", createdBy: "ann", latest: true, warnings: [] },
      location: `/api/v1/workflows/definitions/${created.json.id}`,
    });
    expect(await call("POST", "", document({ version: "1.0.0" }))).toMatchObject({
      status: 200,
      json: { id: created.json.id },
    });
    used.add(String(created.json.id));
    expect(await call("POST", "", document({ version: "1.0.0", name: "B" }))).toMatchObject({
      status: 409,
      json: { code: "workflows.version_used" },
    });
  });

  test("takes YAML", async () => {
    const yaml = "workflowId: y\nname: Y\nsteps:\n  - stepId: a\n    type: DELAY\n    delay: PT1S\n";
    expect(await client()("POST", "", yaml, "application/yaml")).toMatchObject({
      status: 201,
      json: { workflowId: "y" },
    });
  });

  test("takes the other dialect and stores the canonical one", async () => {
    const steps = [
      { stepId: "a", type: "TASK", taskId: "t", next: [{ nextStepId: "b" }] },
      { stepId: "b", type: "DELAYED_TASK", delay: "PT1S" },
    ];
    expect((await client()("POST", "", document({ steps }))).json.steps).toEqual([
      { stepId: "a", type: "TASK", taskId: "t", transitions: { default: "b" } },
      { stepId: "b", type: "DELAY", delay: "PT1S" },
    ]);
  });

  test("takes steps inside steps, and gives them back as they are stored", async () => {
    const call = client();
    const left: Fields[] = [
      { stepId: "a", type: "TASK", taskId: "t", next: [{ nextStepId: "b" }], onFailure: "b" },
      { stepId: "b", type: "TASK", taskId: "t" },
    ];
    const each = {
      stepId: "each",
      type: "MAP",
      items: "input.list",
      steps: [{ stepId: "c", type: "TASK", taskId: "t" }],
    };
    const steps = [
      { stepId: "fan", parallelBranches: [{ branchId: "left", steps: left }], next: [{ nextStepId: "each" }] },
      each,
    ];
    const { status, json } = await call("POST", "", document({ steps, concurrency: { limit: 1 }, retention: "P1D" }));
    expect(status).toBe(201);
    const stored = {
      steps: [
        {
          stepId: "fan",
          type: "PARALLEL",
          branches: [
            {
              branchId: "left",
              steps: [
                { stepId: "a", type: "TASK", taskId: "t", transitions: { default: "b" }, onFailure: { default: "b" } },
                { stepId: "b", type: "TASK", taskId: "t" },
              ],
            },
          ],
          transitions: { default: "each" },
        },
        each,
      ],
      concurrency: [{ limit: 1 }],
      retention: "P1D",
    };
    expect(json).toMatchObject(stored);
    expect((await call("GET", `/${json.id}`)).json).toMatchObject(stored);
    expect((await call("POST", "", document(stored))).status).toBe(200);
    expect((await call("POST", "", document({ ...stored, retention: "P2D" }))).status).toBe(201);
  });

  test("tells every fault with pointer, message and what would be right", async () => {
    const answer = await client()(
      "POST",
      "",
      document({ timeout: 0, extra: 1, steps: [{ stepId: "a", type: "MAPP" }] }),
    );
    expect(answer).toMatchObject({ status: 400, json: { code: "workflows.definition_invalid" } });
    const errors = answer.json.errors as Fields[];
    expect(errors.map(({ pointer }) => pointer).sort()).toEqual(["/extra", "/steps/0/type", "/timeout"]);
    for (const error of errors)
      expect(error).toMatchObject({ message: expect.any(String), expected: expect.any(String) });
  });

  test.each([
    ["an array", []],
    ["a text", '"x"'],
    ["no JSON", "{"],
    ["nothing", ""],
    ["depth", `${'{"a":'.repeat(300)}1${"}".repeat(300)}`],
    ["NUL", '{"workflowId":"a\\u0000"}'],
    ["__proto__", '{"__proto__":{}}'],
    ["a number beyond all", '{"workflowId":"w","name":"n","steps":[{"stepId":"a","type":"DELAY","delay":1e999}]}'],
  ])("refuses %s with 400", async (_name, body) => {
    expect((await client()("POST", "", body)).status).toBe(400);
  });

  test("refuses a body above its limit with 413, and a document above one megabyte with 400", async () => {
    expect((await client()("POST", "", document({ uiComponents: "x".repeat(5_000_000) }))).status).toBe(413);
    expect((await client()("POST", "", document({ uiComponents: "x".repeat(1_100_000) }))).status).toBe(400);
  });
});

describe("POST validate", () => {
  test("answers 200 with faults and warnings, and stores nothing", async () => {
    const call = client();
    expect(await call("POST", "/validate", document({ timeout: 0 }))).toMatchObject({
      status: 200,
      json: { valid: false, errors: [{ pointer: "/timeout" }], warnings: [] },
    });
    const transitions = { conditions: [{ condition: "true", nextStep: "a" }] };
    const steps = [{ stepId: "a", type: "TASK", taskId: "t", transitions }];
    expect(await call("POST", "/validate", document({ steps }))).toMatchObject({
      json: {
        valid: true,
        errors: [],
        warnings: [{ pointer: "/steps/0/transitions" }],
        definition: { workflowId: "order" },
      },
    });
    expect((await call("GET")).json).toEqual({ items: [], nextCursor: null });
  });
});

test("the published schema accepts what is accepted and refuses unknown fields and step types", async () => {
  const { status, json } = await client()("GET", "/schema");
  expect(status).toBe(200);
  const { validate } = compileSchema(json);
  expect(validate(document({ $schema: "x", version: "1.0.0", status: "draft" }))).toEqual([]);
  expect(validate(document({ extra: 1 }))).not.toEqual([]);
  expect(validate(document({ steps: [{ stepId: "a", type: "MAPP" }] }))).not.toEqual([]);
  expect(JSON.stringify(json)).toContain("A CEL expression");
});

describe("reading", () => {
  test("by id, by workflowId, and by workflowId and version", async () => {
    const call = client();
    const { id } = (await call("POST", "", document({ version: "1.0.0" }))).json;
    await call("POST", "", document({ version: "2.0.0", name: "Two" }));
    expect((await call("GET", `/${id}`)).json).toMatchObject({ id, version: "1.0.0", latest: false });
    expect((await call("GET", "/order")).json).toMatchObject({ version: "2.0.0", latest: true });
    expect((await call("GET", "/order?version=1.0.0")).json).toMatchObject({ id });
    for (const path of ["/nothing", "/order?version=3.0.0", `/${id}?version=zzz`]) {
      expect(await call("GET", path)).toMatchObject({ status: 404, json: { code: "workflows.definition_not_found" } });
    }
  });

  test("lists go through cursors and filters", async () => {
    const call = client();
    for (const name of ["A", "B", "C"]) await call("POST", "", document({ name }));
    const first = await call("GET", "?limit=2");
    expect((first.json.items as Fields[]).map(({ name }) => name)).toEqual(["C", "B"]);
    const second = await call("GET", `?limit=2&cursor=${first.json.nextCursor}`);
    expect(second.json).toMatchObject({ items: [{ name: "A" }], nextCursor: null });
    expect((await call("GET", "?latest=true&status=active,draft&name=c")).json.items).toMatchObject([{ name: "C" }]);
    const versions = await call("GET", "/order/versions?limit=1");
    expect(versions.json.items).toMatchObject([{ version: "1.2.0" }]);
    const next = await call("GET", `/order/versions?limit=1&cursor=${versions.json.nextCursor}`);
    expect(next.json.items).toMatchObject([{ version: "1.1.0" }]);
  });

  test.each([
    "?limit=0",
    "?limit=501",
    "?limit=x",
    "?cursor=x",
    "?cursor=IjEi",
    "?status=replaced",
    "?status=",
    "?nope=1",
    "?latest=maybe",
  ])("the list refuses %s with 400", async (query) => {
    expect((await client()("GET", query)).status).toBe(400);
  });
});

describe("changing", () => {
  test("PUT makes a new version of the workflow in its path", async () => {
    const call = client();
    const { id } = (await call("POST", "", document())).json;
    const { workflowId: _, ...rest } = document({ name: "Two" });
    expect(await call("PUT", `/${id}`, rest)).toMatchObject({
      status: 201,
      json: { version: "1.1.0", workflowId: "order" },
    });
    expect(await call("PUT", "/order", rest)).toMatchObject({ status: 200, json: { version: "1.1.0" } });
    expect(await call("PUT", "/order", document({ workflowId: "x" }))).toMatchObject({
      status: 400,
      json: { errors: [{ pointer: "/workflowId", expected: '"order"' }] },
    });
    expect((await call("PUT", "/nothing", document())).status).toBe(404);
  });

  test("a version is deprecated, activated and deleted", async () => {
    const call = client();
    const { id } = (await call("POST", "", document({ status: "draft" }))).json;
    expect(await call("POST", `/${id}/deprecate`)).toMatchObject({ status: 409 });
    expect(await call("POST", `/${id}/activate`)).toMatchObject({
      status: 200,
      json: { status: "active", latest: true },
    });
    expect(await call("POST", "/order/deprecate?version=1.0.0")).toMatchObject({ json: { status: "deprecated" } });
    expect(await call("DELETE", `/${id}`)).toMatchObject({ status: 204 });
    expect((await call("GET", `/${id}`)).status).toBe(404);
    expect((await call("DELETE", `/${id}`)).status).toBe(404);
  });

  test("a version that was used is not deleted", async () => {
    const call = client();
    const { id } = (await call("POST", "", document())).json;
    used.add(String(id));
    expect(await call("DELETE", `/${id}`)).toMatchObject({ status: 409, json: { code: "workflows.definition_used" } });
  });

  test("needs workflows:write; reading and validating do not", async () => {
    const call = client("reader");
    for (const [method, path] of [
      ["POST", ""],
      ["PUT", "/x"],
      ["DELETE", "/x"],
      ["POST", "/x/activate"],
      ["POST", "/x/deprecate"],
    ]) {
      const body = path === "" || method === "PUT" ? document() : undefined;
      expect((await call(method!, path, body)).status).toBe(403);
    }
    expect((await call("GET")).status).toBe(200);
    expect((await call("POST", "/validate", document())).status).toBe(200);
  });
});
