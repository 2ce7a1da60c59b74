import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { expect, test } from "vitest";
import type { CommandContext } from "./context.ts";
import { declareCommands } from "./declarations.ts";
import { exitCodes } from "./exit.ts";
import { createTerminal } from "./terminal.ts";

const page = readFileSync(join(import.meta.dirname, "..", "..", "docs", "cli.md"), "utf8");

const nothing = { write: () => true };
const context: CommandContext = {
  terminal: createTerminal({ out: nothing, err: nothing, env: {} }),
  env: {},
  signal: new AbortController().signal,
  stdin: process.stdin,
  startProgram: async () => 0,
  settings: () => {
    throw new Error("no command runs here");
  },
  client: () => Promise.reject(new Error("no command runs here")),
};
const program = declareCommands(context, { version: "1.0.0", end: async () => {} });

/** `instances start`, for every command that does something. */
function leaves(command: Command, path: string[] = []): { name: string; command: Command }[] {
  if (command.commands.length === 0) return [{ name: path.join(" "), command }];
  return command.commands.flatMap((child) => leaves(child, [...path, child.name()]));
}

test.each(leaves(program))("docs/cli.md has the command $name with its arguments and options", ({ name, command }) => {
  const row = page.split("\n").find((line) => line.startsWith(`| \`${name}`));
  expect(row).toBeDefined();
  for (const argument of command.registeredArguments) {
    expect(row).toContain(argument.variadic ? `<${argument.name()}…>` : `<${argument.name()}>`);
  }
  const shared = ["--limit"];
  for (const { long } of command.options) if (!shared.includes(long!)) expect(row).toContain(long);
});

test("docs/cli.md has every exit code, and no other", () => {
  const listed = [...page.matchAll(/^\| (\d+) +\|/gm)].map(([, code]) => Number(code));
  expect(listed).toEqual(Object.values(exitCodes));
});

test("every command says what it does", () => {
  expect(leaves(program).filter(({ command }) => command.description() === "")).toEqual([]);
});
