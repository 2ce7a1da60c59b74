/** What the parts of the compiler share. */
import type { Dialect } from "./operators.ts";
import type { Node } from "./syntax.ts";
import type { Value } from "./values.ts";

/** The root names an expression may read, with their JSON values. */
export type Scope = Readonly<Record<string, unknown>>;

/** One compiled node. `frame` holds the loop variables by slot. */
export type Run = (scope: Scope, frame: Value[]) => Value;

export interface Compiling {
  readonly dialect: Dialect;
  /** Slot of each loop variable that is visible here. */
  readonly locals: ReadonlyMap<string, number>;
  /** How many slots a frame needs; grows as loops are met. */
  readonly frame: { size: number };
  /** Compiles a node below the one at hand. */
  readonly compile: (node: Node, context: Compiling) => Run;
}
