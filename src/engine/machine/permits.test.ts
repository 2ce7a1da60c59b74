import { describe, expect, test } from "vitest";
import { begun, once, survives, task, to } from "../../../test/support/machine.ts";
import type { Single } from "../simulation/single.ts";
import type { ConcurrencyLimit, Definition } from "./definition.ts";

const limited = (concurrency: ConcurrencyLimit[], definition: Partial<Definition> = {}) =>
  begun([task("a", { ...once, ...to("b") }), task("b")], {
    input: { customer: "c1" },
    definition: { concurrency, ...definition },
  });
const permit = (single: Single, index: number) =>
  single.give({ kind: "permitted", key: single.state.permits?.[index]?.key ?? "gone" });
const told = (single: Single) => single.messages.map(({ kind, to }) => `${kind} ${to}`);
const two: ConcurrencyLimit[] = [{ limit: 5 }, { limit: 1, key: "input.customer" }];

test("an instance asks for one permit after the other, for that of its own key first, and begins with the last", () => {
  const single = survives(
    () => limited(two),
    [
      (one) => {
        expect([one.state.status, one.tasks.size]).toEqual(["CREATED", 0]);
        expect(one.messages).toMatchObject([
          { kind: "PERMIT_ASK", to: 'default/w/1/"c1"', fact: { limit: 1, priority: 5 } },
        ]);
        permit(one, 0);
      },
      (one) => {
        expect(one.state.status).toBe("CREATED");
        expect(one.messages.at(-1)).toMatchObject({ kind: "PERMIT_ASK", to: "default/w/0/", fact: { limit: 5 } });
        permit(one, 1);
      },
      (one) => {
        expect(one.state.status).toBe("RUNNING");
        one.complete("a");
      },
      (one) => one.complete("b"),
    ],
  );
  expect(told(single).slice(2)).toEqual(['PERMIT_RELEASE default/w/1/"c1"', "PERMIT_RELEASE default/w/0/"]);
  expect(single.state.permits).toBeUndefined();
});

test("a permit that comes twice, that was not asked for, or after the end changes nothing", () => {
  const single = limited(two);
  const first = { kind: "permitted", key: 'default/w/1/"c1"' } as const;
  expect(single.give({ kind: "permitted", key: 'default/w/1/"c2"' }).ignored).toBeDefined();
  single.give(first);
  const asked = single.messages.length;
  expect(single.give(first).ignored).toBeDefined();
  expect(single.messages).toHaveLength(asked);
  permit(single, 1);
  expect(single.give(first).ignored).toBeDefined();
  single.fail("a");
  expect(single.give(first).ignored).toBeDefined();
});

test("whatever ends it gives them back", () => {
  const ends: [how: string, (single: Single) => unknown][] = [
    ["failed", (one) => one.fail("a")],
    ["cancelled", (one) => one.cancel()],
    ["timed out", (one) => one.fire("")],
  ];
  for (const [how, act] of ends) {
    const single = limited([{ limit: 1 }], { timeout: 5_000 });
    permit(single, 0);
    act(single);
    expect(told(single), how).toEqual(["PERMIT_ASK default/w/0/", "PERMIT_RELEASE default/w/0/"]);
  }
});

test("one that is cancelled while it waits takes back what it has asked for, and no more", () => {
  const single = survives(() => limited([...two, { limit: 7 }]), [(one) => permit(one, 0), (one) => one.cancel()]);
  expect(single.state.status).toBe("CANCELLED");
  expect(told(single).slice(2)).toEqual(['PERMIT_RELEASE default/w/1/"c1"', "PERMIT_RELEASE default/w/0/"]);
});

test("it holds them while it is undone and between its runs", () => {
  const compensationSteps = [{ stepId: "undo", compensationFor: "a", type: "TASK" as const, taskId: "u" }];
  const single = limited([{ limit: 1 }], { compensationSteps, retryPolicy: { maxAttempts: 2 } });
  permit(single, 0);
  single.complete("a");
  single.fail("b");
  single.fire("b");
  single.fail("b");
  single.fire("b");
  single.fail("b");
  single.complete("~/undo");
  single.fire("~retry");
  expect(told(single)).toHaveLength(1);
  single.fail("a#2", { code: "NO", category: "BUSINESS" });
  expect(told(single).at(-1)).toBe("PERMIT_RELEASE default/w/0/");
});

test("its time runs from its begin", () => {
  const single = limited([{ limit: 1 }], { timeout: 5_000 });
  expect(single.timers.size).toBe(0);
  single.now += 60_000;
  permit(single, 0);
  expect(single.timers.get("")).toBe(single.now + 5_000);
});

describe("a key", () => {
  const keyOf = (key: string, input: unknown) => {
    const single = begun([task("a")], { input: input as never, definition: { concurrency: [{ limit: 1, key }] } });
    return single.state.permits?.[0]?.key;
  };
  test("is told apart by value and by type", () => {
    expect(keyOf("input.k", { k: "1" })).toBe('default/w/0/"1"');
    expect(keyOf("input.k", { k: 1 })).toBe("default/w/0/1");
    expect(keyOf("[input.k, instance.id]", { k: null })).toBe('default/w/0/[null,"i"]');
  });
  test("that errs is a key of its own: the limit holds for all of them together", () => {
    expect(keyOf("input.k", {})).toBe(keyOf("input.k.more", { k: 1 }));
    expect(keyOf("input.k", {})).not.toBe(keyOf("input.k", { k: "error EXPRESSION_ERROR" }));
  });
});

test("a change of priority reaches the home where it waits, and no home when it does not", () => {
  const single = limited(two);
  permit(single, 0);
  const decision = single.give({ kind: "priority", priority: 9 });
  expect(decision).toMatchObject({ priority: 9, messages: [{ kind: "PERMIT_PRIORITY", to: "default/w/0/", fact: { priority: 9 } }] }); // biome-ignore format: one line
  permit(single, 1);
  expect(single.give({ kind: "priority", priority: 1 })).toMatchObject({ priority: 1, messages: [] });
});

test("signals and a START that come while it waits are kept, and begin nothing", () => {
  const single = limited([{ limit: 1 }]);
  single.signal("go", 1);
  expect(single.give({ kind: "started", born: true }).ignored).toBeDefined();
  expect(single.give({ kind: "pause" }).ignored).toBeDefined();
  single.crash();
  expect([single.state.status, single.tasks.size, single.state.mailbox.length]).toEqual(["CREATED", 0, 1]);
});
