/** What tests of instances do again and again, by HTTP. */
import { expect, vi } from "vitest";
import type { Answer, CallOptions, TestApp } from "./app.ts";

export const instancesPath = "/api/v1/workflows/instances";
export const definitionsPath = "/api/v1/workflows/definitions";

export interface InstanceCalls {
  /** Stores a definition, and gives the id of its version. */
  define(document: object, options?: CallOptions): Promise<string>;
  /** Starts an instance, and gives its id. */
  start(definitionId: string, input?: unknown, more?: object, options?: CallOptions): Promise<string>;
  get(id: string): Promise<Answer["body"]>;
  post(id: string, verb: string, body?: unknown, options?: CallOptions): Promise<Answer>;
  untilItIs(status: string, id: string): Promise<void>;
}

export function instanceCalls(program: TestApp): InstanceCalls {
  const get = async (id: string) => (await program.call("GET", `${instancesPath}/${id}`)).body;
  return {
    get,
    async define(document, options) {
      const { status, body } = await program.call("POST", definitionsPath, { ...options, body: document });
      expect(status, JSON.stringify(body)).toBe(201);
      return body.id;
    },
    async start(definitionId, input = {}, more = {}, options = {}) {
      const body = { definitionId, input, ...more };
      const answer = await program.call("POST", instancesPath, { ...options, body });
      expect(answer.status, JSON.stringify(answer.body)).toBe(201);
      return answer.body.instanceId;
    },
    post: (id, verb, body, options) => program.call("POST", `${instancesPath}/${id}/${verb}`, { ...options, body }),
    untilItIs: (status, id) =>
      vi.waitFor(async () => expect((await get(id)).status).toBe(status), { timeout: 10_000, interval: 20 }),
  };
}
