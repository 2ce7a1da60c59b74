/** Sequences of a test: made, looked at, failed. */
import { expect } from "vitest";
import type { Answer, TestApp } from "./app.ts";

export const sequencesPath = "/api/v1/event-sequences";
export const queuePath = "/api/v1/events/queue";

export interface Member {
  position: number;
  order: number;
  status: string;
  eventId?: string;
  waitingFor?: string;
  retries: number;
  error?: { code: string; message: string; targets: string[] };
  [field: string]: unknown;
}

export interface Sequence {
  id: string;
  sequenceId: string;
  status: string;
  events: Member[];
  rollback?: { status: string; events?: { pattern: string; eventId: string }[]; error?: string };
  completedAt?: string;
  [field: string]: unknown;
}

export interface EventSeen {
  id: string;
  eventId: string;
  pattern: string;
  payload: unknown;
  metadata: Record<string, unknown>;
  source: unknown;
  sourceKey: string | null;
}

export interface SequenceRig {
  program: TestApp;
  create(body: object, options?: { namespace?: string }): Promise<Answer>;
  /** Creates one, which must go well. */
  made(body: object): Promise<Sequence>;
  get(id: string): Promise<Sequence>;
  post(id: string, verb: string, body?: object): Promise<Answer>;
  /** Waits until it has the status, and gives it. */
  until(id: string, status: string): Promise<Sequence>;
  /** Waits until its members have these statuses, by position. */
  untilMembers(id: string, statuses: string[]): Promise<Sequence>;
  statuses(sequence: Sequence): string[];
  queue(verb: "pause" | "resume" | "drain"): Promise<void>;
  /** What a target's failure leaves: a dead letter of the event. The queue is paused, so nobody has seen that it is routed. */
  breakEvent(eventId: string, target?: string): Promise<void>;
  /** Events of a pattern, in the order in which they were accepted. */
  events(pattern: string): Promise<EventSeen[]>;
}

export function createSequenceRig(program: TestApp): SequenceRig {
  const call = (method: string, path: string, body?: object, namespace?: string) =>
    program.call(method, `${sequencesPath}${path}`, { body, namespace });
  const byPosition = (sequence: Sequence) => sequence.events.toSorted((a, b) => a.position - b.position);
  const rig: SequenceRig = {
    program,
    create: (body, { namespace } = {}) => call("POST", "", body, namespace),
    async made(body) {
      const answer = await rig.create({ name: "a series", ...body });
      expect(answer.status, JSON.stringify(answer.body)).toBe(201);
      return sequenceOf(answer);
    },
    async get(id) {
      return sequenceOf(await call("GET", `/${id}`));
    },
    post: (id, verb, body) => call("POST", `/${id}/${verb}`, body),
    async until(id, status) {
      await expect.poll(async () => (await rig.get(id)).status, { timeout: 10_000 }).toBe(status);
      return await rig.get(id);
    },
    async untilMembers(id, statuses) {
      await expect.poll(async () => rig.statuses(await rig.get(id)), { timeout: 10_000 }).toEqual(statuses);
      return await rig.get(id);
    },
    statuses: (sequence) => byPosition(sequence).map(({ status }) => status),
    async queue(verb) {
      expect((await program.call("POST", `${queuePath}/${verb}`)).status).toBe(200);
    },
    async breakEvent(eventId, target = "00000000-0000-7000-8000-00000000dead") {
      const text = `insert into event_processing_service.dead_letter_queue
          (id, namespace, event_instance_id, subscriber_id, original_event, error_message, error_type, error_code)
        values (gen_random_uuid(), 'default', $1, 'subscription:' || $2, '{}', 'nobody answers', 'TRANSIENT', 'HTTP_503')`;
      await program.app.db.unnamed(text, [eventId, target]);
    },
    events: (pattern) =>
      program.app.db.unnamed<EventSeen>(
        `select id, event_id as "eventId", pattern, payload, metadata, source, source_key as "sourceKey"
         from event_processing_service.event_instances where pattern = $1 order by accepted_at, id`,
        [pattern],
      ),
  };
  return rig;
}

function sequenceOf({ status, body }: Answer): Sequence {
  expect([200, 201], JSON.stringify(body)).toContain(status);
  const { events, ...rest } = body;
  return { sequenceId: String(body.sequenceId), ...rest, events: events as Member[] };
}
