/**
 * The built-in `transform`, whose value is that of `{ expression: "…" }` over the instance's scope.
 *
 * The machine evaluates it while it decides, with no commit and no handler. What reaches this handler is a step whose
 * definition holds no such text: its input was computed, and evaluating it would let data become code.
 */

import type { TaskHandler } from "./contract.ts";
import { inputError } from "./input.ts";

export const transform: TaskHandler = () => {
  throw inputError(
    "transform",
    'the definition must hold the expression itself, as { "expression": "input.total * 2" }; it is never computed',
  );
};
