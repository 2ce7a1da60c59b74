import { expect, test } from "vitest";
import { createLogger, type LoggerOptions } from "./log.ts";

function linesOf(options: Omit<LoggerOptions, "destination">): {
  lines: string[];
  log: ReturnType<typeof createLogger>;
} {
  const lines: string[] = [];
  return { lines, log: createLogger({ ...options, destination: { write: (line) => void lines.push(line) } }) };
}

test("a message is one line of JSON with time, level and facts", () => {
  const { lines, log } = linesOf({ level: "info" });
  log.info({ shard: 3 }, "shard acquired");
  log.debug("not shown");
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { level: "info", time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/), shard: 3, msg: "shard acquired" },
  ]);
});

test("an error keeps its code, message, stack and cause", () => {
  const { lines, log } = linesOf({ level: "info" });
  const cause = new Error("the line was cut");
  log.error({ err: Object.assign(new Error("flush failed", { cause }), { code: "08006" }) }, "trouble");
  const [line] = lines.map((text) => JSON.parse(text));
  expect(line.err).toMatchObject({ code: "08006", message: expect.stringContaining("flush failed") });
  expect(line.err.stack).toContain("the line was cut");
});

test("secrets do not reach the log", () => {
  const { lines, log } = linesOf({ level: "info" });
  log.info({ apiKey: "hunter2", headers: { authorization: "Bearer hunter2" }, settings: { password: "hunter2" } }, "x");
  expect(lines.join()).not.toContain("hunter2");
  expect(lines.join()).toContain("[hidden]");
});

test("readable lines carry the same facts for people", async () => {
  const { lines, log } = linesOf({ level: "info", pretty: true });
  log.warn({ shard: 3, err: new Error("the line was cut") }, "trouble");
  const text = lines.join("");
  expect(text).toMatch(/\d\d:\d\d:\d\d\.\d{3}.*warn.*trouble.*shard=3/);
  expect(text).toMatch(/Error: the line was cut\n\s+at /);
});
