// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the templates under test are written so.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, startTestApp, type TestApp } from "../../../test/support/app.ts";

const path = "/api/v1/workflows/templates";
let program: TestApp;

beforeAll(async () => {
  program = await startTestApp({ tasks: { echo: (input) => input } });
});
afterAll(() => program?.stop());

const greeting = {
  name: "greeting",
  description: "Greets",
  category: "examples",
  parameters: {
    required: ["greeting"],
    properties: {
      greeting: { type: "string", minLength: 1, description: "How to greet.", examples: ["Hello"] },
      times: { type: "integer", minimum: 1, default: 1, description: "How often." },
      timeout: { type: ["string", "integer"], description: "Of the step." },
    },
  },
  templateData: {
    name: "Greet with {{greeting}}",
    steps: [
      {
        stepId: "greet",
        type: "TASK",
        taskId: "echo",
        input: { said: "{{greeting}}, ${input.name}!", times: "{{times}}" },
        timeout: "{{timeout}}",
      },
    ],
  },
};

function post(body: object, namespace?: string): Promise<Answer> {
  return program.call("POST", path, { body, namespace });
}

function instantiate(id: string, body: object, namespace?: string): Promise<Answer> {
  return program.call("POST", `${path}/${encodeURIComponent(id)}/instantiate`, { body, namespace });
}

describe("a template", () => {
  const namespace = "creating";

  test("is created, read by its id and by its name, and says who made it", async () => {
    const { status, headers, body } = await post(greeting, namespace);
    expect(status).toBe(201);
    expect(headers.get("location")).toBe(`${path}/${body.id}`);
    const { warnings, ...view } = body;
    expect(warnings).toEqual([]);
    expect(view).toMatchObject({
      ...greeting,
      namespace,
      version: "1.0.0",
      isActive: true,
      builtin: false,
      createdBy: "admin-setting",
    });
    for (const ref of [body.id, body.id.toUpperCase(), "greeting"]) {
      const read = await program.call("GET", `${path}/${ref}`, { namespace });
      expect(read).toMatchObject({ status: 200, body: view });
    }
    expect((await program.call("GET", `${path}/${body.id}`, { namespace: "elsewhere" })).status).toBe(404);
  });

  test("with the same content again is the same; with other content it is the next version, or refused", async () => {
    const templates = { ...greeting, name: "again" };
    const first = await post(templates, namespace);
    const reordered = JSON.parse(JSON.stringify(templates, Object.keys(flat(templates)).reverse()));
    const again = await post({ ...reordered, category: "other" }, namespace);
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.body).toMatchObject({ id: first.body.id, version: "1.0.0", category: "other", description: "Greets" });
    const other = { ...templates, templateData: { ...templates.templateData, description: "Other" } };
    const next = await post(other, namespace);
    expect(next).toMatchObject({ status: 201, body: { version: "1.1.0" } });
    const refused = await post({ ...other, version: "1.0.0" }, namespace);
    expect(refused).toMatchObject({ status: 409, body: { code: "templates.version_exists" } });
    expect((await post({ ...other, version: "1.1.0" }, namespace)).status).toBe(200);
  });

  test("created twice at once is there once", async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => post({ ...greeting, name: "race" }, namespace)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 201]);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  });

  test("is referred to by its name in the highest active version", async () => {
    const version = (n: string) => ({ ...greeting, name: "versions", version: n, description: n });
    for (const n of ["1.9.0", "1.10.0", "2.0.0-rc.1"]) {
      const templateData = { ...greeting.templateData, description: n };
      expect((await post({ ...version(n), templateData }, namespace)).status).toBe(201);
    }
    const named = async () => (await program.call("GET", `${path}/versions`, { namespace })).body;
    const top = await named();
    expect(top.version).toBe("2.0.0-rc.1");
    await program.call("PATCH", `${path}/${top.id}`, { namespace, body: { isActive: false } });
    expect((await named()).version).toBe("1.10.0");
  });

  test.each<[object, string]>([
    [{ name: "no spaces" }, "/name"],
    [{ version: "one" }, "/version"],
    [{ templateData: { steps: [] } }, "/templateData/steps"],
    [{ templateData: { ...greeting.templateData, name: "{{nobody}}" } }, "/templateData/name"],
    [{ parameters: { properties: { greeting: { type: "text" } } } }, "/parameters/properties/greeting/type"],
    [{ colour: "red" }, "/colour"],
  ])("with %j is refused at %s", async (part, pointer) => {
    const { status, body } = await post({ ...greeting, name: "refused", ...part }, namespace);
    expect(status).toBe(400);
    expect(body.errors.map((error) => error.pointer)).toContain(pointer);
    expect((await program.call("GET", `${path}/refused`, { namespace })).status).toBe(404);
  });

  test("of a built-in one's name is refused", async () => {
    const { status, body } = await post({ ...greeting, name: "saga" }, namespace);
    expect([status, body.code]).toEqual([409, "templates.builtin_fixed"]);
  });

  test("is changed in what does not touch its content", async () => {
    const { body } = await post({ ...greeting, name: "changing" }, namespace);
    const change = (part: object) => program.call("PATCH", `${path}/${body.id}`, { namespace, body: part });
    const changed = await change({ description: null, isActive: false });
    expect(changed.body).toMatchObject({ isActive: false, category: "examples" });
    expect(changed.body.description).toBeUndefined();
    expect((await change({})).body).toEqual(changed.body);
    const refused = await instantiate(body.id, { workflowId: "w", parameters: { greeting: "Hi" } }, namespace);
    expect([refused.status, refused.body.code]).toEqual([409, "templates.template_inactive"]);
    expect((await change({ templateData: {} })).status).toBe(400);
  });

  test("is deleted; what was made of it stays", async () => {
    const { body } = await post({ ...greeting, name: "going" }, namespace);
    const made = await instantiate("going", { workflowId: "stays", parameters: { greeting: "Hi" } }, namespace);
    expect(made.status).toBe(201);
    expect((await program.call("DELETE", `${path}/${body.id}`, { namespace })).status).toBe(204);
    expect((await program.call("DELETE", `${path}/${body.id}`, { namespace })).status).toBe(404);
    const { status } = await program.call("GET", `/api/v1/workflows/definitions/${made.body.id}`, { namespace });
    expect(status).toBe(200);
  });
});

describe("a built-in template", () => {
  test("is in every namespace, under its name, and cannot be changed or deleted", async () => {
    const { status, body } = await program.call("GET", `${path}/poll-until`, { namespace: "anywhere" });
    expect(status).toBe(200);
    expect(body).toMatchObject({ id: "poll-until", name: "poll-until", builtin: true, isActive: true });
    expect(body.namespace).toBeUndefined();
    const change = await program.call("PATCH", `${path}/poll-until`, { body: { isActive: false } });
    const deletion = await program.call("DELETE", `${path}/poll-until`);
    for (const refused of [change, deletion]) {
      expect([refused.status, refused.body.code]).toEqual([409, "templates.builtin_fixed"]);
    }
  });
});

describe("using a template", () => {
  const namespace = "using";
  beforeAll(async () => {
    expect((await post(greeting, namespace)).status).toBe(201);
  });

  test("makes a definition that names it and runs", async () => {
    const { body: template } = await program.call("GET", `${path}/greeting`, { namespace });
    const { status, headers, body } = await instantiate(
      "greeting",
      { workflowId: "hello", parameters: { greeting: "It's ${not} 'code'" } },
      namespace,
    );
    expect(status).toBe(201);
    expect(headers.get("location")).toBe(`/api/v1/workflows/definitions/${body.id}`);
    expect(body).toMatchObject({
      workflowId: "hello",
      name: "Greet with It's ${not} 'code'",
      version: "1.0.0",
      status: "active",
      templateId: template.id,
      createdBy: "admin-setting",
      warnings: [],
    });
    const run = await program.call("POST", "/api/v1/workflows/instances?wait=PT20S", {
      namespace,
      body: { definitionId: "hello", input: { name: "Ada" } },
    });
    expect(run.body).toMatchObject({
      status: "COMPLETED",
      output: { said: "It's ${not} 'code', Ada!", times: 1 },
    });
  });

  test("again changes nothing; with other parameters it is the next version", async () => {
    const use = (parameters: object, more: object = {}) =>
      instantiate("greeting", { workflowId: "twice", parameters, ...more }, namespace);
    const first = await use({ greeting: "Hi" });
    const again = await use({ greeting: "Hi", times: 1 });
    const other = await use({ greeting: "Hi", times: 2, timeout: "PT5S" });
    expect([first.status, again.status, other.status]).toEqual([201, 200, 201]);
    expect(again.body.id).toBe(first.body.id);
    expect(other.body).toMatchObject({ version: "1.1.0", steps: [{ input: { times: 2 }, timeout: "PT5S" }] });
    const draft = await use({ greeting: "Yo" }, { name: "Named", version: "3.0.0", status: "draft" });
    expect(draft.body).toMatchObject({ name: "Named", version: "3.0.0", status: "draft" });
  });

  test("only to see what would come of it stores nothing", async () => {
    const body = { workflowId: "seen", parameters: { greeting: "Hi" }, dryRun: true };
    const { status, body: preview } = await instantiate("greeting", body, namespace);
    expect(status).toBe(200);
    expect(preview).toMatchObject({
      dryRun: true,
      warnings: [],
      definition: { workflowId: "seen", name: "Greet with Hi" },
    });
    expect((await program.call("GET", "/api/v1/workflows/definitions/seen", { namespace })).status).toBe(404);
  });

  test.each<[object, string[]]>([
    [{}, ["/parameters/greeting"]],
    [{ parameters: {} }, ["/parameters/greeting"]],
    [{ parameters: { greeting: "" } }, ["/parameters/greeting"]],
    [
      { parameters: { greeting: 5, times: 0, hue: 1 } },
      ["/parameters/greeting", "/parameters/hue", "/parameters/times"],
    ],
    [{ parameters: { greeting: "Hi", timeout: "soon" } }, ["/parameters/timeout"]],
    [{ parameters: { greeting: "x".repeat(300) } }, ["/parameters/greeting"]],
    [{ parameters: { greeting: "Hi" }, version: "one" }, ["/version"]],
    [{ parameters: { greeting: "Hi" }, workflowId: "a b" }, ["/workflowId"]],
    [{ parameters: { greeting: "Hi" }, status: "old" }, ["/status"]],
    [{ parameters: { greeting: "Hi" }, dryRun: true, version: "one" }, ["/version"]],
  ])("with %j is refused at %j", async (part, pointers) => {
    const { status, body } = await instantiate("greeting", { workflowId: "refused", ...part }, namespace);
    expect(status, JSON.stringify(body)).toBe(400);
    expect(body.errors.map(({ pointer }) => pointer).sort()).toEqual(pointers);
    expect((await program.call("GET", "/api/v1/workflows/definitions/refused", { namespace })).status).toBe(404);
  });

  test("tells a fault that only the definition shows at the parameter that brought it", async () => {
    const actions = [
      { name: "same", task: "echo" },
      { name: "same", task: "echo", input: "steps.nobody.output" },
    ];
    const { status, body } = await instantiate("saga", { workflowId: "refused", parameters: { actions } });
    expect([status, body.code]).toEqual([400, "templates.parameters_invalid"]);
    expect(body.errors.map(({ pointer }) => pointer)).toEqual(
      expect.arrayContaining(["/parameters/actions/1/name", "/parameters/actions/1/input"]),
    );
    expect(body.errors[0]?.message).toMatch(/\(in \/steps\/\S+ of the definition\)$/);
  });

  test("refuses what is no expression by itself", async () => {
    const parameters = { done: "true) || (true" };
    const { status, body } = await instantiate("poll-until", { workflowId: "refused", parameters });
    expect(status).toBe(400);
    expect(body.errors).toMatchObject([{ pointer: "/parameters/done" }]);
  });

  test("that is not there is not found", async () => {
    const { status, body } = await instantiate("nobody", { workflowId: "w" });
    expect([status, body.code]).toEqual([404, "templates.template_not_found"]);
  });

  test("for a version that has instances and other content is refused as any definition", async () => {
    const use = (greetingText: string) =>
      instantiate(
        "greeting",
        { workflowId: "used", version: "1.0.0", parameters: { greeting: greetingText } },
        namespace,
      );
    await use("Hi");
    const body = { definitionId: "used", input: { name: "Ada" } };
    await program.call("POST", "/api/v1/workflows/instances?wait=PT20S", { namespace, body });
    const refused = await use("Ho");
    expect([refused.status, refused.body.code]).toEqual([409, "workflows.version_used"]);
  });
});

describe("the guide's example", () => {
  const namespace = "guide";
  const guide = readFileSync(join(import.meta.dirname, "..", "..", "..", "docs", "templates.md"), "utf8");
  const example = /```yaml\n(# escalation\.yaml\n.*?)```/s.exec(guide)?.[1] ?? "";

  test("is a template, makes what the guide says, and runs", async () => {
    const headers = { "content-type": "application/yaml" };
    const created = await program.call("POST", path, { namespace, body: example, headers });
    expect(created).toMatchObject({ status: 201, body: { warnings: [] } });
    const parameters = { people: [{ name: "ada" }, { name: "grace" }], patience: 20 };
    const { body: made } = await instantiate("escalation", { workflowId: "page", parameters }, namespace);
    const steps = made.steps as { stepId: string; eventCondition?: string; eventTimeout?: object; timeout?: unknown }[];
    expect(steps.map(({ stepId }) => stepId)).toEqual(["ada", "wait-for-ada", "grace", "wait-for-grace"]);
    expect(steps[0]).not.toHaveProperty("timeout");
    expect(steps[1]).toMatchObject({
      eventCondition: 'payload.team == "on-call"',
      eventTimeout: { duration: 20, timeoutHandlerStepId: "grace" },
    });
    expect(steps[3]?.eventTimeout).toEqual({ duration: 20 });
    const run = await program.call("POST", "/api/v1/workflows/instances?wait=PT20S", {
      namespace,
      body: { definitionId: "page", input: { subject: "disk full" } },
    });
    expect(run.body).toMatchObject({ status: "FAILED", error: { code: "TIMEOUT" } });
    expect(run.body.state.steps).toMatchObject({
      grace: { input: { message: "grace, please look at this: disk full" } },
    });
  });

  test("its table of values is true", async () => {
    const rows = [...guide.matchAll(/^\| [^|]+\| `(.*?\{\{a\}\}.*?)` → `(.*?)`/gm)].map(([, from, to]) => [from, to]);
    expect(rows).toHaveLength(5);
    const [plain, compared, literal, text, inside] = rows.map(([from]) => from);
    const steps = [
      {
        stepId: "one",
        name: plain,
        type: "TASK",
        taskId: "echo",
        input: { text, inside },
        outputMapping: { literal },
        transitions: { conditions: [{ condition: compared, nextStep: "one" }] },
      },
    ];
    const properties = { a: { type: "string", default: "it's ${x}" } };
    const body = { name: "values", templateData: { name: "Values", steps }, parameters: { properties } };
    expect(await program.call("POST", path, { namespace, body })).toMatchObject({ status: 201 });
    const { body: made } = await instantiate("values", { workflowId: "values" }, namespace);
    expect(made.steps).toMatchObject([
      {
        name: rows[0]![1],
        input: { text: rows[3]![1], inside: rows[4]![1] },
        outputMapping: { literal: rows[2]![1] },
        transitions: { conditions: [{ condition: rows[1]![1] }] },
      },
    ]);
  });
});

describe("the list", () => {
  const namespace = "listing";
  const names = ["a-one", "b-two", "c-three"];
  let builtins: string[];

  beforeAll(async () => {
    for (const name of names) {
      const category = name === "b-two" ? "batch" : "examples";
      expect((await post({ ...greeting, name, category, isActive: name !== "c-three" }, namespace)).status).toBe(201);
    }
    builtins = (await list("builtin=true&limit=500")).map(({ id }) => id);
  });

  async function list(query: string) {
    const { status, body } = await program.call("GET", `${path}?${query}`, { namespace });
    expect(status, JSON.stringify(body)).toBe(200);
    return body.items;
  }

  test("has the namespace's own, newest first, then the built-in ones by name, page by page", async () => {
    expect(builtins.length).toBeGreaterThanOrEqual(7);
    expect(builtins).toEqual([...builtins].sort());
    for (const limit of [1, 2, 3, 4, 500]) {
      const seen: unknown[] = [];
      let cursor: string | null = "";
      while (cursor !== null) {
        const after: string = cursor === "" ? "" : `&cursor=${cursor}`;
        const { body } = await program.call("GET", `${path}?limit=${limit}${after}`, { namespace });
        expect(body.items.length).toBeLessThanOrEqual(limit);
        seen.push(...body.items.map(({ name }) => name));
        cursor = body.nextCursor;
      }
      expect(seen).toEqual(["c-three", "b-two", "a-one", ...builtins]);
    }
  });

  test("is without documents and parameters", async () => {
    for (const item of await list("limit=500")) {
      expect(item).not.toHaveProperty("templateData");
      expect(item).not.toHaveProperty("parameters");
    }
  });

  test("is narrowed by category, by being active, by a part of the name", async () => {
    const found = async (query: string) => (await list(query)).map(({ name }) => name);
    expect(await found("builtin=false")).toEqual(["c-three", "b-two", "a-one"]);
    expect(await found("category=batch")).toEqual(["b-two", "batch-over-list", "child-per-item"]);
    expect(await found("active=false")).toEqual(["c-three"]);
    expect(await found("active=true&builtin=false")).toEqual(["b-two", "a-one"]);
    expect(await found("name=ON&builtin=false")).toEqual(["a-one"]);
    expect(await found("name=per-")).toEqual(["child-per-item"]);
    expect(await found("name=%25")).toEqual([]);
  });

  test.each([
    ["cursor=bm9wZQ", "/query/cursor"],
    ["limit=0", "/query/limit"],
    ["active=maybe", "/query/active"],
    ["colour=red", "/query/colour"],
  ])("with %s is refused at %s", async (query, pointer) => {
    const { status, body } = await program.call("GET", `${path}?${query}`, { namespace });
    expect(status).toBe(400);
    expect(body.errors[0]?.pointer).toBe(pointer);
  });
});

/** Every name in a value, for the order of `JSON.stringify`. */
function flat(value: unknown): Record<string, true> {
  if (typeof value !== "object" || value === null) return {};
  const inside = Object.entries(value).map(([key, member]) => ({ [key]: true as const, ...flat(member) }));
  return Object.assign({}, ...inside);
}
