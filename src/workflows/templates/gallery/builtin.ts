/** A template that comes with the program. Its id is its name, for good. */
import type { Json } from "../../../engine/index.ts";

export interface Builtin {
  name: string;
  /** Grows with its content. */
  version: string;
  category: "approval" | "transaction" | "integration" | "control-flow" | "batch" | "schedule";
  /** What it is for, what it does, how it ends: for whoever chooses one. */
  description: string;
  /** A JSON Schema; every parameter is described. */
  parameters: { [key: string]: Json };
  /** A definition with placeholders. */
  templateData: { [key: string]: Json };
}

/** A parameter that takes a duration. */
export function duration(description: string, usual?: string): { [key: string]: Json } {
  return {
    type: ["string", "integer"],
    description: `${description} Milliseconds, or ISO 8601 such as PT30S.`,
    ...(usual === undefined ? {} : { default: usual }),
  };
}

/** A parameter that takes an expression. */
export function expression(description: string, usual: string): { [key: string]: Json } {
  return { type: "string", minLength: 1, description: `${description} An expression.`, default: usual };
}

/** A parameter that takes the name of a task. */
export function task(description: string, usual?: string): { [key: string]: Json } {
  return {
    type: "string",
    minLength: 1,
    maxLength: 255,
    description: `${description} A taskId.`,
    ...(usual === undefined ? { examples: ["log"] } : { default: usual }),
  };
}

export function count(
  description: string,
  range: { usual: number; least: number; most: number },
): { [key: string]: Json } {
  return { type: "integer", minimum: range.least, maximum: range.most, description, default: range.usual };
}

/** How many items of a batch may fail. */
export const tolerance: { [key: string]: Json } = {
  anyOf: [
    { type: "integer", minimum: 0 },
    { type: "string", pattern: "^\\d{1,3}(\\.\\d+)?%$" },
  ],
  description: "How many items may fail: a number, or a share such as 10%.",
  default: 0,
};
