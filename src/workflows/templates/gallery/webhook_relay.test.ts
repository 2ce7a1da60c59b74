import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openWorkshop, type Workshop } from "../../../../test/support/workshop.ts";

interface Received {
  url: string | undefined;
  body: unknown;
  key: string | string[] | undefined;
  extra: string | string[] | undefined;
}

let workshop: Workshop;
/** What the address was sent; the first calls of a path are answered by these statuses, later ones by 200. */
const received: Received[] = [];
const answers = new Map<string, number[]>();
const server = createServer(async (request, response) => {
  const { url = "", headers } = request;
  received.push({ url, body: await jsonOf(request), key: headers["idempotency-key"], extra: headers["x-extra"] });
  const status = answers.get(url)?.shift() ?? 200;
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ got: url }));
});
let origin: string;

beforeAll(async () => {
  workshop = await openWorkshop({}, { allowPrivateAddresses: true });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await workshop?.stop();
});

async function jsonOf(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
}

const sentTo = (path: string) => received.filter(({ url }) => url === path);
const quick = { initialInterval: 10, maxInterval: 20 };

describe("webhook-relay", () => {
  test("tries again while the address is not well, each time with the same key", async () => {
    answers.set("/shaky", [503, 429]);
    const workflowId = await workshop.use("webhook-relay", {
      ...{ url: `${origin}/shaky`, headers: { "X-Extra": "yes ${no}" }, body: "{'wrapped': input}", ...quick },
    });
    const { status, output } = await workshop.run(workflowId, { n: 1 });
    expect({ status, output }).toEqual({ status: "COMPLETED", output: { status: 200, body: { got: "/shaky" } } });
    const calls = sentTo("/shaky");
    expect(calls.map(({ body, extra }) => ({ body, extra }))).toEqual(
      Array.from({ length: 3 }, () => ({ body: { wrapped: { n: 1 } }, extra: "yes ${no}" })),
    );
    expect(new Set(calls.map(({ key }) => key)).size).toBe(1);
  });

  test("gives up at once when the address refuses, and after the last try when it never gets well", async () => {
    answers.set("/refusing", [400]);
    answers.set("/ill", [500, 500, 500]);
    const refusing = await workshop.use("webhook-relay", { url: `${origin}/refusing`, ...quick });
    expect(await workshop.run(refusing)).toMatchObject({ status: "FAILED", error: { code: "HTTP_400" } });
    const ill = await workshop.use("webhook-relay", { url: `${origin}/ill`, maxAttempts: 3, ...quick });
    expect(await workshop.run(ill)).toMatchObject({ status: "FAILED", error: { code: "HTTP_500" } });
    expect([sentTo("/refusing").length, sentTo("/ill").length]).toEqual([1, 3]);
  });

  test("relays what a webhook is called with, once for each delivery", async () => {
    const definitionId = await workshop.use("webhook-relay", { url: `${origin}/relayed`, ...quick });
    const { call, url } = workshop.program;
    const webhook = { verification: "secret", secret: "a-token-of-some-length", eventId: "payload.id" };
    const { body } = await call("POST", "/api/v1/workflow-triggers", {
      body: { name: "relay", kind: "webhook", definitionId, webhook },
    });
    const headers = { "content-type": "application/json", "x-webhook-token": webhook.secret };
    const deliver = async (id: string) => {
      const sent = { method: "POST", headers, body: JSON.stringify({ id, said: "hello" }) };
      expect((await fetch(`${url}/api/v1/hooks/${body.id}`, sent)).status).toBeLessThan(300);
    };
    for (const id of ["d-1", "d-1", "d-2"]) await deliver(id);
    await expect.poll(() => sentTo("/relayed").length, { timeout: 20_000 }).toBe(2);
    const bodies = sentTo("/relayed").map((one) => one.body);
    expect(bodies).toEqual(
      expect.arrayContaining([
        { id: "d-1", said: "hello" },
        { id: "d-2", said: "hello" },
      ]),
    );
  });
});
