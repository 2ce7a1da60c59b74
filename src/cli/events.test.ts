import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startTestApp, type TestApp, testKey } from "../../test/support/app.ts";
import { type CommandResult, runCommand } from "../../test/support/command.ts";

let program: TestApp;

beforeAll(async () => {
  program = await startTestApp();
});
afterAll(() => program?.stop());

function millrace(...args: string[]): Promise<CommandResult> {
  return runCommand(args, { env: { MILLRACE_URL: program.url, MILLRACE_ADMIN_API_KEY: testKey } });
}

const json = async (...args: string[]) => JSON.parse((await millrace(...args, "--json")).out);

describe("events", () => {
  test("are published, with all that options say, and shown", async () => {
    const options = ["--event-id", "e1", "--source", "bank", "--correlation-id", "A-1", "--causation-id", "e0"];
    const more = ["--partition-key", "A-1", "--timestamp", "2026-01-31T10:00:00+01:00"];
    const sent = ["events", "publish", "orders.paid", '{"order":"A-1"}', ...options, ...more];
    expect(await millrace(...sent)).toMatchObject({ code: 0, err: "", out: "e1 accepted\n" });
    expect((await millrace(...sent)).out).toBe("e1 duplicate\n");
    const shown = await millrace("events", "show", "e1");
    expect(shown.code).toBe(0);
    for (const line of [
      /^event +orders\.paid e1$/m,
      /^source +external bank$/m,
      /^happened +2026-01-31 09:00:00$/m,
      /^correlation +A-1$/m,
      /^caused by +e0$/m,
      /^partition +A-1$/m,
      /^payload +\{"order":"A-1"\}$/m,
    ])
      expect(shown.out).toMatch(line);
  });

  test("take their payload from a file, and are null without one", async () => {
    const file = join(program.dataDir, "payload.yaml");
    await writeFile(file, "order: A-2\nlines: [1, 2]\n");
    const { eventId } = await json("events", "publish", "orders.sent", `@${file}`);
    expect((await json("events", "show", eventId)).payload).toEqual({ order: "A-2", lines: [1, 2] });
    const bare = await json("events", "publish", "orders.bare");
    expect(await json("events", "show", bare.eventId)).toMatchObject({ payload: null, ledger: { waits: [] } });
  });

  test("that are wrong are refused with the place", async () => {
    const { code, err } = await millrace("events", "publish", "orders.*");
    expect(code).toBe(3);
    expect(err).toContain("/pattern: is no name of an event: * is a wildcard of patterns");
    expect((await millrace("events", "publish", "a.b", "{")).code).toBe(2);
  });

  test("are listed by pattern, correlation and payload", async () => {
    const { out } = await millrace("events", "list", "--pattern", "orders.*", "--correlation-id", "A-1");
    expect(out).toMatch(/^ACCEPTED +PATTERN +CORRELATION +PAYLOAD +EVENT ID\n/);
    expect(out).toMatch(/orders\.paid +A-1 +\{"order":"A-1"\} +e1/);
    expect((await json("events", "list", "--payload", '{"order":"A-2"}')).items).toMatchObject([
      { pattern: "orders.sent" },
    ]);
    expect((await millrace("events", "list", "--event-id", "nothing")).out).toBe("No such events.\n");
    expect((await millrace("events", "list", "--pattern", "*", "--limit", "1", "--from", "2030-01-01")).code).toBe(3);
  });

  test("say what took them", async () => {
    const body = {
      workflowId: "waits",
      name: "Waits",
      steps: [{ stepId: "payment", type: "EVENT_WAIT", eventPattern: "payments.done" }],
    };
    await program.call("POST", "/api/v1/workflows/definitions", { body });
    const { instanceId } = await json("instances", "start", "waits");
    await millrace("events", "publish", "payments.done", "--event-id", "done");
    await vi.waitFor(
      async () => {
        const { body: ledger } = await program.call("GET", "/api/v1/events/done/ledger");
        expect([ledger.routed, ledger.waits]).toMatchObject([true, [{ instanceId }]]);
      },
      { timeout: 20_000, interval: 20 },
    );
    const { out } = await millrace("events", "show", "done");
    expect(out).toMatch(/^AT +TARGET +OUTCOME +WHAT$/m);
    expect(out).toMatch(new RegExp(`wait payment +resumed +instance ${instanceId}`));
    expect((await millrace("events", "show", "nothing")).code).toBe(4);
  });
});

describe("event definitions", () => {
  const text = [
    "eventId: OrderEvents.paid",
    "pattern: orders.paid",
    "version: 1.0.0",
    "sourceTypes: [external]",
    "payloadSchema: { type: object, required: [order] }",
    "examples: [{ order: A-1 }]",
    "",
  ].join("\n");
  let file: string;

  beforeAll(async () => {
    file = join(program.dataDir, "paid.yaml");
    await writeFile(file, text);
  });

  test("are stored from files; what is there already stays unchanged", async () => {
    const created = await millrace("event-definitions", "apply", file);
    expect(created.out).toMatch(/^FILE +EVENT +VERSION +RESULT\n.*paid\.yaml +OrderEvents\.paid +1\.0\.0 +created/);
    expect((await millrace("event-definitions", "apply", file)).out).toMatch(/unchanged/);
  });

  test("are listed", async () => {
    const { out } = await millrace("event-definitions", "list", "--status", "active", "--pattern", "orders.paid");
    expect(out).toMatch(/^EVENT +VERSION +STATUS +PATTERN +SOURCES +ID\n/);
    expect(out).toMatch(/OrderEvents\.paid +1\.0\.0 +active +orders\.paid +external/);
    expect((await json("event-definitions", "list", "--event-id", "nothing")).items).toEqual([]);
  });

  test("that are wrong are told by line and column", async () => {
    const wrong = join(program.dataDir, "wrong.yaml");
    await writeFile(wrong, text.replace("order: A-1", "other: A-1"));
    const { code, err } = await millrace("event-definitions", "apply", wrong);
    expect(code).toBe(3);
    expect(err).toMatch(/wrong\.yaml:6:\d+ +\/examples\/0/);
  });
});
