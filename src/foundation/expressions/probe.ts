import fc from "fast-check";
import { compileExpression, ExpressionError } from "./index.ts";

const numbers = Array.from({ length: 100_000 }, (_, i) => i);
const scope = {
  input: numbers,
  text: "a".repeat(200_000),
  other: `${"a".repeat(199_999)}b`,
  wide: Object.fromEntries(numbers.map((n) => [`k${n}`, n])),
  rows: numbers.slice(0, 20000).map((n) => ({ id: n, tags: ["a", "b"], name: "n" + n })),
  x: 1,
};
const leaf = fc.constantFrom(
  "x",
  "input",
  "text",
  "other",
  "1",
  "2.5",
  "'ab'",
  "wide",
  "[x, 1]",
  "{'a': x}",
  "null",
  "input[3]",
  "rows",
  "x.id",
  "timestamp(0)",
  "'(a|b)*a{20}$'",
  "b'ab'",
  "1u",
);
const { node } = fc.letrec((tie) => ({
  node: fc.oneof({ maxDepth: 6 }, leaf, tie("loop"), tie("pair"), tie("call"), tie("method")),
  loop: fc
    .tuple(tie("node"), fc.constantFrom("map", "filter", "all", "exists", "exists_one"), tie("node"))
    .map(([r, m, b]) => `(${r}).${m}(x, ${b})`),
  pair: fc
    .tuple(tie("node"), fc.constantFrom("+", "==", "<", "in", "&&", "||", "*", "%", "!="), tie("node"))
    .map(([l, o, r]) => `(${l} ${o} ${r})`),
  call: fc
    .tuple(
      fc.constantFrom(
        "size",
        "string",
        "isEmpty",
        "exists",
        "type",
        "int",
        "bytes",
        "double",
        "timestamp",
        "duration",
        "dyn",
        "strings.quote",
        "uint",
      ),
      tie("node"),
    )
    .map(([n, a]) => `${n}(${a})`),
  method: fc.oneof(
    fc
      .tuple(
        tie("node"),
        fc.constantFrom(
          "contains",
          "startsWith",
          "matches",
          "split",
          "join",
          "format",
          "indexOf",
          "lastIndexOf",
          "endsWith",
          "getHours",
        ),
        tie("node"),
      )
      .map(([t, n, a]) => `(${t}).${n}(${a})`),
    fc
      .tuple(tie("node"), fc.constantFrom("lowerAscii", "upperAscii", "trim", "size", "join", "getSeconds"))
      .map(([t, n]) => `(${t}).${n}()`),
    fc.tuple(tie("node"), tie("node"), tie("node")).map(([t, a, b]) => `(${t}).replace(${a},${b})`),
    fc.tuple(tie("node"), tie("node")).map(([t, a]) => `(${t})[${a}]`),
  ),
})) as { node: fc.Arbitrary<string> };
const worst: [number, string, string][] = [];
let ok = 0,
  bud = 0,
  err = 0;
const until = Date.now() + 90000;
let n = 0;
while (Date.now() < until) {
  for (const source of fc.sample(node, 200)) {
    n++;
    const a = performance.now();
    let what = "ok";
    try {
      compileExpression(source).evaluate(scope);
      ok++;
    } catch (e) {
      if (!(e instanceof ExpressionError)) {
        console.log("BAD", source, e);
      }
      if (/budget/.test(String(e))) {
        bud++;
        what = "budget";
      } else {
        err++;
        what = "err";
      }
    }
    const ms = performance.now() - a;
    if (ms > 40) {
      let best = ms;
      for (let k = 0; k < 3; k++) {
        const b = performance.now();
        try {
          compileExpression(source).evaluate(scope);
        } catch {}
        best = Math.min(best, performance.now() - b);
      }
      if (best > 35) worst.push([best, source, what]);
    }
  }
}
worst.sort((a, b) => b[0] - a[0]);
console.log(n, ok, bud, err);
for (const w of worst.slice(0, 25)) console.log(w[0].toFixed(0), w[2], w[1].slice(0, 200));
