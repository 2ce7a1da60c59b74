/** The examples of docs/events.md are taken, and answered as it says. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestApp, type TestApp } from "../../test/support/app.ts";

const guide = readFileSync(join(import.meta.dirname, "..", "..", "docs", "events.md"), "utf8");

let program: TestApp;

beforeAll(async () => {
  program = await startTestApp();
});
afterAll(() => program?.stop());

test("what the guide publishes is accepted, and fits the definition that it stores", async () => {
  const yaml = /```yaml\n(eventId: .*?)```/s.exec(guide)?.[1];
  const headers = { "content-type": "application/yaml" };
  const stored = await program.call("POST", "/api/v1/event-definitions", { body: yaml, headers });
  expect(stored).toMatchObject({ status: 201, body: { eventId: "OrderEvents.paid", status: "active" } });
  const sent = [...guide.matchAll(/content-type: (\S+?)" \\\n {2}-d '(.*?)'/g)];
  expect(sent).toHaveLength(2);
  const answers = [];
  for (const [, type, body] of sent) {
    answers.push(await program.call("POST", "/api/v1/events", { body, headers: { "content-type": type! } }));
  }
  expect(answers[0]).toMatchObject({ status: 202, body: { eventId: "payment-4711", status: "accepted" } });
  expect(answers[1]).toMatchObject({ status: 202, body: { eventId: "4711", status: "accepted" } });
});

test("the settings that the guide names are those that there are", async () => {
  const modes = [...guide.matchAll(/^\| `(\w+)`(?: \(default\))? +\| (?:is taken|`400|becomes)/gm)].map(
    ([, mode]) => mode,
  );
  expect(modes).toEqual(["open", "strict", "lenient"]);
  for (const validation of modes) {
    const { status } = await program.call("PUT", "/api/v1/events/settings", { body: { validation }, namespace: "g" });
    expect(status).toBe(200);
  }
});
