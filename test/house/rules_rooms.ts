/** Rooms, doors and arrows: who may import what. */

import type { Rule } from "./rule.ts";
import { isTest, type Source } from "./sources.ts";

/** Which rooms a room may know; "any" is every door. Rooms that are yet to come get their line here first. */
const arrows: Readonly<Record<string, readonly string[] | "any">> = {
  foundation: [],
  engine: ["foundation"],
  auth: ["foundation"],
  tasks: ["foundation", "engine", "auth"],
  workflows: ["foundation", "engine", "auth"],
  cluster: ["foundation", "engine", "auth"],
  events: ["foundation", "engine", "auth"],
  audit: ["foundation", "auth"],
  cli: "any",
};

/** Files outside rooms: the program's map, its door and its start. They may enter every door. */
const housekeepers = ["src/app.ts", "src/millrace.ts", "src/index.ts", "src/main.ts"];

/** The room of a file of `src/`; undefined for files directly in it. */
export function roomOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

function production(sources: readonly Source[]): Source[] {
  return sources.filter(({ path }) => path.startsWith("src/") && !isTest(path));
}

const arrowsPointOneWay: Rule = {
  law: "arrows between rooms point one way",
  check(sources) {
    const faults: string[] = [];
    for (const { path, imports } of production(sources)) {
      const from = roomOf(path);
      if (from === undefined) {
        if (!housekeepers.includes(path))
          faults.push(`${path}: belongs to no room; only ${housekeepers.join(", ")} stand outside`);
        continue;
      }
      const allowed = Object.hasOwn(arrows, from) ? arrows[from] : undefined;
      if (allowed === undefined) {
        faults.push(`${path}: the room "${from}" has no line in the table of arrows`);
        continue;
      }
      for (const { target, specifier, line } of imports) {
        if (target === undefined) continue;
        const to = roomOf(target);
        if (to === from || (to !== undefined && (allowed === "any" || allowed.includes(to)))) continue;
        faults.push(
          `${path}:${line}: imports "${specifier}"; ${from} may know ${allowed === "any" ? "rooms" : allowed.join(", ") || "no room"} only`,
        );
      }
    }
    return faults;
  },
  broken: [
    { "src/engine/a.ts": 'import { x } from "../workflows/index.ts";' },
    { "src/foundation/a.ts": 'import type { X } from "../engine/index.ts";' },
    { "src/audit/a.ts": 'export { x } from "../engine/index.ts";' },
    { "src/engine/a.ts": 'const { x } = await import("../tasks/index.ts");' },
    { "src/workflows/a.ts": 'import { x } from "../app.ts";' },
    { "src/engine/a.ts": 'import { x } from "../../test/support/x.ts";' },
    { "src/stray.ts": "export const x = 1;" },
    { "src/unheard/a.ts": "export const x = 1;" },
  ],
  fine: [
    { "src/tasks/a.ts": 'import { x } from "../engine/index.ts";\nimport { y } from "../foundation/y.ts";' },
    { "src/cli/a.ts": 'import { x } from "../workflows/index.ts";' },
    { "src/app.ts": 'import { x } from "./workflows/index.ts";' },
    { "src/engine/a.test.ts": 'import { x } from "../../test/support/x.ts";' },
  ],
};

/** What others may import of a room: its index. Of foundation: its files, and the index of each of its folders. */
function isDoor(target: string): boolean {
  return /^src\/[^/]+\/index\.ts$/.test(target) || /^src\/foundation\/([^/]+|[^/]+\/index)\.ts$/.test(target);
}

/** A room, or a folder of foundation, which is a room of its own in this. */
function chamberOf(path: string): string {
  return /^src\/(foundation\/[^/]+|[^/]+)\//.exec(path)?.[1] ?? "";
}

const roomsHaveOneDoor: Rule = {
  law: "a room is entered by its index.ts only",
  check(sources) {
    const faults: string[] = [];
    for (const { path, imports } of production(sources)) {
      for (const { target, specifier, line } of imports) {
        if (target === undefined || roomOf(target) === undefined || isDoor(target)) continue;
        const inside =
          chamberOf(path) === chamberOf(target) || (roomOf(path) !== "foundation" && roomOf(path) === roomOf(target));
        if (!inside) faults.push(`${path}:${line}: imports "${specifier}", which is not a door`);
      }
    }
    return faults;
  },
  broken: [
    { "src/tasks/a.ts": 'import { x } from "../engine/task.ts";' },
    { "src/app.ts": 'import { x } from "./engine/task.ts";' },
    { "src/engine/a.ts": 'import { x } from "../foundation/database/client.ts";' },
    { "src/foundation/http/a.ts": 'import { x } from "../database/client.ts";' },
  ],
  fine: [
    { "src/engine/a.ts": 'import { x } from "./machine/x.ts";\nimport { y } from "../foundation/errors.ts";' },
    { "src/foundation/http/a.ts": 'import { x } from "./b.ts";\nimport { y } from "../database/index.ts";' },
  ],
};

const doorsOnlyReexport: Rule = {
  law: "an index.ts only re-exports",
  check(sources) {
    const faults: string[] = [];
    for (const { path, program } of production(sources)) {
      if (!path.endsWith("/index.ts")) continue;
      const own = program.body.filter(
        (node) =>
          node.type !== "ExportAllDeclaration" && !(node.type === "ExportNamedDeclaration" && node.source !== null),
      );
      if (own.length > 0) faults.push(`${path}: holds ${own.length} statements that are no re-exports`);
    }
    return faults;
  },
  broken: [
    { "src/engine/index.ts": 'export { a } from "./a.ts";\nexport const b = 1;' },
    { "src/foundation/http/index.ts": 'import "./effects.ts";' },
  ],
  fine: [
    { "src/engine/index.ts": 'export { a } from "./a.ts";\nexport * from "./b.ts";\nexport type { C } from "./c.ts";' },
  ],
};

const noImportCycles: Rule = {
  law: "imports form no cycles",
  check(sources) {
    const targets = new Map<string, string[]>();
    for (const { path, imports } of sources) {
      if (path.startsWith("src/"))
        targets.set(
          path,
          imports.flatMap(({ target }) => target ?? []),
        );
    }
    const faults: string[] = [];
    const done = new Set<string>();
    const trail: string[] = [];
    const visit = (path: string): void => {
      const at = trail.indexOf(path);
      if (at !== -1) {
        faults.push(`${trail.slice(at).join(" → ")} → ${path}`);
        return;
      }
      if (done.has(path)) return;
      trail.push(path);
      for (const target of targets.get(path) ?? []) if (targets.has(target)) visit(target);
      trail.pop();
      done.add(path);
    };
    for (const path of targets.keys()) visit(path);
    return faults;
  },
  broken: [
    { "src/engine/a.ts": 'import { b } from "./b.ts";', "src/engine/b.ts": 'import type { a } from "./a.ts";' },
    { "src/engine/a.ts": 'import "./a.ts";' },
    {
      "src/engine/a.ts": 'import "./b.ts";',
      "src/engine/b.ts": 'export * from "./c.ts";',
      "src/engine/c.ts": 'await import("./a.ts");',
    },
  ],
  fine: [
    {
      "src/engine/a.ts": 'import "./b.ts";\nimport "./c.ts";',
      "src/engine/b.ts": 'import "./c.ts";',
      "src/engine/c.ts": "",
    },
  ],
};

/** The pure core: the machine, and the words of tasks that it shares with the rest of the engine. */
export function isPureCore(path: string): boolean {
  return !isTest(path) && (path.startsWith("src/engine/machine/") || path === "src/engine/task.ts");
}

/** It may look at what is as pure as it is; at nothing with a clock, a file or a socket. */
const pureCoreMayImport =
  /^src\/(engine\/machine\/|engine\/(task|contract_events)\.ts$|foundation\/(expressions|json_schema)\/index\.ts$|foundation\/(duration|digest)\.ts$)/;

const machineImportsNothingImpure: Rule = {
  law: "the machine imports nothing but its own files, the words of tasks and events, expressions, durations, digests and JSON Schema",
  check(sources) {
    const faults: string[] = [];
    for (const { path, imports } of sources) {
      if (!isPureCore(path)) continue;
      for (const { target, specifier, line } of imports) {
        if (target === undefined || !pureCoreMayImport.test(target))
          faults.push(`${path}:${line}: imports "${specifier}"`);
      }
    }
    return faults;
  },
  broken: [
    { "src/engine/machine/a.ts": 'import { readFile } from "node:fs";' },
    { "src/engine/machine/a.ts": 'import pg from "pg";' },
    { "src/engine/task.ts": 'import { types } from "node:util";' },
    { "src/engine/machine/a.ts": 'import { x } from "../lane.ts";' },
    { "src/engine/machine/a.ts": 'import { x } from "../../foundation/ids.ts";' },
  ],
  fine: [
    {
      "src/engine/machine/a.ts":
        'import { b } from "./b.ts";\nimport { compileExpression } from "../../foundation/expressions/index.ts";\nimport { parseDuration } from "../../foundation/duration.ts";',
      "src/engine/machine/a.test.ts": 'import fc from "fast-check";',
    },
  ],
};

export const roomRules: readonly Rule[] = [
  arrowsPointOneWay,
  roomsHaveOneDoor,
  doorsOnlyReexport,
  noImportCycles,
  machineImportsNothingImpure,
];
