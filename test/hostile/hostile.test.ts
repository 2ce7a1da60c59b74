/** Whatever is sent to whatever route: a sensible status, a problem document for a refusal, and a node that lives on. */
import http from "node:http";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { publishedSchema } from "../../src/workflows/index.ts";
import { startTestApp, type TestApp, testKey } from "../support/app.ts";
import { goodBodies } from "./good_bodies.ts";
import { type HostileRequest, hostileRequest, type Route, routesOf } from "./requests.ts";

const definitions = "/api/v1/workflows/definitions";
const instances = "/api/v1/workflows/instances";
const templates = "/api/v1/workflows/templates";
const triggers = "/api/v1/workflow-triggers";
const schedules = "/api/v1/schedules";
const requests = 4_000;
const longestAnswerMs = 10_000;

let program: TestApp;
let agent: http.Agent;
let routes: Route[];
let existing: string[];
let ended: string[];
let named: Record<string, string[]>;
let root: Record<string, unknown>;

beforeAll(async () => {
  program = await startTestApp({ tasks: { echo: (input) => input } });
  agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  const document = await (await fetch(`${program.url}/api/v1/openapi.json`)).json();
  root = document as Record<string, unknown>;
  routes = routesOf(document as Parameters<typeof routesOf>[0]);
  const steps = [{ stepId: "only", type: "TASK", taskId: "echo" }];
  const created = await program.call("POST", definitions, { body: { workflowId: "double", name: "Double", steps } });
  const waits = [
    { stepId: "wait", type: "EVENT_WAIT", eventPattern: "a.*", transitions: { default: "only" } },
    ...steps,
  ];
  await program.call("POST", definitions, { body: { workflowId: "waits", name: "Waits", steps: waits } });
  const over = await program.call("POST", `${instances}?wait=PT20S`, { body: { definitionId: "double", input: 1 } });
  ended = [over.body.instanceId];
  const [template] = goodBodies(templates);
  const trap = await program.call("POST", templates, { body: template });
  expect(trap.status, JSON.stringify(trap.body)).toBe(201);
  for (const path of ["/api/v1/event-definitions", "/api/v1/events"]) {
    const [body] = goodBodies(path);
    expect((await program.call("POST", path, { body })).status).toBeLessThan(300);
  }
  existing = ["double", "waits", "victim", created.body.id, "Trap", "trap-1"];
  const hooks: string[] = [];
  for (const body of goodBodies(triggers)) {
    const made = await program.call("POST", triggers, { body });
    expect(made.status, JSON.stringify(made.body)).toBe(201);
    hooks.push(made.body.id);
  }
  const scheduleRefs: string[] = [];
  for (const body of goodBodies(schedules)) {
    const schedule = await program.call("POST", schedules, { body });
    expect(schedule.status, JSON.stringify(schedule.body)).toBe(201);
    scheduleRefs.push(schedule.body.id, schedule.body.name as string);
  }
  named = {
    "/schedules": scheduleRefs,
    "/templates": [trap.body.id, "trap", "second-trap", "poll-until", "saga"],
    "/workflow-triggers": ["trap-trigger", "trap-hook", "trap-cancel", "trap-hand", ...hooks],
    "/hooks/": hooks,
    ...(await subscribers()),
  };
  // Many, for a cancel ends one.
  for (let n = 0; n < 60; n++) {
    const asleep = await program.call("POST", instances, { body: { definitionId: "waits", input: n } });
    existing.push(asleep.body.instanceId);
  }
});
afterAll(async () => {
  agent.destroy();
  await program.stop();
});

/** Subscriptions, replays and dead letters. */
async function subscribers(): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = { "/subscriptions": [], "/replays": [], "/dead-letters": [] };
  for (const path of ["/subscriptions", "/replays"]) {
    for (const body of goodBodies(`/api/v1${path}`)) {
      const { status, body: made } = await program.call("POST", `/api/v1${path}`, { body });
      expect(status, JSON.stringify(made)).toBeLessThan(300);
      if (made.id !== undefined) found[path]!.push(made.id);
    }
  }
  const rows = await program.app.db.unnamed<{ id: string }>(
    `insert into event_processing_service.dead_letter_queue
       (id, namespace, event_id, subscriber_id, original_event, error_message, error_type, error_code)
     select gen_random_uuid(), 'default', gen_random_uuid()::text, who, '{"pattern":"a.b","payload":1}', 'No', 'VALIDATION', 'X'
     from unnest('{intake,intake,intake,trigger:x,subscription:y,sequence:z}'::text[]) who returning id`,
  );
  found["/dead-letters"] = rows.map(({ id }) => id);
  return found;
}

interface Answer {
  status: number;
  type: string;
  text: string;
}

/** Sends exactly these bytes. A stream of events is left as soon as it has begun. */
function send({ method, path, headers, body }: HostileRequest): Promise<Answer> {
  const { hostname, port } = new URL(program.url);
  return new Promise((resolve, reject) => {
    const request = http.request(
      { agent, hostname, port, method, path, headers: { ...headers, "content-length": String(body?.length ?? 0) } },
      (response) => {
        const type = response.headers["content-type"] ?? "";
        const answer = (text: string) => resolve({ status: response.statusCode ?? 0, type, text });
        if (type.startsWith("text/event-stream")) {
          response.destroy();
          answer("");
          return;
        }
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        response.once("end", () => answer(text));
        response.once("error", reject);
      },
    );
    request.setTimeout(longestAnswerMs, () => request.destroy(new Error(`no answer within ${longestAnswerMs} ms`)));
    request.once("error", (error) => {
      // A body that is too large is refused while it is still being sent; the refusal was read, or the line was cut.
      if ("code" in error && (error.code === "EPIPE" || error.code === "ECONNRESET")) {
        resolve({ status: 413, type: "application/problem+json", text: '{"status":413,"code":"http.body_too_large"}' });
      } else reject(error);
    });
    request.end(body);
  });
}

test("the OpenAPI document names the routes that are attacked", () => {
  const names = routes.map(({ method, template }) => `${method} ${template}`);
  expect(names).toContain(`POST ${instances}`);
  expect(names).toContain(`POST ${instances}/{id}/signal`);
  expect(names).toContain(`POST ${instances}/{id}/restart`);
  expect(names).toContain(`POST ${instances}/bulk`);
  expect(names).toContain(`POST ${instances}/batch`);
  expect(names).toContain(`POST ${definitions}`);
  expect(names).toContain(`POST ${templates}/{id}/instantiate`);
  expect(names).toContain(`POST ${triggers}/{id}/fire`);
  expect(names).toContain("POST /api/v1/hooks/{triggerId}");
  expect(names).toContain("GET /api/v1/nodes");
  expect(names).toContain("POST /api/v1/events");
  expect(names.length).toBeGreaterThanOrEqual(33);
});

test(`${requests} hostile requests are answered below 500, every refusal by a problem document`, async () => {
  const statuses = new Map<number, number>();
  const aim = { routes, root, definition: publishedSchema(), existing, named, ended, key: testKey };
  const property = fc.asyncProperty(hostileRequest(aim), async (request) => {
    const { status, type, text } = await send(request);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    expect(status, text).toBeLessThan(500);
    if (status < 400 || request.method === "HEAD") return;
    expect(type).toContain("application/problem+json");
    const problem = JSON.parse(text);
    expect(problem.status).toBe(status);
    expect(problem.code).toMatch(/^[a-z_]+\.[a-z_]+$/);
  });
  await fc.assert(property, { numRuns: requests, endOnFailure: false });
  // The attack reaches what lies behind the checks, not only the checks: each of these comes a dozen times and more.
  expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 201, 202, 400, 401, 404, 405, 409, 415]));
}, 240_000);

test("no instance was left lying because the engine could not go on with it", async () => {
  const parked = await program.app.db.unnamed(
    "select i.id, i.parked from workflow_orchestrator_service.workflow_instances i where i.parked is not null",
  );
  expect(parked).toEqual([]);
});

test("the node is as well as before", async () => {
  expect(await (await fetch(`${program.url}/health`)).json()).toEqual({ status: "ok" });
  const { status, body } = await program.call("POST", `${instances}?wait=PT20S`, {
    body: { definitionId: "double", version: "1.0.0", input: { well: true } },
  });
  expect(status).toBe(201);
  expect(body).toMatchObject({ status: "COMPLETED", output: { well: true } });
});
