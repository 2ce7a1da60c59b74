/** What becomes of a sequence whose members fail. A target's failure is what it leaves: a dead letter of the event. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp } from "../../../test/support/app.ts";
import { createSequenceRig, type Sequence, type SequenceRig } from "../../../test/support/sequences.ts";

let rig: SequenceRig;

beforeAll(async () => {
  rig = createSequenceRig(await startTestApp());
});
afterAll(() => rig?.program.stop());

/** A sequence whose first member is published, and fails as soon as it is routed. */
async function failing(body: object): Promise<Sequence> {
  await rig.queue("pause");
  const { id } = await rig.made(body);
  const held = await rig.untilMembers(id, ["published", "pending"]);
  await rig.breakEvent(held.events[0]!.eventId!);
  await rig.queue("resume");
  return held;
}

/** As a person who resends it, or a subscriber that takes it at last. */
function resolveLetters(sequence: Sequence): Promise<unknown> {
  const text = "update event_processing_service.dead_letter_queue set status = 'resolved' where event_instance_id = $1";
  return rig.program.app.db.unnamed(text, [sequence.events[0]!.eventId]);
}

describe("a required member that fails", () => {
  test("stops the sequence, which says by what", async () => {
    const { id } = await failing({ events: [{ pattern: "plain.a" }, { pattern: "plain.b" }] });
    const ended = await rig.until(id, "failed");
    expect(rig.statuses(ended)).toEqual(["failed", "pending"]);
    expect(ended).toMatchObject({
      completedAt: expect.any(String),
      error: { code: "DEAD_LETTER", message: expect.stringContaining("nobody answers"), order: 1, position: 0 },
    });
    expect(ended).not.toHaveProperty("rollback");
    expect(await rig.events("plain.b")).toEqual([]);
  });

  test("has its compensating events published, filled in from the members and the error", async () => {
    const { id } = await failing({
      sequenceId: "undone",
      metadata: { correlationId: "c-9" },
      events: [{ pattern: "undo.a", payload: { customer: "ada", n: 3 } }, { pattern: "undo.b" }],
      rollbackStrategy: {
        type: "compensating_events",
        compensatingEvents: [
          {
            pattern: "undo.first",
            payloadTemplate: { who: "${events[0].payload.customer}", n: "${events[0].payload.n}" },
          },
          { eventId: "undo.second", payloadTemplate: "${sequence.sequenceId}: ${error.message}" },
        ],
      },
    });
    const ended = await rig.until(id, "failed");
    expect(ended.rollback).toMatchObject({
      status: "completed",
      events: [{ pattern: "undo.first" }, { pattern: "undo.second" }],
    });
    const [first] = await rig.events("undo.first");
    expect(first).toMatchObject({
      eventId: `seq:${id}:compensation:0`,
      payload: { who: "ada", n: 3 },
      metadata: { correlationId: "c-9", sequenceId: "undone", compensates: id },
    });
    expect((await rig.events("undo.second"))[0]?.payload).toMatch(/^undone: .*nobody answers/);
    const { status, body } = await rig.post(id, "retry");
    expect([status, body.code]).toEqual([409, "event_sequences.not_possible"]);
  });

  test("whose compensation cannot be filled in leaves it to people", async () => {
    const { id } = await failing({
      events: [{ pattern: "odd.a", payload: {} }, { pattern: "odd.b" }],
      rollbackStrategy: {
        type: "compensating_events",
        compensatingEvents: [{ pattern: "odd.undo", payloadTemplate: { x: "${events[0].payload.missing.field}" } }],
      },
    });
    const ended = await rig.until(id, "failed");
    expect(ended.rollback).toMatchObject({ status: "failed", error: expect.stringContaining("missing") });
    expect(await rig.events("odd.undo")).toEqual([]);
    expect((await rig.post(id, "skip")).body.status).toBe("in_progress");
    await rig.until(id, "completed");
  });

  test("is routed again as often as the strategy says, through the dead letter that it left", async () => {
    const held = await failing({
      events: [{ pattern: "again.a" }, { pattern: "again.b" }],
      rollbackStrategy: { type: "retry", maxRetries: 2 },
    });
    const ended = await rig.until(held.id, "failed");
    expect(ended.events[0]).toMatchObject({ status: "failed", retries: 2 });
    const [letter] = await rig.program.app.db.unnamed<{ status: string; retries: number }>(
      `select status, retry_count as retries from event_processing_service.dead_letter_queue where event_instance_id = $1`,
      [held.events[0]!.eventId],
    );
    expect(letter).toEqual({ status: "pending", retries: 2 });
  });

  test("may fail without harm when it is not required", async () => {
    const { id } = await failing({ events: [{ pattern: "optional.a", required: false }, { pattern: "optional.b" }] });
    expect(rig.statuses(await rig.until(id, "completed"))).toEqual(["failed", "processed"]);
  });
});

describe("a sequence that waits for people", () => {
  const manual = { rollbackStrategy: { type: "manual" }, events: [{ pattern: "manual.a" }, { pattern: "manual.b" }] };

  test("goes on after what failed has been repaired, and not before", async () => {
    const held = await failing(manual);
    const failed = await rig.until(held.id, "failed");
    expect(failed).not.toHaveProperty("completedAt");
    expect((await rig.post(held.id, "resume")).status).toBe(200);
    await expect.poll(async () => (await rig.get(held.id)).error).toBeDefined();
    await rig.until(held.id, "failed");
    await resolveLetters(held);
    expect((await rig.post(held.id, "resume")).body).toMatchObject({ status: "in_progress" });
    const ended = await rig.until(held.id, "completed");
    expect(rig.statuses(ended)).toEqual(["processed", "processed"]);
    expect(ended).not.toHaveProperty("error");
  });

  test("goes on without the member that they pass over", async () => {
    const { id } = await failing(manual);
    await rig.until(id, "failed");
    expect((await rig.post(id, "skip")).body).toMatchObject({ status: "in_progress" });
    expect(rig.statuses(await rig.until(id, "completed"))).toEqual(["skipped", "processed"]);
    expect((await rig.post(id, "skip")).status).toBe(409);
  });

  test("has the member routed again when they say so", async () => {
    const { id } = await failing(manual);
    await rig.until(id, "failed");
    const { body } = await rig.post(id, "retry");
    expect(body).toMatchObject({ status: "in_progress" });
    // The subscriber is not there, so it fails again.
    expect((await rig.until(id, "failed")).events[0]).toMatchObject({ status: "failed", retries: 1 });
  });

  test("has failed for good when they say so", async () => {
    const { id } = await failing(manual);
    await rig.until(id, "failed");
    expect((await rig.post(id, "fail")).body).toMatchObject({
      status: "failed",
      rollback: { status: "given_up" },
      completedAt: expect.any(String),
    });
    expect((await rig.post(id, "fail")).status).toBe(200);
    for (const verb of ["resume", "retry", "skip", "cancel"]) expect((await rig.post(id, verb)).status).toBe(409);
  });
});
