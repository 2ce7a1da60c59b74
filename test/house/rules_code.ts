/** Rules about what is written inside files. */

import type { Rule } from "./rule.ts";
import { isPureCore } from "./rules_rooms.ts";
import { isQueries, isTest, lineAt, type Source } from "./sources.ts";
import { isNode, memberOf, nameOf, type SyntaxNode, textOf, walk } from "./walk.ts";

/** Every node that `fault` has something to say about. */
function eachNode(
  sources: readonly Source[],
  fault: (node: SyntaxNode, source: Source) => string | undefined,
): string[] {
  const faults: string[] = [];
  for (const source of sources) {
    walk(source.program, (node) => {
      const found = fault(node, source);
      if (found !== undefined) faults.push(`${source.path}:${lineAt(source.text, node.start)}: ${found}`);
    });
  }
  return faults;
}

/** How statements begin. Transaction control, LISTEN and SET belong to the database access and are not looked for. */
const sqlBeginnings = [
  /^select\s+(.*\sfrom\s|[\w.]+\s*\(|\$?\d)/is,
  /^insert\s+into\s+\S+/i,
  /^update\s+\S+(\s+(as\s+)?\w+)?\s+set\s/i,
  /^delete\s+from\s+\S+/i,
  /^with\s+(recursive\s+)?\w+(\s*\([^)]*\))?\s+as\s+((not\s+)?materialized\s+)?\(/i,
  /^merge\s+into\s/i,
  /^(create|alter|drop)\s+(or\s+replace\s+)?(unlogged\s+|temp\w*\s+)?(table|index|unique|schema|database|role|function|view|type|extension|sequence|trigger)\s/i,
  /^truncate\s+(table\s+)?[\w.]+/i,
  /^copy\s+\S+.*\s(from|to)\s/is,
  /^lock\s+table\s/i,
];

const sqlLivesInQueries: Rule = {
  law: "SQL text stands in queries files only",
  check(sources) {
    const house = sources.filter(({ path }) => path.startsWith("src/") && !isTest(path) && !isQueries(path));
    return eachNode(house, (node) => {
      const text = textOf(node)
        ?.trimStart()
        .replace(/^(--[^\n]*\n\s*|\/\*.*?\*\/\s*)+/s, "");
      if (text === undefined || !sqlBeginnings.some((beginning) => beginning.test(text))) return undefined;
      return `SQL: ${text.slice(0, 60).replaceAll(/\s+/g, " ")}`;
    });
  },
  broken: [
    { "src/engine/a.ts": 'db.unnamed("select id from t");' },
    { "src/engine/a.ts": `db.unnamed(\`\n  -- why\n  insert into \${table} values (1)\`);` },
    { "src/engine/a.ts": 'const text = "UPDATE a.b AS t SET x = 1";' },
    { "src/engine/a.ts": 'const text = "with due as materialized (select 1) delete from t";' },
    { "src/engine/a.ts": 'const text = "select millrace.flush($1)";' },
    { "src/engine/a.ts": 'const text = "create unlogged table t (a int)";' },
  ],
  fine: [
    { "src/engine/queries.ts": 'const text = "select 1 from t";' },
    { "src/engine/queries/claim.ts": 'const text = "delete from t";' },
    { "src/engine/a.test.ts": 'const text = "delete from t";' },
    {
      "src/engine/a.ts": 'const text = "Select one of these"; const more = "update available"; const x = "delete it";',
    },
    { "src/foundation/database/connection.ts": 'const text = "begin"; const next = "listen " + channel;' },
  ],
};

const statementsAreDeclaredInQueries: Rule = {
  law: "statements are declared in queries files, under a constant name",
  check(sources) {
    const house = sources.filter(({ path }) => path.startsWith("src/") && !isTest(path));
    return eachNode(house, (node, { path }) => {
      if (node.type !== "CallExpression" || nameOf(node.callee) !== "statement" || !Array.isArray(node.arguments))
        return undefined;
      if (!isQueries(path)) return "declares a statement outside a queries file";
      const name: unknown = node.arguments[0];
      if (!isNode(name) || name.type !== "Literal") return "declares a statement whose name is not a literal";
      const text: unknown = node.arguments[1];
      // What reaches the program counts; inside, a lateral `select *` only passes columns on.
      const isOpen = isNode(text) && /^\s*select\s+\*|\breturning\s+\*/i.test(textOf(text) ?? "");
      return isOpen ? "gives every column there is; name those that are read" : undefined;
    });
  },
  broken: [
    { "src/engine/a.ts": 'export const q = statement("engine.a", "select 1");' },
    { "src/engine/queries.ts": 'export const q = statement("engine." + name, "select 1");' },
    { "src/engine/queries.ts": 'export const q = statement("engine.a", "select * from t");' },
    { "src/engine/queries.ts": 'export const q = statement("engine.a", "delete from t returning *");' },
  ],
  fine: [{ "src/engine/queries.ts": `export const q = statement("engine.a", \`select \${columns} from t\`);` }],
};

const typesAreKept: Rule = {
  law: "nothing escapes the types: no any, no @ts-ignore, no cast through unknown",
  check(sources) {
    const faults = eachNode(sources, (node) => {
      if (node.type === "TSAnyKeyword") return "any";
      if (node.type !== "TSAsExpression") return undefined;
      let inner: unknown = node.expression;
      while (isNode(inner) && inner.type === "ParenthesizedExpression") inner = inner.expression;
      const viaUnknown =
        isNode(inner) &&
        inner.type === "TSAsExpression" &&
        isNode(inner.typeAnnotation) &&
        inner.typeAnnotation.type === "TSUnknownKeyword";
      return viaUnknown ? "as unknown as" : undefined;
    });
    for (const { path, text, comments } of sources) {
      for (const { value, start } of comments) {
        const directive = /^[\s*/]*@ts-(ignore|nocheck|expect-error)/.exec(value);
        if (directive) faults.push(`${path}:${lineAt(text, start)}: @ts-${directive[1]}`);
      }
    }
    return faults;
  },
  broken: [
    { "src/engine/a.ts": "const x: any = 1;" },
    { "test/a.test.ts": "function f(x: Record<string, any[]>) {}" },
    { "scripts/a.ts": "const x = (y as unknown) as string;" },
    { "src/engine/a.ts": "const x = y as unknown as string;" },
    { "src/engine/a.ts": "// @ts-ignore\nf(1);" },
    { "src/engine/a.ts": "/* @ts-expect-error */ f(1);" },
  ],
  fine: [
    {
      "src/engine/a.ts":
        '// Not any of them.\nconst any = expect.any(Date); const x = y as unknown; const z = "as unknown as";',
    },
  ],
};

const maxLines = 450;

const filesAreShort: Rule = {
  law: `no file has more than ${maxLines} lines`,
  check: (sources) =>
    sources.flatMap(({ path, text }) => {
      const lines = text.trimEnd().split("\n").length;
      return lines > maxLines ? [`${path}: ${lines} lines`] : [];
    }),
  broken: [{ "src/engine/a.ts": `${"\n".repeat(maxLines)}f();\n` }],
  fine: [{ "src/engine/a.ts": `${"\n".repeat(maxLines - 1)}f();\n` }],
};

const emptyWords = /(Service|Manager|Helper|Helpers|Util|Utils|Base)$|^(Base|Abstract)[A-Z]/;

const namesSaySomething: Rule = {
  law: "no exported name and no file ends in Service, Manager, Helper, Util or Base",
  check: (sources) =>
    sources.flatMap(({ path, exports }) => {
      const faults = exports
        .filter(({ name }) => emptyWords.test(name))
        .map(({ name, line }) => `${path}:${line}: exports "${name}"; say what it is`);
      if (/(service|manager|helper|util|base_class)s?(\.test)?\.ts$/.test(path))
        faults.push(`${path}: the file's name says nothing`);
      return faults;
    }),
  broken: [
    { "src/engine/a.ts": "export class LeaseManager {}" },
    { "src/engine/a.ts": "export const dateUtils = {};" },
    { "src/engine/a.ts": "export interface AbstractStep {}" },
    { "src/engine/utils.ts": "export const x = 1;" },
  ],
  fine: [{ "src/engine/database.ts": "export class Database {}\nexport const serviceName = 1;\nclass Inner {}" }],
};

const everyTestRuns: Rule = {
  law: "no test is skipped or runs alone",
  check: (sources) =>
    eachNode(
      sources.filter(({ path }) => isTest(path)),
      (node) => {
        const [subject, manner] = memberOf(node) ?? [];
        if (!["it", "test", "describe", "suite"].includes(subject ?? "")) return undefined;
        return ["only", "skip", "todo", "fails"].includes(manner ?? "") ? `${subject}.${manner}` : undefined;
      },
    ),
  broken: [
    { "src/a.test.ts": 'it.only("x", f);' },
    { "src/a.test.ts": 'describe.skip.each([1])("x", f);' },
    { "src/a.test.ts": 'test.todo("x");' },
  ],
  fine: [{ "src/a.test.ts": 'test.each([1])("only skip", f); list.skip(1); describe("x", g);' }],
};

/** Whatever gives another answer the second time. `new Date(text)` is pure, `new Date()` is not. */
const impureMembers: Readonly<Record<string, readonly string[] | "all">> = {
  Date: ["now"],
  Math: ["random"],
  performance: "all",
  crypto: "all",
  process: "all",
  console: "all",
};
const impureCalls = ["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "fetch"];

const machineIsPure: Rule = {
  law: "the machine reads no clock, no chance and no process",
  check: (sources) =>
    eachNode(
      sources.filter(({ path }) => isPureCore(path)),
      (node) => {
        const [object, property] = memberOf(node) ?? [];
        if (object !== undefined && property !== undefined && Object.hasOwn(impureMembers, object)) {
          const members = impureMembers[object];
          if (members === "all" || members?.includes(property)) return `${object}.${property}`;
        }
        if (node.type === "CallExpression" && impureCalls.includes(nameOf(node.callee) ?? ""))
          return nameOf(node.callee);
        const isNow =
          node.type === "NewExpression" &&
          nameOf(node.callee) === "Date" &&
          Array.isArray(node.arguments) &&
          node.arguments.length === 0;
        if (isNow) return "new Date()";
        return node.type === "AwaitExpression" ? "await" : undefined;
      },
    ),
  broken: [
    { "src/engine/machine/a.ts": "const x = Date.now();" },
    { "src/engine/machine/a.ts": "const x = new Date();" },
    { "src/engine/machine/a.ts": "const x = Math.random();" },
    { "src/engine/machine/a.ts": "const x = performance.now();" },
    { "src/engine/machine/a.ts": "setTimeout(f, 1);" },
    { "src/engine/machine/a.ts": "const x = process.env.HOME;" },
    { "src/engine/machine/a.ts": "async function f() { await g(); }" },
  ],
  fine: [
    { "src/engine/machine/a.ts": "const x = new Date(text); const y = Math.max(1, 2); const z = Date.parse(text);" },
    { "src/engine/machine/a.test.ts": "const x = Date.now();" },
  ],
};

export const codeRules: readonly Rule[] = [
  sqlLivesInQueries,
  statementsAreDeclaredInQueries,
  typesAreKept,
  filesAreShort,
  namesSaySomething,
  everyTestRuns,
  machineIsPure,
];
