/** What tests of schedules do again and again, by HTTP. */
import { expect, vi } from "vitest";
import type { Answer, TestApp } from "./app.ts";

export const schedulesPath = "/api/v1/schedules";

export interface Occurrence {
  plannedAt: string;
  status: string;
  cause: string;
  reason?: string;
  instanceId?: string;
  backfillId?: string;
  occurredAt: string;
}

export interface ScheduleCalls {
  /** Stores a schedule of a workflow, and gives its id. */
  create(body: object): Promise<string>;
  get(id: string, part?: string): Promise<Answer["body"]>;
  post(id: string, verb: string, body?: unknown): Promise<Answer>;
  /** Newest planned time first. */
  occurrences(id: string, filter?: string): Promise<Occurrence[]>;
  /** Resolves when the occurrences, oldest first, have these statuses. */
  untilTheyAre(id: string, statuses: readonly string[]): Promise<Occurrence[]>;
}

export function scheduleCalls(program: Pick<TestApp, "call">): ScheduleCalls {
  const occurrences = async (id: string, filter = "") => {
    const { body } = await program.call("GET", `${schedulesPath}/${id}/occurrences?limit=500${filter}`);
    const items: unknown = body.items;
    return items as Occurrence[];
  };
  return {
    occurrences,
    async create(body) {
      const answer = await program.call("POST", schedulesPath, { body });
      expect(answer.status, JSON.stringify(answer.body)).toBe(201);
      return answer.body.id;
    },
    get: async (id, part = "") => (await program.call("GET", `${schedulesPath}/${id}${part}`)).body,
    post: (id, verb, body) => program.call("POST", `${schedulesPath}/${id}/${verb}`, { body }),
    untilTheyAre: (id, statuses) =>
      vi.waitFor(
        async () => {
          const found = (await occurrences(id)).reverse();
          expect(found.map(({ status }) => status)).toEqual(statuses);
          return found;
        },
        { timeout: 15_000, interval: 20 },
      ),
  };
}
