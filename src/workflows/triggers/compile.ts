/** What a trigger makes of an event. Pure: the same for the same event. */
import type { EventView, Json, Matched, Passed } from "../../engine/index.ts";
import {
  compileCondition,
  compileExpression,
  compileInput,
  compileTemplate,
  ExpressionError,
  type References,
  type Scope,
} from "../../foundation/expressions/index.ts";
import { under } from "../validate/pointer.ts";
import type { InputMapping } from "./model.ts";
import type { TriggerRow } from "./queries.ts";

/** `$.a` is a path into the payload. */
const options = { pathRoot: "payload" };
const longestCorrelationId = 255;

interface Part {
  readonly references: References;
  evaluate(scope: Scope): unknown;
}

/** Throws `ExpressionError`. */
export const compileEventCondition = (source: string): Part => compileCondition(source, options);
export const compileCorrelationKey = (source: string): Part => compileExpression(source, options);

/**
 * The parts of a mapping by their pointers. A text is one expression; of an object each text is an expression, or, where
 * it holds `${`, a text with expressions in it, and anything else is a value whose texts may hold `${…}`. Calls `fail`
 * with what is no expression, and leaves it out.
 */
export function compileMapping(
  mapping: InputMapping,
  fail: (pointer: string, error: ExpressionError) => void,
): { pointer: string; field: string | undefined; part: Part }[] {
  const entries =
    typeof mapping === "string"
      ? [{ pointer: "/inputMapping", field: undefined, value: mapping as Json }]
      : Object.entries(mapping).map(([field, value]) => ({ pointer: under("/inputMapping", field), field, value }));
  return entries.flatMap(({ pointer, field, value }) => {
    try {
      const isText = typeof value === "string" && value.includes("${") && field !== undefined;
      return [{ pointer, field, part: isText ? compileTemplate(value, options) : compileInput(value, options) }];
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      fail(pointer + (error.pointer ?? ""), error);
      return [];
    }
  });
}

type Judgement = Passed | Matched<{ input: Json; correlationId?: string }>;

/** A trigger ready for events. */
export interface CompiledTrigger {
  /** Whether it takes the event; the reason why not. */
  condition(event: EventView): Passed | undefined;
  /** What it does with an event that it takes. */
  act(event: EventView): Judgement;
}

/** Throws `ExpressionError` for a row that holds what is no expression. */
export function compileTrigger(row: TriggerRow): CompiledTrigger {
  const condition = row.eventCondition === null ? undefined : compileEventCondition(row.eventCondition);
  const key = row.correlationKey === null ? undefined : compileCorrelationKey(row.correlationKey);
  const mapping =
    row.inputMapping === null
      ? undefined
      : compileMapping(row.inputMapping, (_pointer, error) => {
          throw error;
        });
  return {
    condition(event) {
      if (row.kind === "webhook" && event.metadata.triggerId !== row.id) {
        return { outcome: "skipped", reason: "It did not come in by this trigger's webhook." };
      }
      if (condition === undefined) return undefined;
      const held = attempt(() => condition.evaluate(scopeOf(event)));
      if ("error" in held) return { outcome: "skipped", reason: `eventCondition counts as false: ${held.error}` };
      return held.value === true ? undefined : { outcome: "skipped", reason: "eventCondition is false." };
    },
    act(event) {
      const correlation = correlationOf(event, key, row.triggerType === "CANCEL");
      if ("outcome" in correlation) return correlation;
      if (row.triggerType === "CANCEL" || mapping === undefined) {
        return { outcome: "matched", input: event.payload, ...correlation };
      }
      const input = mapped(mapping, event);
      return "outcome" in input ? input : { outcome: "matched", ...input, ...correlation };
    },
  };
}

function scopeOf(event: EventView): Scope {
  return { event, payload: event.payload };
}

/** Without a key the event's own correlation goes on with what it starts. */
function correlationOf(
  event: EventView,
  key: Part | undefined,
  isNeeded: boolean,
): Passed | { correlationId?: string } {
  if (key === undefined) {
    const { correlationId } = event.metadata;
    return typeof correlationId === "string" && fits(correlationId) ? { correlationId } : {};
  }
  const found = attempt(() => key.evaluate(scopeOf(event)));
  if ("error" in found) return { outcome: "failed", reason: `correlationKey failed: ${found.error}` };
  const { value } = found;
  if (value === null || value === undefined) {
    return isNeeded ? { outcome: "skipped", reason: "correlationKey gives null, which cancels nothing." } : {};
  }
  const text = typeof value === "number" || typeof value === "boolean" ? String(value) : value;
  if (typeof text === "string" && fits(text)) return { correlationId: text };
  const reason = `correlationKey gives ${typeof text === "string" ? `a text of ${text.length} characters` : "no plain value"}`;
  return { outcome: "failed", reason: `${reason}; a text of 1 to ${longestCorrelationId} characters would be right.` };
}

const fits = (text: string) => text.length > 0 && text.length <= longestCorrelationId;

function mapped(mapping: ReturnType<typeof compileMapping>, event: EventView): Passed | { input: Json } {
  const scope = scopeOf(event);
  const fields: [string, Json][] = [];
  for (const { pointer, field, part } of mapping) {
    const found = attempt(() => part.evaluate(scope));
    if ("error" in found) return { outcome: "failed", reason: `${pointer} failed: ${found.error}` };
    // Expressions over JSON give JSON.
    const value = (found.value ?? null) as Json;
    if (field === undefined) return { input: value };
    fields.push([field, value]);
  }
  return { input: Object.fromEntries(fields) };
}

function attempt(evaluate: () => unknown): { value: unknown } | { error: string } {
  try {
    return { value: evaluate() };
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return { error: error.message };
  }
}
