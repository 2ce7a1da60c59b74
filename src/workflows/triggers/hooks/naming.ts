/** Under which name a webhook's calls are published, and what routing looks for. */
import { splitTemplate } from "../../../foundation/expressions/index.ts";
import { eventNameOf } from "../model.ts";

/**
 * The pattern that every name fits which comes of a webhook's `eventPattern`: the name itself where it is constant,
 * else the tokens before its first expression and whatever follows. Throws `ExpressionError`.
 */
export function routingPatternOfHook(eventPattern: string): string {
  const parts = splitTemplate(eventPattern);
  const constant = parts.map((part) => ("literal" in part ? part.literal : "")).join("");
  if (parts.every((part) => "literal" in part)) return eventNameOf(constant);
  const [first] = parts;
  const head = first !== undefined && "literal" in first ? first.literal : "";
  const tokens = head.includes(".") ? eventNameOf(head.slice(0, head.lastIndexOf("."))) : "";
  return tokens === "" ? ">" : `${tokens}.>`;
}
