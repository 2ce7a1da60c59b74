/** Compiled expressions: made once from their text, then evaluated as often as wanted. */
import { refillBudget } from "./budget.ts";
import { compileNode } from "./compile.ts";
import type { Run, Scope } from "./compiling.ts";
import { asExpressionError, Fault } from "./errors.ts";
import { openLibrary } from "./library.ts";
import type { Dialect } from "./operators.ts";
import { toJson } from "./output.ts";
import { recentlyUsed } from "./recent.ts";
import { equalityTerms, type References, referencesOf } from "./references.ts";
import { maxSourceLength, refuseStepPaths, type Scan, scanSource } from "./source.ts";
import { type Node, readSyntax } from "./syntax.ts";
import { typeName, type Value } from "./values.ts";

export interface Expression {
  readonly source: string;
  readonly references: References;
  /**
   * The JSON value for this scope. Parts of the scope are handed on by reference. Throws `ExpressionError` when the
   * expression fails or spends its budget; synchronous, bounded in time, and without side effects.
   */
  evaluate(scope: Scope): unknown;
}

export interface ExpressionOptions {
  /** The name that `$` stands for: `$.a.b` is `payload.a.b` under `"payload"`. Without it a `$` is refused. */
  pathRoot?: string;
  /** The known steps: `steps.reserve-stock.output` is then refused with the form to write. */
  stepIds?: Iterable<string>;
}

/** An expression on its way: what templates and conformance tests run. */
export interface Program {
  readonly source: string;
  readonly root: Node;
  readonly scan: Scan;
  readonly references: References;
  /** The value under the budget of the caller. Throws faults. */
  run(scope: Scope): Value;
}

const json: Dialect = { name: "json", library: openLibrary() };
const programs = recentlyUsed<Program>(5_000);
const trees = new WeakMap<Expression, Node>();

/** Compiles in a dialect, without the cache. Throws `ExpressionError`. */
export function compileProgram(source: string, dialect: Dialect, pathRoot?: string): Program {
  try {
    if (source.length > maxSourceLength) {
      throw new Fault(`the expression has ${source.length} characters, more than ${maxSourceLength}`, {
        expected: "do this in a task",
      });
    }
    const { root, scan } = readSyntax(source, pathRoot);
    return programOf(root, { source, scan, dialect });
  } catch (thrown) {
    throw asExpressionError(thrown, source);
  }
}

function programOf(root: Node, parts: { source: string; scan: Scan; dialect: Dialect }): Program {
  const frame = { size: 0 };
  refillBudget();
  const compiled: Run = compileNode(root, { dialect: parts.dialect, locals: new Map(), frame, compile: compileNode });
  const { source, scan } = parts;
  const run = frame.size === 0 ? compiled : (scope: Scope) => compiled(scope, new Array(frame.size));
  return { source, root, scan, references: referencesOf(root), run: (scope) => run(scope, noFrame) };
}

const noFrame: Value[] = [];

/** Compiles a JSON expression, or finds it among the last used. Throws `ExpressionError`. */
export function cachedProgram(source: string, options: ExpressionOptions = {}): Program {
  const key = `${options.pathRoot ?? ""}\n${source}`;
  const known = programs.get(key);
  // Before the parser, which may not even read such a path: `steps.2nd`.
  if (options.stepIds !== undefined) refuseStepPathsIn(source, known?.scan, options.stepIds);
  const program = known ?? compileProgram(source, json, options.pathRoot);
  if (known === undefined) programs.set(key, program);
  return program;
}

function refuseStepPathsIn(source: string, scan: Scan | undefined, stepIds: Iterable<string>): void {
  try {
    refuseStepPaths(scan ?? scanSource(source), stepIds);
  } catch (thrown) {
    throw asExpressionError(thrown, source);
  }
}

/** Compiles an expression, or finds it among those lately used. Throws `ExpressionError`. */
export function compileExpression(source: string, options?: ExpressionOptions): Expression {
  return expressionOf(cachedProgram(source, options));
}

/** As `compileExpression`, but what does not give a bool is an `ExpressionError`. */
export function compileCondition(source: string, options?: ExpressionOptions): Expression {
  return expressionOf(cachedProgram(source, options), (value) => {
    if (typeof value === "boolean") return value;
    throw new Fault(`the condition gives a ${typeName(value)}, not a bool`, {
      expected: "compare, such as a == 'x' or has(a.b)",
    });
  });
}

function expressionOf(program: Program, finish: (value: Value) => unknown = toJson): Expression {
  const { source, references, run } = program;
  const expression: Expression = {
    source,
    references,
    evaluate(scope) {
      try {
        refillBudget();
        return finish(run(scope));
      } catch (thrown) {
        throw asExpressionError(thrown, source);
      }
    },
  };
  trees.set(expression, program.root);
  return expression;
}

/**
 * The conjuncts `event.<path> == <expression>` at the top of a condition: where an event's value at `path` differs from
 * the expression's, the condition cannot hold. Either side may come first; `payload.x` counts as `event.payload.x`.
 */
export function equalityKeys(expression: Expression): { path: string[]; expression: Expression }[] {
  const root = trees.get(expression);
  if (root === undefined) throw new TypeError("equalityKeys takes what compileExpression or compileCondition made");
  const { source } = expression;
  const scan: Scan = { text: source, dollars: new Set(), stepPaths: [], end: source.length };
  return equalityTerms(root).map(({ path, other }) => ({
    path,
    expression: expressionOf(programOf(other, { source, scan, dialect: json })),
  }));
}
