import fc from "fast-check";
import { expect, test } from "vitest";
import { compilePattern } from "../../engine/machine/pattern.ts";
import { createTrie } from "./trie.ts";

const token = fc.constantFrom("a", "b", "c", "");
const name = fc.array(token, { minLength: 1, maxLength: 5 }).map((tokens) => tokens.join("."));
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constantFrom("*", ">", "*")), { minLength: 1, maxLength: 5 }), fc.boolean())
  .map(([tokens, isOpen]) => [...tokens, ...(isOpen ? [">"] : [])].join("."));

test("the trie finds exactly the patterns that fit one by one, each as often as it is there", () => {
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 60 }), fc.array(name, { minLength: 1, maxLength: 10 }), (all, names) => {
      const trie = createTrie(all.map((text, index) => ({ pattern: text, value: index })));
      for (const event of names) {
        const fitting = [...all.keys()].filter((index) => compilePattern(all[index]!)(event));
        expect(trie.find(event).sort((a, b) => a - b)).toEqual(fitting);
      }
    }),
  );
});

test("a trie that was changed finds what one made anew finds, and the one before stays as it was", () => {
  const entries = fc.array(pattern, { maxLength: 30 });
  fc.assert(
    fc.property(
      entries,
      entries,
      fc.nat(),
      fc.array(name, { minLength: 1, maxLength: 10 }),
      (first, added, n, names) => {
        const of = (patterns: string[], from: number) =>
          patterns.map((text, i) => ({ pattern: text, value: from + i }));
        const before = of(first, 0);
        const removed = before.filter((_, index) => (n >> (index % 20)) % 2 === 1);
        const after = [...before.filter((entry) => !removed.includes(entry)), ...of(added, 100)];
        const trie = createTrie(before);
        const changed = trie.changed({ removed, added: of(added, 100) });
        const [old, anew] = [createTrie(before), createTrie(after)];
        const sorted = (values: number[]) => values.sort((a, b) => a - b);
        for (const event of names) {
          expect(sorted(changed.find(event))).toEqual(sorted(anew.find(event)));
          expect(sorted(trie.find(event))).toEqual(sorted(old.find(event)));
        }
      },
    ),
  );
});
