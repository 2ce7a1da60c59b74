import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
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

describe("sequences", () => {
  test("are created from files, started when asked for, and shown with their members", async () => {
    const file = join(program.dataDir, "series.yaml");
    const text = [
      "name: Series",
      "sequenceId: series",
      "events:",
      "  - pattern: series.a",
      "  - { pattern: series.b, required: false }",
    ];
    await writeFile(file, text.join("\n"));
    const created = await millrace("sequences", "create", "--no-start", file);
    expect([created.code, created.err]).toEqual([0, ""]);
    expect(created.out).toMatch(/series\.yaml +series +created/);
    expect((await millrace("sequences", "list", "--status", "created")).out).toMatch(/series +Series +created/);
    expect((await millrace("sequences", "start", "series")).out).toMatch(/status +in_progress/);
    const status = async () => (await program.call("GET", "/api/v1/event-sequences/series")).body.status;
    await expect.poll(status, { timeout: 10_000 }).toBe("completed");
    const { out } = await millrace("sequences", "get", "series");
    expect(out).toMatch(/0 +1 +series\.a +processed +yes/);
    expect(out).toMatch(/1 +2 +series\.b +processed +no/);
  });

  test("that are wrong are told by line and column", async () => {
    const file = join(program.dataDir, "wrong.yaml");
    await writeFile(file, 'name: Wrong\nevents:\n  - pattern: "a.*"\n');
    const { code, err } = await millrace("sequences", "create", file);
    expect(code).toBe(3);
    expect(err).toContain(`${file}:3:`);
  });

  test("are refused what their status does not allow", async () => {
    const { code, err } = await millrace("sequences", "skip", "series", "--position", "0");
    expect([code, err]).toEqual([expect.any(Number), expect.stringContaining("is completed")]);
    expect(code).not.toBe(0);
  });
});

describe("the queue", () => {
  test("is shown, paused, drained and resumed", async () => {
    const { out } = await millrace("queue");
    expect(out).toMatch(/queue +main-queue\nstatus +active/);
    expect(out).toMatch(/depth +0 of 10000, slowed from 8000 on/);
    expect((await millrace("queue", "pause")).out).toMatch(/status +paused \(by admin-setting\)/);
    expect((await millrace("queue", "drain")).out).toMatch(/status +drained/);
    const { out: json } = await millrace("queue", "resume", "--json");
    expect(JSON.parse(json)).toMatchObject({ status: "active" });
  });

  test("takes other settings, and refuses those that do not go together", async () => {
    const { out } = await millrace("queue", "config", "--max-depth", "500", "--high-watermark", "400");
    expect(out).toMatch(/depth +0 of 500, slowed from 400 on/);
    const { code, err } = await millrace("queue", "config", "--high-watermark", "501");
    expect(code).not.toBe(0);
    expect(err).toContain("at most 500");
  });

  test("writes checkpoints and lists them", async () => {
    expect((await millrace("queue", "checkpoint")).out).toMatch(/: \d+ events routed, the last one /);
    expect((await millrace("queue", "checkpoints")).out).toMatch(/ asked +\d+/);
  });
});
