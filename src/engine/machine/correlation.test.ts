import { expect, test } from "vitest";
import { begun, fan, task, to, transform, wait } from "../../../test/support/machine.ts";
import type { EventView, WaitShape } from "../contract_events.ts";
import type { Single } from "../simulation/single.ts";
import { eventMatchKey, pathKeys, pathText } from "./correlation.ts";
import type { CancellationTrigger, Json } from "./definition.ts";

/** What the wait that opens first says of how it is found. */
function opened(eventCondition: string | undefined, { input = {} as Json, eventPattern = "order.*", ...more } = {}) {
  const single = begun([wait("w", { eventPattern, eventCondition, ...more })], { input });
  const [first] = single.waits.values();
  return { key: first?.key, shapes: single.program.shapes };
}

const event = (payload: Json, more: Partial<EventView> = {}): EventView => ({
  id: "1",
  eventId: "1",
  type: "order.paid",
  pattern: "order.paid",
  payload,
  metadata: {},
  source: null,
  timestamp: "2030-01-01T00:00:00.000Z",
  acceptedAt: "2030-01-01T00:00:00.000Z",
  partitionKey: null,
  ...more,
});

/** Of every open wait. */
const keysBy = ({ waits }: Single) => [...waits.values()].map(({ path, key }) => [path, key]);

/** The keys of an event for each of the shapes that have paths. */
const keysOf = (shapes: WaitShape[], of: EventView) =>
  shapes.filter(({ paths }) => paths.length > 0).map((shape) => eventMatchKey(shape, of));

test("a path and its text are the same, whatever its keys are called", () => {
  for (const keys of [["payload", "order"], ["a.b", "c/d", "~2"], ["", "~0~1"], [""], ["__proto__"]]) {
    expect(pathKeys(pathText(keys)), JSON.stringify(keys)).toEqual(keys);
  }
  expect(pathText(["payload", "a.b", "c/d", "~"])).toBe("payload.a~2b.c~1d.~0");
});

test("a wait and an event have the same key where all that the condition compares is equal", () => {
  const condition = "payload.order == input.id && input.n == event.payload.part['no.'] && payload.amount > 5";
  const { key, shapes } = opened(condition, { input: { id: "o-7", n: 3 } });
  expect(key).toBe('order.* payload.order,payload.part.no~2 ["o-7",3]');
  expect(shapes).toEqual([
    { pattern: "order.*", paths: [] },
    {
      pattern: "order.*",
      paths: [
        ["payload", "order"],
        ["payload", "part", "no."],
      ],
    },
  ]);
  expect(keysOf(shapes, event({ order: "o-7", part: { "no.": 3 } }))).toEqual([key]);
  expect(keysOf(shapes, event({ order: "o-7", part: { "no.": "3" } }))).not.toEqual([key]);
  expect(eventMatchKey(shapes[0]!, event({}))).toBe("");
});

test("an event in which a path is absent or leads to no scalar has no key", () => {
  const { shapes } = opened("payload.a.b == input.x");
  const payloads: Json[] = [{}, { a: 1 }, { a: { c: 1 } }, { a: [] }, { a: { b: {} } }, { a: { b: [1] } }, null, "a"];
  for (const payload of payloads) expect(keysOf(shapes, event(payload)), JSON.stringify(payload)).toEqual([undefined]);
  const inherited = opened("payload.constructor == input.x").shapes;
  expect(keysOf(inherited, event({}))).toEqual([undefined]);
});

test("null, booleans and numbers of every size are compared as conditions compare them", () => {
  for (const value of [null, true, false, 0, -0, 1.5, 1e300, 9007199254740992, "text", "", "ü\ud83d\ude00"] as Json[]) {
    const { key, shapes } = opened("payload.v == input.v", { input: { v: value } });
    expect(keysOf(shapes, event({ v: value })), String(value)).toEqual([key]);
  }
  const { key, shapes } = opened("payload.v == 9007199254740992");
  expect(keysOf(shapes, event({ v: 9007199254740992 }))).toEqual([key]);
});

test("paths are sorted, and of those that stand twice the first counts", () => {
  const input = { x: 1, y: 2, z: 3 };
  const { key } = opened("payload.b == input.x && event.metadata.c == input.z && payload.b == input.y", { input });
  expect(key).toBe("order.* metadata.c,payload.b [3,1]");
});

test("a wait is found by its pattern alone where it compares nothing, or a side errs or is no scalar", () => {
  for (const condition of [
    undefined,
    "payload.n > 3",
    "payload.a == payload.b",
    "payload.a == input.b || true",
    "payload.a == input.missing",
    "payload.a == input",
    "payload.a == input.a && payload.b == input.list",
  ])
    expect(opened(condition, { input: { a: 1, list: [1] } }).key, condition).toBe("");
});

test("a long key is a hash, the same for the wait and the event", () => {
  const id = "x".repeat(400);
  const { key, shapes } = opened("payload.id == input.id", { input: { id } });
  expect(key).toMatch(/^#[0-9a-f]{64}$/);
  expect(keysOf(shapes, event({ id }))).toEqual([key]);
  expect(keysOf(shapes, event({ id: `${id}x` }))).not.toEqual([key]);
});

test("the instance's side is what it is when the wait opens, in its branch", () => {
  const single = begun(
    [
      transform("a", "{'id': 'k-' + string(input.n)}", { outputMapping: { id: "output.id" }, ...to("f") }),
      fan("f", { l: [wait("w", { eventCondition: "payload.id == variables.id" })], r: [task("t")] }),
    ],
    { input: { n: 4 } },
  );
  expect(keysBy(single)).toEqual([["f/l/w", 'go payload.id ["k-4"]']]);
});

test("a cancellation trigger has a key where it compares with what never changes", () => {
  const triggered = (...cancellationTriggers: CancellationTrigger[]) =>
    begun([task("a")], { input: { id: 7 }, definition: { cancellationTriggers, variables: { v: { default: 1 } } } });
  const single = triggered(
    { eventPattern: "stop", eventCondition: "payload.id == input.id && payload.v == variables.v" },
    { eventPattern: "halt" },
  );
  expect(keysBy(single)).toEqual([
    ["~cancel/0", "stop payload.id [7]"],
    ["~cancel/1", ""],
  ]);
  expect(single.program.shapes).toEqual([
    { pattern: "stop", paths: [] },
    { pattern: "stop", paths: [["payload", "id"]] },
    { pattern: "halt", paths: [] },
  ]);
});

test("the shapes of a program are those of all its waits, each once", () => {
  const condition = { eventPattern: "x", eventCondition: "payload.a == input.a" };
  const { program } = begun(
    [
      wait("w", { ...condition, ...to("f") }),
      fan("f", { l: [wait("v", condition)], r: [wait("u", { eventPattern: "x" })] }),
    ],
    { definition: { cancellationTriggers: [condition] } },
  );
  expect(program.shapes).toEqual([
    { pattern: "x", paths: [] },
    { pattern: "x", paths: [["payload", "a"]] },
  ]);
});
