/**
 * Text functions that cannot be left to the library, because their result may be far larger than their arguments or
 * their work grows with the square of them. Each charges before it works.
 */
import { charge } from "./budget.ts";
import { Fault } from "./errors.ts";
import { itemsOf, ListValue, typeName, type Value } from "./values.ts";

/** What a search costs at worst: a pass over the text, and its length times the needle's where most of it matches. */
export function chargeSearch(text: string, needle: string): void {
  charge(1 + (text.length >> 2) + Math.floor((text.length * needle.length) / 64));
}

/** The number of code points. A surrogate without its partner counts as one. */
export function codePoints(text: string): number {
  charge(text.length >> 3);
  let count = text.length;
  for (let index = 0; index < text.length - 1; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0xd800 || unit > 0xdbff) continue;
    const next = text.charCodeAt(index + 1);
    if (next < 0xdc00 || next > 0xdfff) continue;
    count--;
    index++;
  }
  return count;
}

/** Replaces up to `limit` occurrences, from the left; a negative limit is none. An empty needle is found everywhere. */
export function replaceText(text: string, needle: string, replacement: string, limit: number): string {
  const most = Math.floor(text.length / Math.max(1, needle.length)) + 1;
  const rounds = limit < 0 ? most : Math.min(limit, most);
  chargeSearch(text, needle);
  charge(rounds + ((text.length + rounds * replacement.length) >> 3));
  let result = "";
  let from = 0;
  for (let round = 0; round < rounds; round++) {
    const searchFrom = needle === "" && round > 0 ? from + 1 : from;
    const found = searchFrom > text.length ? -1 : text.indexOf(needle, searchFrom);
    if (found === -1) break;
    result += text.slice(from, found) + replacement;
    from = found + needle.length;
  }
  return result + text.slice(from);
}

/** The parts between separators; with a limit the last part keeps the rest. A negative limit is none. */
export function splitText(text: string, separator: string, limit: number): ListValue {
  if (limit === 0) return new ListValue([]);
  chargeSearch(text, separator);
  charge(text.length >> 2);
  const parts = text.split(separator);
  if (limit < 0 || parts.length <= limit) return new ListValue(parts);
  return new ListValue([...parts.slice(0, limit - 1), parts.slice(limit - 1).join(separator)]);
}

export function joinTexts(list: Value, separator: string): string {
  const items = itemsOf(list) ?? [];
  let length = 0;
  for (const item of items) {
    if (typeof item !== "string") {
      throw new Fault(`join takes a list of strings; one item is a ${typeName(item)}`, {
        expected: "make the items text first: list.map(x, string(x)).join(…)",
      });
    }
    length += item.length + separator.length;
  }
  charge(items.length + (length >> 3));
  return items.join(separator);
}

const clause = /%(?:%|(?:\.(\d+))?([a-zA-Z]))/g;

/**
 * The arguments of `format` with JSON numbers as each clause wants them: whole ones as ints for `%d`, `%x`, `%X`, `%o`
 * and `%b`, ints as doubles for `%f` and `%e`. Charges for the digits a precision asks for.
 */
export function formatArguments(template: string, list: Value): ListValue {
  charge(200 + template.length);
  const items = [...(itemsOf(list) ?? [])];
  let next = 0;
  for (const [, precision, letter] of template.matchAll(clause)) {
    if (letter === undefined) continue;
    // A number formatter is built for each of these.
    charge((letter === "f" ? 1_500 : 20) + Number(precision ?? 0));
    const index = next++;
    const item = items[index];
    if (typeof item === "number" && "dxXob".includes(letter) && Number.isInteger(item)) items[index] = BigInt(item);
    if (typeof item === "bigint" && "fe".includes(letter)) items[index] = Number(item);
  }
  return new ListValue(items);
}
