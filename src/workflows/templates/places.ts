/**
 * Where in a definition texts are expressions, where they may hold `${…}`, and where they are just text; in both
 * dialects, since a template is written in either.
 */
import { isRecord } from "../validate/pointer.ts";
import type { TextReading } from "./placeholders.ts";

/**
 * How a value of the document is read.
 *
 * - `structure`: a part of the definition; its members have their own readings
 * - `plain`: whatever is in it stands for itself
 * - `template`: its texts may hold `${…}`
 * - `expression`: its texts are expressions
 * - `input`: a text is an expression, anything else a template
 * - `time`: a text that looks like a duration or an instant is one, any other is an expression
 * - `transform`: the input of the task `transform`
 */
export type Reading = "structure" | TextReading | "input" | "time" | "transform";

const readings: ReadonlyMap<string, Reading> = new Map<string, Reading>([
  ["condition", "expression"],
  ["eventCondition", "expression"],
  ["key", "expression"],
  ["outputMapping", "expression"],
  ["eventPayloadMapping", "expression"],
  ["input", "input"],
  ["output", "input"],
  ["items", "input"],
  ["error", "template"],
  ["delay", "time"],
  ["until", "time"],
  ["inputSchema", "plain"],
  ["outputSchema", "plain"],
  ["variables", "plain"],
  ["uiComponents", "plain"],
]);

/** How the member `key` of a value is read; `taskId` is that of the step whose member it is. */
export function readingOfMember(reading: Reading, key: string, taskId: unknown): Reading {
  switch (reading) {
    case "structure":
      return key === "input" && taskId === "transform" ? "transform" : (readings.get(key) ?? "structure");
    case "transform":
      return key === "expression" ? "expression" : "plain";
    case "input":
      return "template";
    case "time":
      return "structure";
    default:
      return reading;
  }
}

/** How items of a list are read. */
export function readingOfItem(reading: Reading): Reading {
  return readingOfMember(reading, "", undefined);
}

/** How a text is read. */
export function readingOfText(reading: Reading, text: string): TextReading {
  switch (reading) {
    case "structure":
      return "plain";
    case "input":
      return "expression";
    case "transform":
      return "plain";
    case "time":
      // With its placeholders as digits: `PT{{minutes}}M` is a duration, `duration({{text}})` an expression.
      return isTime(text.replaceAll(/\{\{(?!\s*expression\s)[^{}]*\}\}/g, "1")) ? "plain" : "expression";
    default:
      return reading;
  }
}

const timeShape = /^(P[\dWDTHMS.,]+|\d+|\d[\d-]*T\d[\d:.]*(Z|[+-]\d{2}:\d{2}))$/;

/** Whether a DELAY takes the value as a time as it stands, not as an expression. */
export function isTime(value: unknown): boolean {
  return typeof value === "number" || (typeof value === "string" && timeShape.test(value));
}

/** The task of a step, as far as its text tells; a template may leave it to a parameter. */
export function taskIdOf(value: unknown): unknown {
  return isRecord(value) ? value.taskId : undefined;
}
