/** Reading a built-in's input: each fault is said once, with what would be right, and fails the step without a retry. */

import { TaskError } from "./contract.ts";

export function inputError(task: string, message: string): TaskError {
  return new TaskError({ code: "INPUT_INVALID", category: "VALIDATION", message: `${task}: ${message}` });
}

/** The input as an object whose keys are all known; a misspelt key is a fault, never ignored. */
export function readObject(task: string, input: unknown, keys: readonly string[]): Record<string, unknown> {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    throw inputError(task, `the input is ${nameOf(input)}; an object with ${keys.join(", ")} is expected`);
  }
  for (const key of Object.keys(input)) {
    if (!keys.includes(key))
      throw inputError(task, `unknown field "${key.slice(0, 100)}"; known are ${keys.join(", ")}`);
  }
  return input as Record<string, unknown>;
}

/** The field as text that is not empty. */
export function readText(task: string, input: Record<string, unknown>, key: string): string {
  const value = input[key];
  if (typeof value !== "string" || value === "") {
    throw inputError(task, `"${key}" is ${nameOf(value)}; text is expected`);
  }
  return value;
}

/** What a value is, in words for a message. */
export function nameOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (value === "") return "empty text";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
