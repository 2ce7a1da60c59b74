// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the templates under test are written so.
/** The report as it is meant: a schedule starts it, it gathers from a server, and publishes. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp } from "../../../../test/support/app.ts";
import { instanceCalls } from "../../../../test/support/instances.ts";
import { scheduleCalls } from "../../../../test/support/schedules.ts";

let program: TestApp;
let server: Server;
const published: unknown[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === "/gone") response.writeHead(404).end();
    else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ at: request.url, n: 3 }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const tasks = { publish: (input: unknown) => ({ place: published.push(input) }) };
  program = await startTestApp({ tasks, settings: { allowPrivateAddresses: true } });
});
afterAll(async () => {
  await program?.stop();
  server?.close();
});

test("a schedule starts the report, which gathers, formats and publishes", async () => {
  const { port } = server.address() as AddressInfo;
  const url = (path: string) => `http://127.0.0.1:${port}/${path}`;
  const made = await program.call("POST", "/api/v1/workflows/templates/scheduled-report/instantiate", {
    body: {
      workflowId: "daily",
      parameters: {
        sources: ["orders", "gone", "stock"].map((name) => ({ name, url: url(name) })),
        publishTask: "publish",
        toleratedFailures: 1,
      },
    },
  });
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  const schedules = scheduleCalls(program);
  const id = await schedules.create({
    name: "daily-report",
    targetId: "daily",
    cronExpression: "30 6 * * *",
    timezone: "Asia/Kathmandu",
    input: { day: "${schedule.localDate}" },
  });
  // Yesterday's.
  const until = Date.parse((await schedules.get(id)).nextPlannedAt as string) - 1;
  const from = new Date(until - 24 * 3_600_000).toISOString();
  await schedules.post(id, "backfill", { from, until: new Date(until).toISOString() });
  const [occurrence] = await schedules.untilTheyAre(id, ["fired"]);
  const instances = instanceCalls(program);
  await instances.untilItIs("COMPLETED", occurrence!.instanceId!);

  const day = new Date(Date.parse(occurrence!.plannedAt) + 345 * 60_000).toISOString().slice(0, 10);
  const sources = ["orders", "stock"].map((name) => ({ name, body: { at: `/${name}`, n: 3 } }));
  const report = { title: `Report of ${day}`, sources };
  expect((await instances.get(occurrence!.instanceId!)).output).toEqual(report);
  expect(published).toEqual([{ message: report }]);
});
