/**
 * Finds where a text stops being JSON, and members that are given twice.
 *
 * `JSON.parse` names the place in only some of its messages, and of two members with one name silently takes the last.
 * This reads the grammar of RFC 8259 without building values; it is the second look at a text, after `JSON.parse`.
 */

export interface JsonFault {
  offset: number;
  message: string;
}

const maxDepth = 200;
const blank = /[ \t\n\r]*/y;
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them in strings.
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const word = /true|false|null/y;

/** The first fault of the text, or undefined when it is JSON whose objects name each member once. */
export function findJsonFault(text: string): JsonFault | undefined {
  let offset = 0;
  let depth = 0;

  const fail = (message: string, at = offset): never => {
    throw new Fault(at, message);
  };
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = offset;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) offset += found.length;
    return found;
  };
  const found = () => (offset < text.length ? JSON.stringify(text.slice(offset, offset + 1)) : "the end of the text");
  const skip = () => take(blank);
  const expect = (character: string, words: string) => {
    if (text[offset] !== character) fail(`expected ${words}, found ${found()}`);
    offset++;
  };

  const members = (end: string, one: () => void) => {
    if (++depth > maxDepth) fail(`nested deeper than ${maxDepth} levels`);
    offset++;
    skip();
    if (text[offset] === end) {
      offset++;
    } else {
      one();
      for (skip(); text[offset] === ","; skip()) {
        offset++;
        skip();
        one();
      }
      expect(end, `"," or "${end}"`);
    }
    depth--;
  };

  const object = () => {
    const names = new Set<string>();
    members("}", () => {
      const at = offset;
      const source = take(string);
      if (source === undefined) return fail(`expected the name of a member in double quotes, found ${found()}`);
      const name: string = JSON.parse(source);
      if (names.has(name)) fail(`the member ${source} is given twice`, at);
      names.add(name);
      skip();
      expect(":", `":" after the name ${source}`);
      value();
    });
  };

  const value = () => {
    skip();
    const first = text[offset];
    if (first === "{") object();
    else if (first === "[") members("]", value);
    else if (first === '"' && take(string) === undefined)
      fail("the string has no end, or holds a character that must be escaped");
    else if (first !== '"' && take(number) === undefined && take(word) === undefined)
      fail(`expected a value, found ${found()}`);
    skip();
  };

  try {
    value();
    if (offset < text.length) fail(`expected nothing after the value, found ${found()}`);
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return { offset: error.offset, message: error.message };
    throw error;
  }
}

class Fault extends Error {
  readonly offset: number;
  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}
