import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Action,
  advance,
  type Failure,
  type MemberState,
  type Observation,
  pauseAfter,
  type RollbackStrategy,
} from "./model.ts";

const error: Failure = { message: "it broke", code: "TARGET_FAILED", targets: ["t"] };

function members(...of: Partial<MemberState>[]): MemberState[] {
  return of.map((one, position) => ({
    ...{ position, order: position + 1, required: true, status: "pending" as const, retries: 0 },
    ...one,
  }));
}

const seen = (...of: [number, Observation][]) => new Map(of);
const done: Observation = { kind: "processed" };
const failed: Observation = { kind: "failed", error };

describe("a sequence", () => {
  test("publishes the members of the lowest order first, all of them together", () => {
    const actions = advance(undefined, members({ order: 2 }, { order: 1 }, { order: 1 }), seen());
    expect(actions).toEqual([{ kind: "publish", positions: [1, 2] }]);
  });

  test("publishes nothing of an order while something before it is under way", () => {
    const some = members({ status: "published" }, {});
    const underWay: Observation = { kind: "under_way", waitsFor: "deliveries" };
    expect(advance(undefined, some, seen([0, underWay]))).toEqual([
      { kind: "wait", position: 0, waitsFor: "deliveries" },
    ]);
  });

  test("goes on in the same look in which it sees that a member is processed", () => {
    expect(advance(undefined, members({ status: "published" }, {}), seen([0, done]))).toEqual([
      { kind: "settle", position: 0, status: "processed" },
      { kind: "publish", positions: [1] },
    ]);
  });

  test("goes on after a failure of a member that is not required", () => {
    expect(advance(undefined, members({ status: "published", required: false }, {}), seen([0, failed]))).toEqual([
      { kind: "settle", position: 0, status: "failed", error },
      { kind: "publish", positions: [1] },
    ]);
  });

  test("stops at a required member that failed, after what goes beside it", () => {
    const some = members({ status: "published" }, { status: "published", order: 1 }, {});
    expect(advance(undefined, some, seen([0, failed], [1, { kind: "under_way", waitsFor: "routing" }]))).toEqual([
      { kind: "settle", position: 0, status: "failed", error },
      { kind: "wait", position: 1, waitsFor: "routing" },
    ]);
    const next = members({ status: "failed" }, { status: "published", order: 1 }, {});
    expect(advance(undefined, next, seen([1, done])).at(-1)).toEqual({
      kind: "fail",
      position: 0,
      compensates: false,
      isFinal: true,
    });
  });

  test.each<[RollbackStrategy, { compensates: boolean; isFinal: boolean }]>([
    [
      { type: "compensating_events", compensatingEvents: [] },
      { compensates: true, isFinal: true },
    ],
    [{ type: "manual" }, { compensates: false, isFinal: false }],
    [
      { type: "retry", maxRetries: 1 },
      { compensates: false, isFinal: true },
    ],
  ])("that fails with the strategy %j ends as %j", (strategy, how) => {
    const actions = advance(strategy, members({ status: "published", retries: 1 }), seen([0, failed]));
    expect(actions.at(-1)).toEqual({ kind: "fail", position: 0, ...how });
  });

  test("tries a required member again as often as its strategy says, and one that is not required never", () => {
    const strategy: RollbackStrategy = { type: "retry", maxRetries: 2 };
    const some = members({ status: "published", retries: 1 });
    expect(advance(strategy, some, seen([0, failed]))).toEqual([{ kind: "retry", position: 0, error }]);
    const optional = members({ status: "published", required: false });
    expect(advance(strategy, optional, seen([0, failed]))[0]).toMatchObject({ kind: "settle", status: "failed" });
  });

  test("is completed when nothing is left, whatever was passed over", () => {
    const some = members({ status: "skipped" }, { status: "failed", required: false }, { status: "processed" });
    expect(advance(undefined, some, seen())).toEqual([{ kind: "complete" }]);
  });
});

test("what has not changed for long is looked at more rarely, and never too rarely", () => {
  expect([0, 1_000, 3_600_000].map(pauseAfter)).toEqual([20, 250, 10_000]);
});

/** Does what actions say to the members, as the room does to its rows. */
function act(states: MemberState[], actions: readonly Action[]): void {
  const at = (position: number) => states.find((state) => state.position === position)!;
  for (const action of actions) {
    if (action.kind === "settle") at(action.position).status = action.status;
    if (action.kind === "retry") at(action.position).retries++;
    if (action.kind === "publish") for (const position of action.positions) at(position).status = "published";
  }
}

const strategies: (RollbackStrategy | undefined)[] = [
  undefined,
  { type: "manual" },
  { type: "retry", maxRetries: 2 },
  { type: "compensating_events", compensatingEvents: [] },
];

/** What is seen of a member, look after look; the last one again and again. */
const outcomes = fc.array(fc.constantFrom("under_way", "failed", "processed", "silent"), {
  minLength: 1,
  maxLength: 4,
});

const anySequence = fc.record({
  strategy: fc.constantFrom(...strategies),
  members: fc.array(
    fc.record({ order: fc.integer({ min: 1, max: 4 }), required: fc.boolean(), outcomes, ends: fc.boolean() }),
    { minLength: 1, maxLength: 8 },
  ),
});

function look(name: string): Observation | undefined {
  if (name === "silent") return undefined;
  if (name === "under_way") return { kind: "under_way", waitsFor: "routing" };
  return name === "failed" ? failed : done;
}

test("whatever its members do, it keeps their order, retries no more than it may, and comes to one end", () => {
  const property = fc.property(anySequence, (wish) => {
    const { strategy } = wish;
    const states = members(...wish.members.map(({ order, required }) => ({ order, required })));
    const looks = wish.members.map(() => 0);
    const most = strategy?.type === "retry" ? 2 : 0;
    for (let round = 0; round < 100; round++) {
      const observed = new Map<number, Observation>();
      for (const { position, status } of states) {
        if (status !== "published") continue;
        const { outcomes: list, ends } = wish.members[position]!;
        const n = looks[position]!++;
        const found = look(list[n] ?? (ends ? "processed" : "failed"));
        if (found !== undefined) observed.set(position, found);
      }
      const before = structuredClone(states);
      const actions = advance(strategy, states, observed);
      expect(states).toEqual(before);
      act(states, actions);
      for (const action of actions) {
        if (action.kind !== "publish") continue;
        const orders = new Set(action.positions.map((position) => states[position]!.order));
        expect(orders.size).toBe(1);
        const [order] = orders;
        const earlier = states.filter((state) => state.order < order!);
        expect(
          earlier.every(({ status, required }) => status === "processed" || (status === "failed" && !required)),
        ).toBe(true);
      }
      expect(states.every(({ retries, required }) => retries <= (required ? most : 0))).toBe(true);
      const end = actions.find(({ kind }) => kind === "complete" || kind === "fail");
      if (end === undefined) continue;
      expect(actions.at(-1)).toBe(end);
      expect(states.some(({ status }) => status === "published")).toBe(false);
      const broken = states.some(({ status, required }) => status === "failed" && required);
      expect(end.kind).toBe(broken ? "fail" : "complete");
      if (end.kind === "complete") expect(states.some(({ status }) => status === "pending")).toBe(false);
      return;
    }
    throw new Error("it came to no end");
  });
  fc.assert(property, { numRuns: 1_000 });
});

test("asked again after its actions were done, it does nothing but wait", () => {
  const property = fc.property(anySequence, ({ strategy, members: wished }) => {
    const states = members(...wished.map(({ order, required }) => ({ order, required })));
    act(states, advance(strategy, states, new Map()));
    expect(advance(strategy, states, new Map())).toEqual([]);
  });
  fc.assert(property);
});
