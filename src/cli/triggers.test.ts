import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, testKey } from "../../test/support/app.ts";
import { type CommandResult, runCommand } from "../../test/support/command.ts";

let program: TestApp;

const definition = { workflowId: "order", name: "Order", steps: [{ stepId: "a", type: "TASK", taskId: "echo" }] };
const trigger = [
  "name: on-order",
  "definitionId: order",
  "eventPattern: orders.*.paid",
  "eventCondition: payload.total > 0",
  "inputMapping: { orderId: payload.id }",
  "correlationKey: payload.id",
  "",
].join("\n");

beforeAll(async () => {
  program = await startTestApp({ tasks: { echo: (input) => input } });
  const { status } = await program.call("POST", "/api/v1/workflows/definitions", { body: definition });
  expect(status).toBe(201);
  const { code, out } = await millrace("triggers", "create", "-f", await fileOf("on_order.yaml", trigger));
  expect([code, out]).toEqual([0, expect.stringMatching(/^trigger +on-order\n/)]);
});
afterAll(() => program?.stop());

function millrace(...args: string[]): Promise<CommandResult> {
  return runCommand(args, { env: { MILLRACE_URL: program.url, MILLRACE_ADMIN_API_KEY: testKey } });
}

async function fileOf(name: string, text: string): Promise<string> {
  const path = join(program.dataDir, name);
  await writeFile(path, text);
  return path;
}

describe("triggers", () => {
  test("are listed and shown", async () => {
    const { out } = await millrace("triggers", "list", "--workflow", "order");
    expect(out).toMatch(/^TRIGGER +KIND +DOES +WORKFLOW +PATTERN +STATUS +FIRED +LAST +ID\n/);
    expect(out).toMatch(/on-order +event +START +order +orders\.\*\.paid +active +0/);
    expect((await millrace("triggers", "list", "--kind", "webhook", "--name", "on-")).out).toBe("No such triggers.\n");
    const shown = await millrace("triggers", "show", "on-order");
    expect(shown.out).toMatch(/condition +payload\.total > 0\ninput +\{"orderId":"payload\.id"\}/);
  });

  test("that are wrong are told with the place of each fault", async () => {
    const file = await fileOf("wrong.yaml", trigger.replace("orders.*.paid", "orders.*x"));
    const { code, err } = await millrace("triggers", "create", "--file", file);
    expect(code).toBe(3);
    expect(err).toContain("/eventPattern: In the event pattern");
  });

  test("of a webhook are created with an address, and a secret that is shown once", async () => {
    const hook = JSON.stringify({ name: "hook", kind: "webhook", webhook: { verification: "standard" } });
    const made = await millrace("triggers", "create", "-f", await fileOf("hook.json", hook));
    expect(made.out).toMatch(/address +\/api\/v1\/hooks\/[0-9a-f-]+\n/);
    expect(made.out).toMatch(/secret +whsec_\S+ {2}\(it is not shown again\)/);
    expect((await millrace("triggers", "show", "hook")).out).not.toContain("whsec_");
  });

  test("are tried with an event", async () => {
    const fitting = await millrace("triggers", "test", "on-order", "--payload", '{"id":"A-1","total":2}');
    expect(fitting.out).toMatch(/^it would act\n/);
    expect(fitting.out).toMatch(/input +\{"orderId":"A-1"\}\ncorrelation +A-1\n/);
    const other = await millrace(
      "triggers",
      "test",
      "on-order",
      "--pattern",
      "x",
      "--payload",
      '{"id":"A-1","total":0}',
    );
    expect(other.out).toMatch(/^it would not act\n/);
    expect(other.out).toMatch(/pattern +no +The event's name "x" does not fit "orders\.\*\.paid"\.\n/);
    expect(other.out).toMatch(/eventCondition +no +eventCondition is false\.\n/);
  });

  test("are fired, once for a key", async () => {
    const args = ["triggers", "fire", "on-order", "--input", '{"id":"A-7"}', "--key", "k"];
    const first = await millrace(...args);
    expect(first.out).toMatch(/^[0-9a-f-]{36}\n$/);
    expect((await millrace(...args)).out).toBe(`${first.out.trim()} (fired before with this key)\n`);
    expect((await millrace("triggers", "show", "on-order")).out).toMatch(/fired +1, last 20/);
  });

  test("are disabled, enabled and deleted", async () => {
    await millrace("triggers", "create", "-f", await fileOf("going.yaml", trigger.replace("on-order", "going")));
    expect((await millrace("triggers", "disable", "going")).out).toBe("going is disabled\n");
    expect((await millrace("triggers", "fire", "going", "--input", '{"id":"x"}')).err).toContain("going is disabled");
    expect((await millrace("triggers", "enable", "going")).out).toBe("going is enabled\n");
    expect((await millrace("triggers", "delete", "going")).out).toBe("going is deleted\n");
    expect((await millrace("triggers", "show", "going")).code).toBe(4);
  });

  test("are printed as JSON as the API gives them", async () => {
    const { out } = await millrace("triggers", "show", "on-order", "--json");
    expect(JSON.parse(out)).toMatchObject({ name: "on-order", kind: "event", eventPattern: "orders.*.paid" });
  });
});
