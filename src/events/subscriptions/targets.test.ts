import { afterAll, beforeAll, expect, test } from "vitest";
import { createSubscribersRig, type SubscribersRig } from "../../../test/support/subscribers.ts";
import type { EventView } from "../../engine/index.ts";
import { loadSubscriptionTargets } from "./targets.ts";

let rig: SubscribersRig;
beforeAll(async () => {
  rig = await createSubscribersRig();
});
afterAll(() => rig.stop());

const base = "/api/v1/subscriptions";
const subscriber = { type: "webhook", endpoint: "https://example.com/hooks" };
const event = (payload: EventView["payload"]): EventView => ({
  id: "0",
  eventId: "0",
  type: "a",
  pattern: "a",
  payload,
  metadata: {},
  source: null,
  timestamp: "2026-01-01T00:00:00.000Z",
  acceptedAt: "2026-01-01T00:00:00.000Z",
  partitionKey: null,
});

test("subscriptions are targets: their filter decides, and one that errs does not match and says why", async () => {
  const { id } = await rig.subscribe({ eventPattern: "a.*", subscriber, filter: "payload.n > 1", name: "big" });
  await rig.subscribe({ eventPattern: "b", subscriber });
  const { targets, goneIds } = await loadSubscriptionTargets(rig.db, 0);
  expect(goneIds).toEqual([]);
  expect(targets.map(({ pattern, target }) => [pattern, target.name === "big"])).toEqual([
    ["a.*", true],
    ["b", false],
  ]);
  const { target } = targets[0]!;
  expect(target).toMatchObject({ kind: "subscription", id, namespace: "default" });
  expect(target.decide(event({ n: 2 }))).toEqual({ outcome: "matched" });
  expect(target.decide(event({ n: 1 }))).toMatchObject({
    outcome: "skipped",
    reason: expect.stringContaining("does not hold"),
  });
  expect(target.decide(event({}))).toMatchObject({ outcome: "skipped", reason: expect.stringContaining("erred") });
  expect(targets[1]!.target.decide(event(null))).toEqual({ outcome: "matched" });
});

test("what was changed since a revision is loaded alone; what takes no events any more is gone", async () => {
  const { id } = await rig.subscribe({ eventPattern: "c", subscriber });
  const revision = async () => {
    const text = "select revision from event_processing_service.routing_revision";
    const [row] = await rig.db.unnamed<{ revision: number }>(text);
    return row!.revision;
  };
  let known = await revision();
  expect(await loadSubscriptionTargets(rig.db, known)).toEqual({ targets: [], goneIds: [] });
  await rig.call("POST", `${base}/${id}/suspend`);
  const suspended = await loadSubscriptionTargets(rig.db, known);
  expect([suspended.targets.map(({ target }) => target.id), suspended.goneIds]).toEqual([[id], []]);
  known = await revision();
  await rig.call("DELETE", `${base}/${id}`);
  expect(await loadSubscriptionTargets(rig.db, known)).toEqual({ targets: [], goneIds: [id] });
  const all = await loadSubscriptionTargets(rig.db, 0);
  expect(all.targets.map(({ target }) => target.id)).not.toContain(id);
  expect(all.goneIds).toEqual([]);
});
